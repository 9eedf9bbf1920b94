package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/jina/hub-publish/internal/registry"
)

// TestExplain has a hint for whoever can repair what failed.
func TestExplain(t *testing.T) {
	t.Parallel()
	const here, hub, github = "registry.example:5000", "index.docker.io", "ghcr.io"
	status := func(code int) error { return fmt.Errorf("reading: %w", &transport.Error{StatusCode: code}) }
	asked := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://registry.example:5000/v2/", Err: err}
	}
	unknown := asked(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	const token = "check that the inputs username and password (a token that may write) belong to "
	const well = " is not well: run this job again when it is; what is published stays, and what is missing is published then"
	for title, test := range map[string]struct {
		host string
		err  error
		hint string
	}{
		"401":                    {here, status(401), "; " + token + here + " and may push to hub/pod"},
		"403":                    {here, status(403), "; " + token + here + " and may push to hub/pod"},
		"401, Docker Hub":        {hub, status(401), "; " + token + hub + " and may push to hub/pod"},
		"403, GitHub":            {github, status(403), "; " + token + github + " and may push to hub/pod; a job's own token needs `packages: write`, and a package that was made by hand must give this repository access to it (Package settings, Manage Actions access); what is pushed for the first time is private until it is made public there, so that nobody else can pull it"},
		"404":                    {here, status(404), "; many registries (Amazon's, Google's, Harbor) want a repository or project to be made before the first push: make one for hub/pod, and check the input namespace"},
		"429":                    {here, status(429), "; the registry limits how often it answers: run this job again later, or log in"},
		"429, Docker Hub":        {hub, status(429), "; Docker Hub limits how often it answers an account, and an address that nobody has logged in from (https://docs.docker.com/docker-hub/usage/): write username and password, or run this job again later"},
		"500":                    {here, status(500), "; " + here + well},
		"503, GitHub":            {github, status(503), "; " + github + well},
		"400":                    {here, status(400), ""},
		"unknown certificate":    {here, unknown, "; check that the input registry names the right registry (" + here + "), and write the certificate of its authority, in PEM, into the input registry-ca"},
		"nobody listens":         {here, asked(syscall.ECONNREFUSED), "; check that the input registry names a registry that this runner reaches (" + here + ")"},
		"no answer":              {here, errors.New("it has not answered for 1m0s"), "; check that the input registry names a registry that this runner reaches (" + here + ")"},
		"plain HTTP":             {here, asked(&registry.PlainHTTPError{Host: here}), ""},
		"certificate, and plain": {here, errors.Join(unknown, asked(&registry.PlainHTTPError{Host: here})), "; check that the input registry names the right registry (" + here + "), and write the certificate of its authority, in PEM, into the input registry-ca"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			got := registry.Explain("pushing it", repository(t, test.host+"/hub/pod"), test.err)
			if want := "pushing it: " + test.err.Error() + test.hint; got.Error() != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if !errors.Is(got, test.err) {
				t.Error("it does not wrap the registry's own error")
			}
		})
	}
}
