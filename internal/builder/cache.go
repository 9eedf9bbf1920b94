package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

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
	ctx     context.Context // the build's
	cache   *Cache
	options []remote.Option
	keys    worker.Keys
	found   map[string]v1.Layer

	writes errgroup.Group
}

// patience is how long a cache may take to say what it has: a build without it takes no longer than one without a cache.
const patience = 20 * time.Second

// lookUp finds the layers that stand for a build's instructions, and brings them to the worker. A cache that cannot be
// asked, or whose layer is not what it says, only makes the build take longer; who watches is told.
func (b *Builder) lookUp(ctx context.Context, id string, order worker.Order, watch *watcher) (*cached, error) {
	c := &cached{ctx: ctx, cache: b.options.Cache, found: map[string]v1.Layer{}}
	if c.cache == nil {
		return c, nil
	}
	// The layers are read after the build, so that they must not end with its context.
	c.options = b.options.Registry.Pull(b.bases.ctx)
	var err error
	if c.keys, err = b.worker.Keys(ctx, id, order); err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	var refused error
	var group errgroup.Group
	group.SetLimit(ahead)
	for vertex, key := range c.keys {
		group.Go(func() error {
			mutex.Lock()
			down := refused != nil
			mutex.Unlock()
			if down {
				return nil
			}
			layer, err := c.get(ctx, key)
			if layer != nil && err == nil {
				mutex.Lock()
				c.found[vertex] = layer // the worker says whether it took it
				mutex.Unlock()
				err = b.bring(ctx, id, vertex, layer)
			}
			mutex.Lock()
			defer mutex.Unlock()
			refused = errors.Join(refused, err)
			return nil
		})
	}
	_ = group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if refused != nil {
		watch.say("the build goes on without the cache %s: %v", c.cache.Repository, refused)
	}
	return c, nil
}

// get is the layer of a key; nil where there is none.
func (c *cached) get(ctx context.Context, key string) (v1.Layer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it has not answered for %s", patience))
	defer cancel()
	type answer struct {
		layer v1.Layer
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		layer, err := c.ask(key)
		answered <- answer{layer, err}
	}()
	select {
	case a := <-answered:
		return a.layer, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *cached) ask(key string) (v1.Layer, error) {
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
	_, err = layers[0].DiffID() // asks for the configuration, which the image keeps
	return layers[0], err
}

// bring gives a cached layer to the worker. Its reader compares it with its digest.
func (b *Builder) bring(ctx context.Context, id, vertex string, layer v1.Layer) error {
	blob, err := open(ctx, layer)
	if err != nil {
		return err
	}
	defer blob.Close()
	stop := context.AfterFunc(ctx, func() { blob.Close() })
	defer stop()
	read := &remembering{Reader: blob}
	if err := b.worker.Cached(ctx, id, vertex, read); err != nil {
		return cmp.Or(read.failed, err)
	}
	return nil
}

// remembering is a reader that keeps its error: who sends what it reads gives another one.
type remembering struct {
	io.Reader
	failed error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed = err
	}
	return n, err
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
		return remote.Write(c.cache.Repository.Tag(key), img, append(slices.Clone(c.options), remote.WithContext(c.ctx))...)
	})
}
