package registry

import (
	"context"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// retried are the answers after which a registry is asked again: it has too much to do, or something on the way has.
var retried = []int{
	http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// Pull are the options of the library's functions for what is read as long as ctx lasts: these ask again themselves.
func (c *Client) Pull(ctx context.Context) []remote.Option {
	return append(c.options(ctx), remote.WithRetryStatusCodes(retried...))
}

// Mirror is a repository, or a registry, under which another one's repositories are found.
type Mirror struct {
	// Of is the registry whose images it has.
	Of name.Registry
	// At is its host, and a path where it has one.
	At string
}

// Image is an image of a platform, nil being linux/amd64: from the first mirror that has it, else from where its reference
// says. It is read as long as ctx lasts.
func (c *Client) Image(ctx context.Context, r name.Reference, platform *v1.Platform) (v1.Image, error) {
	options := c.Pull(ctx)
	if platform != nil {
		options = append(options, remote.WithPlatform(*platform))
	}
	for _, m := range c.mirrors {
		if m.Of != r.Context().Registry {
			continue
		}
		// A mirror that is away, or does not have it, costs a question.
		if there, err := m.reference(r); err == nil {
			if img, err := remote.Image(there, append(options, remote.WithRetryBackoff(once))...); err == nil {
				return img, nil
			}
		}
	}
	return remote.Image(r, options...)
}

// reference is what a mirror calls an image.
func (m Mirror) reference(r name.Reference) (name.Reference, error) {
	repository, err := name.NewRepository(m.At + "/" + r.Context().RepositoryStr())
	if err != nil {
		return nil, err
	}
	if digest, ok := r.(name.Digest); ok {
		return repository.Digest(digest.DigestStr()), nil
	}
	return repository.Tag(r.Identifier()), nil
}
