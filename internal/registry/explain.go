package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Explain adds to a registry's own words what was wanted of it, and what to check.
func Explain(what string, repository name.Repository, err error) error {
	if hint := hint(repository, err); hint != "" {
		return fmt.Errorf("%s: %w; %s", what, err, hint)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func hint(repository name.Repository, err error) string {
	var answer *transport.Error
	var certificate *tls.CertificateVerificationError
	var plain *PlainHTTPError
	host := repository.RegistryStr()
	switch {
	case errors.As(err, &certificate):
		return fmt.Sprintf("check that the input registry names the right registry (%s), and write the certificate of its authority, in PEM, into the input registry-ca", host)
	case errors.As(err, &plain):
		return "" // says it itself
	case !errors.As(err, &answer):
		return fmt.Sprintf("check that the input registry names a registry that this runner reaches (%s)", host)
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return fmt.Sprintf("check that the inputs username and password (a token that may write) belong to %s and may push to %s%s", host, repository.RepositoryStr(), denied[host])
	case answer.StatusCode == http.StatusTooManyRequests && host == name.DefaultRegistry:
		return "Docker Hub limits how often it answers an account, and an address that nobody has logged in from (https://docs.docker.com/docker-hub/usage/): write username and password, or run this job again later"
	case answer.StatusCode == http.StatusTooManyRequests:
		return "the registry limits how often it answers: run this job again later, or log in"
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Sprintf("many registries (Amazon's, Google's, Harbor) want a repository or project to be made before the first push: make one for %s, and check the input namespace", repository.RepositoryStr())
	case answer.StatusCode >= 500:
		return fmt.Sprintf("%s is not well: run this job again when it is; what is published stays, and what is missing is published then", host)
	}
	return ""
}

// denied is what else may be wrong at a registry that refuses.
var denied = map[string]string{
	"ghcr.io": "; a job's own token needs `packages: write`, and a package that was made by hand must give this repository access to it (Package settings, Manage Actions access); what is pushed for the first time is private until it is made public there, so that nobody else can pull it",
}
