// Package registry reaches image registries: with whose credentials, over which connections, how often after a fault, and
// in which words it says what failed.
package registry

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Options are what a client knows of the registries.
type Options struct {
	// Keychain has their credentials.
	Keychain authn.Keychain
	// CA are certificates in PEM of authorities that are trusted beside the system's.
	CA []byte
	// PlainHTTP are hosts, with their ports, that are spoken to without TLS. Any other is so on this machine alone.
	PlainHTTP []string
	// Mirrors are asked for base images, in their order, before the registry itself is.
	Mirrors []Mirror
	// Pace is DefaultPace where it is zero.
	Pace Pace
}

// Client reaches registries. It logs in to a repository once, and is safe for use by several goroutines.
type Client struct {
	keychain  authn.Keychain
	transport http.RoundTripper
	idle      func()
	mirrors   []Mirror
	pace      Pace

	mutex    sync.Mutex
	sessions map[name.Repository]*session
	blobs    map[blob]*home
	pusher   *remote.Pusher
	// down are hosts that were away for as long as the pace allows. They are not waited for once more.
	down map[string]bool
}

// New is a client. Its error is about the CA.
func New(o Options) (*Client, error) {
	if o.Pace == (Pace{}) {
		o.Pace = DefaultPace
	}
	if o.Keychain == nil {
		o.Keychain = authn.NewMultiKeychain()
	}
	t, idle, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	c := &Client{keychain: o.Keychain, transport: t, idle: idle, mirrors: o.Mirrors, pace: o.Pace, down: map[string]bool{}, sessions: map[name.Repository]*session{}, blobs: map[blob]*home{}}
	c.pusher, err = remote.NewPusher(append(c.options(context.Background()), remote.WithRetryBackoff(once))...)
	return c, err
}

// Close closes the connections that wait for another request. The client can still be used.
func (c *Client) Close() { c.idle() }

// Grace is the pace's.
func (c *Client) Grace() time.Duration { return c.pace.Grace }

// once has the library ask once for what the client asks for again itself.
var once = remote.Backoff{Steps: 1}

// agent is the client's name in a registry's logs.
const agent = "hub-publish"

func (c *Client) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(c.keychain), remote.WithTransport(c.transport), remote.WithUserAgent(agent)}
}

// session is the way to read one repository.
type session struct {
	mutex sync.Mutex
	// transport has logged in; nil before that.
	transport http.RoundTripper
	// writes reports that it has done so as one who may write, or as nobody: more is not to be had.
	writes bool
}

func (c *Client) session(repository name.Repository) *session {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	s, ok := c.sessions[repository]
	if !ok {
		s = &session{}
		c.sessions[repository] = s
	}
	return s
}

// open logs in, where that was not done before, as one who reads or one who writes, and tells as which: who has no
// credentials is both.
func (s *session) open(ctx context.Context, c *Client, repository name.Repository, writes bool) (http.RoundTripper, bool, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.transport != nil && (s.writes || !writes) {
		return s.transport, s.writes, nil
	}
	credentials, err := authn.Resolve(ctx, c.keychain, repository)
	if err != nil {
		return nil, writes, err
	}
	scope := transport.PullScope
	switch {
	case credentials == authn.Anonymous:
		writes = true // nobody gets more by logging in again
	case writes:
		scope = transport.PushScope
	}
	t, err := transport.NewWithContext(ctx, repository.Registry, credentials, transport.NewUserAgent(c.transport, agent), []string{repository.Scope(scope)})
	if err != nil {
		return nil, writes, err
	}
	s.transport, s.writes = t, writes
	return t, writes, nil
}

// read asks a repository something, until it answers.
func read[T any](ctx context.Context, c *Client, repository name.Repository, ask func(...remote.Option) (T, error)) (answer T, err error) {
	err = c.try(ctx, repository, func(ctx context.Context) error {
		answer, err = readOnce(ctx, c, repository, ask)
		return err
	})
	return answer, err
}

// readOnce asks a repository something. Docker Hub answers "denied" to who asks to read a repository that is not there yet,
// and "not found" to the same user who asks to write: a refused reader asks again as a writer.
func readOnce[T any](ctx context.Context, c *Client, repository name.Repository, ask func(...remote.Option) (T, error)) (answer T, err error) {
	s := c.session(repository)
	as := func(writes bool) (bool, error) {
		t, writes, err := s.open(ctx, c, repository, writes)
		if err != nil {
			return writes, err
		}
		answer, err = ask(remote.WithContext(ctx), remote.WithTransport(t))
		return writes, err
	}
	writes, err := as(false)
	if isDenied(err) && !writes {
		if _, second := as(true); !isDenied(second) {
			return answer, second
		}
	}
	return answer, err
}

// Manifest is one that a registry has. It can be put under another tag.
type Manifest struct {
	raw        []byte
	descriptor v1.Descriptor
}

// RawManifest is the manifest as it is.
func (m *Manifest) RawManifest() ([]byte, error) { return m.raw, nil }

// MediaType is the manifest's.
func (m *Manifest) MediaType() (types.MediaType, error) { return m.descriptor.MediaType, nil }

// Digest is the manifest's.
func (m *Manifest) Digest() v1.Hash { return m.descriptor.Digest }

// IsImage reports whether it is an image's: not an index, nor what is no OCI or Docker manifest.
func (m *Manifest) IsImage() bool { return m.descriptor.MediaType.IsImage() }

// Annotations are the manifest's.
func (m *Manifest) Annotations() map[string]string { return m.descriptor.Annotations }

// Get is the manifest that a tag or a digest names.
func (c *Client) Get(ctx context.Context, r name.Reference) (*Manifest, error) {
	return read(ctx, c, r.Context(), func(o ...remote.Option) (*Manifest, error) {
		d, err := remote.Get(r, o...)
		if err != nil {
			return nil, err
		}
		return &Manifest{raw: d.Manifest, descriptor: d.Descriptor}, nil
	})
}

// Config is the configuration of the image that a reference names.
func (c *Client) Config(ctx context.Context, r name.Reference) (*v1.ConfigFile, error) {
	return read(ctx, c, r.Context(), func(o ...remote.Option) (*v1.ConfigFile, error) {
		img, err := remote.Image(r, o...)
		if err != nil {
			return nil, err
		}
		return img.ConfigFile()
	})
}

// Head is the digest of what a tag names.
func (c *Client) Head(ctx context.Context, tag name.Tag) (v1.Hash, error) {
	return read(ctx, c, tag.Context(), func(o ...remote.Option) (v1.Hash, error) {
		d, err := remote.Head(tag, o...)
		if err != nil {
			return v1.Hash{}, err
		}
		return d.Digest, nil
	})
}

// Tags are all tags of a repository; none where there is no such repository.
func (c *Client) Tags(ctx context.Context, repository name.Repository) ([]string, error) {
	tags, err := read(ctx, c, repository, func(o ...remote.Option) ([]string, error) { return remote.List(repository, o...) })
	if IsNotFound(err) {
		return nil, nil
	}
	return tags, err
}

// Referrers are the manifests that have a manifest as their subject.
func (c *Client) Referrers(ctx context.Context, subject name.Digest) ([]v1.Descriptor, error) {
	return read(ctx, c, subject.Context(), func(o ...remote.Option) ([]v1.Descriptor, error) {
		index, err := remote.Referrers(subject, o...)
		if err != nil {
			return nil, err
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			return nil, err
		}
		return manifest.Manifests, nil
	})
}
