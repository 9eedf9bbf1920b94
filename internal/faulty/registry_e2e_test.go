//go:build e2e

package faulty_test

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/faulty"
)

// A real registry makes its Location headers of the Host that it is asked for.
func TestRealRegistry(t *testing.T) {
	t.Parallel()
	registry := os.Getenv("E2E_REGISTRY")
	if registry == "" {
		t.Fatal("E2E_REGISTRY is not set: run these tests by .ci/run")
	}
	for title, test := range map[string]struct {
		options []faulty.Option
		auth    authn.Authenticator
	}{
		"plain":           {nil, authn.Anonymous},
		"with a token":    {[]faulty.Option{faulty.Token("somebody", "s3cret")}, &authn.Basic{Username: "somebody", Password: "s3cret"}},
		"a token expires": {[]faulty.Option{faulty.Token("somebody", "s3cret"), faulty.At(5, faulty.Expired())}, &authn.Basic{Username: "somebody", Password: "s3cret"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			proxy := faulty.New(faulty.Registry(&url.URL{Scheme: "http", Host: registry}), test.options...)
			roundTrip(t, proxy, "faulty/"+strings.ReplaceAll(title, " ", "-"), remote.WithAuth(test.auth))
		})
	}
}
