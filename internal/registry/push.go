package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// CheckPush reports whether the credentials may push to a repository, without pushing anything: an upload is begun, which
// Docker Hub wants to see before it says no, and given up.
func (c *Client) CheckPush(ctx context.Context, repository name.Repository) error {
	return c.try(ctx, repository, func(ctx context.Context) error {
		t, _, err := c.session(repository).open(ctx, c, repository, true)
		if err != nil {
			return err
		}
		client := http.Client{Transport: t}
		at := &url.URL{Scheme: repository.Scheme(), Host: repository.RegistryStr(), Path: "/v2/" + repository.RepositoryStr() + "/blobs/uploads/"}
		begun, err := send(ctx, client, http.MethodPost, at)
		if err != nil {
			return err
		}
		if err := transport.CheckError(begun, http.StatusAccepted, http.StatusCreated); err != nil {
			return err
		}
		if location, err := begun.Location(); err == nil {
			// Not every registry lets an upload be given up; each forgets it after a while.
			_, _ = send(ctx, client, http.MethodDelete, location)
		}
		return nil
	})
}

// send sends a request without a body; the answer's is read as far as an error's would be.
func send(ctx context.Context, client http.Client, method string, to *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, to.String(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, err
}

// blob is one in a registry.
type blob struct {
	registry string
	digest   v1.Hash
}

// home is a repository that has a blob.
type home struct {
	mutex      sync.Mutex
	repository name.Repository
	known      bool
}

// Upload sends a blob. One that another repository of the same registry was given, or that a base image there has, is
// mounted from there.
func (c *Client) Upload(ctx context.Context, repository name.Repository, layer v1.Layer) error {
	digest, err := layer.Digest()
	if err != nil {
		return err
	}
	h := c.home(blob{repository.RegistryStr(), digest})
	// Who wants the same blob elsewhere in the registry waits, and need not send it.
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if _, mountable := layer.(*remote.MountableLayer); h.known && !mountable && h.repository != repository {
		layer = &remote.MountableLayer{Layer: layer, Reference: h.repository.Digest(digest.String())}
	}
	err = c.retry(ctx, repository, func(ctx context.Context) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stuck := time.AfterFunc(c.pace.Commit, func() { cancel(fmt.Errorf("nothing has moved for %s", c.pace.Commit)) })
		defer stuck.Stop()
		if err := c.pusher.Upload(ctx, repository, watch(layer, func() { stuck.Reset(c.pace.Commit) })); err != nil {
			return withCause(ctx, err)
		}
		return nil
	})
	if err == nil && !h.known {
		h.repository, h.known = repository, true
	}
	return err
}

func (c *Client) home(b blob) *home {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	h, ok := c.blobs[b]
	if !ok {
		h = &home{}
		c.blobs[b] = h
	}
	return h
}

// Put writes a manifest whose blobs are there, by its digest or under a tag.
func (c *Client) Put(ctx context.Context, r name.Reference, manifest remote.Taggable) error {
	return c.try(ctx, r.Context(), func(ctx context.Context) error { return c.pusher.Put(ctx, r, manifest) })
}

// Create writes a manifest whose blobs are there under a tag, unless there is such a tag. Registries cannot do that in one
// step; each attempt asks first, so that what another has written while this one waited is not overwritten.
func (c *Client) Create(ctx context.Context, tag name.Tag, manifest remote.Taggable) error {
	return c.try(ctx, tag.Context(), func(ctx context.Context) error {
		_, err := readOnce(ctx, c, tag.Context(), func(o ...remote.Option) (*v1.Descriptor, error) { return remote.Head(tag, o...) })
		if !IsNotFound(err) {
			return err
		}
		return c.pusher.Put(ctx, tag, manifest)
	})
}

// watch tells whenever a part of a layer is read.
func watch(layer v1.Layer, moved func()) v1.Layer {
	if mountable, ok := layer.(*remote.MountableLayer); ok {
		return &remote.MountableLayer{Layer: &watched{mountable.Layer, moved}, Reference: mountable.Reference}
	}
	return &watched{layer, moved}
}

type watched struct {
	v1.Layer
	moved func()
}

// Compressed implements v1.Layer.
func (w *watched) Compressed() (io.ReadCloser, error) {
	blob, err := w.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	return &moving{blob, w.moved}, nil
}

type moving struct {
	io.ReadCloser
	moved func()
}

// Read implements io.Reader.
func (m *moving) Read(p []byte) (int, error) {
	m.moved()
	return m.ReadCloser.Read(p)
}
