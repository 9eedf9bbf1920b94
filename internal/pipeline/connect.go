package pipeline

import (
	"fmt"

	"github.com/GoogleContainerTools/kaniko/pkg/creds"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/registry"
)

// connect makes the run's client of registries.
func (r *Run) connect() (err error) {
	r.registry, err = Connect(r.Inputs, r.Dir, r.Pace)
	r.publisher = &publish.Publisher{Registry: r.registry}
	return err
}

// Connect is a client of registries as the inputs say. Paths among them are relative to dir.
func Connect(i *input.Inputs, dir string, pace registry.Pace) (*registry.Client, error) {
	ca, err := i.CA(dir)
	if err != nil {
		return nil, fmt.Errorf("input registry-ca: %w", err)
	}
	c, err := registry.New(registry.Options{Keychain: keychain(i), CA: ca, PlainHTTP: i.PlainHTTP, Mirrors: i.Mirrors, Pace: pace})
	if err != nil {
		return nil, fmt.Errorf("input registry-ca: %w", err)
	}
	return c, nil
}

// keychain has the credentials of the inputs for the registries that they name; else those of a Docker config, and of the
// clouds whose registries kaniko knows (Google, Amazon, Azure, GitLab); else, for GitHub's own registry, the job's token.
func keychain(i *input.Inputs) authn.Keychain {
	var chain []authn.Keychain
	if i.Username != "" && i.Password != "" {
		chain = append(chain, &static{i.Registries, authn.Basic{Username: i.Username, Password: i.Password}})
	}
	chain = append(chain, creds.GetKeychain())
	if i.Token != "" {
		// GitHub takes any user's name with a job's token.
		chain = append(chain, &static{[]string{"ghcr.io"}, authn.Basic{Username: "x-access-token", Password: i.Token}})
	}
	return authn.NewMultiKeychain(chain...)
}

type static struct {
	registries  []string
	credentials authn.Basic
}

// Resolve implements authn.Keychain.
func (s *static) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	for _, registry := range s.registries {
		if r, err := name.NewRegistry(registry); err == nil && r.RegistryStr() == resource.RegistryStr() {
			return &s.credentials, nil
		}
	}
	return authn.Anonymous, nil
}
