package builder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/worker"
)

// Cache is a registry's repository with layers that RUN instructions of earlier builds made, each as an image of one
// layer under its key as the tag. What COPY makes is not kept: it is made faster than it is asked for, and from the files
// as they are.
type Cache struct {
	Repository name.Repository
	// Write keeps the layers that were not found. Only a run whose Dockerfiles are the hub's own may write: a pull request
	// would leave there what the next publication takes for the hub's.
	Write bool
}

// cached are the layers that were found for a build, by their vertices.
type cached struct {
	cache   *Cache
	options []remote.Option
	keys    worker.Keys
	found   map[string]v1.Layer

	writes errgroup.Group
}

// lookUp finds the layers that stand for a build's instructions, and brings them to the worker.
func (b *Builder) lookUp(ctx context.Context, id string, order worker.Order) (*cached, error) {
	c := &cached{cache: b.options.Cache, found: map[string]v1.Layer{}}
	if c.cache == nil {
		return c, nil
	}
	c.options = append(b.bases.options(), remote.WithContext(ctx))
	var err error
	if c.keys, err = b.worker.Keys(ctx, id, order); err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ahead)
	for vertex, key := range c.keys {
		group.Go(func() error {
			layer, err := c.get(key)
			if layer == nil || err != nil {
				return err
			}
			if err := b.bring(ctx, id, vertex, layer); err != nil {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			c.found[vertex] = layer
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("ask the cache %s: %w", c.cache.Repository, err)
	}
	return c, nil
}

// get is the layer of a key; nil where there is none.
func (c *cached) get(key string) (v1.Layer, error) {
	img, err := remote.Image(c.cache.Repository.Tag(key), c.options...)
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		return nil, nil // a cache that may not be read, or is not there yet, is an empty one
	}
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		return nil, err
	}
	return layers[0], nil
}

// bring gives a cached layer to the worker. Its reader compares it with its digest.
func (b *Builder) bring(ctx context.Context, id, vertex string, layer v1.Layer) error {
	blob, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer blob.Close()
	return b.worker.Cached(ctx, id, vertex, blob)
}

// keep writes a layer that was not found, where this run may.
func (c *cached) keep(vertex string, layer v1.Layer) {
	key := c.keys[vertex]
	if c.cache == nil || !c.cache.Write || key == "" {
		return
	}
	c.writes.Go(func() error {
		img, err := mutate.AppendLayers(empty.Image, layer)
		if err != nil {
			return err
		}
		return remote.Write(c.cache.Repository.Tag(key), img, c.options...)
	})
}
