package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/worker"
)

// bases are the images that Dockerfiles start from. Each is asked for once a run, and brought to the worker once, by this
// process: the worker has no credentials.
type bases struct {
	// ctx is the run's: what was asked for one build is used by another.
	ctx      context.Context
	registry *registry.Client
	platform *v1.Platform
	worker   *worker.Client
	flight   singleflight.Group

	mutex  sync.Mutex
	byName map[string]v1.Image
	images map[string]v1.Image // by digest
	there  map[string]bool     // those that the worker has
}

func newBases(ctx context.Context, registry *registry.Client, platform *v1.Platform, w *worker.Client) *bases {
	return &bases{ctx: ctx, registry: registry, platform: platform, worker: w, byName: map[string]v1.Image{}, images: map[string]v1.Image{}, there: map[string]bool{}}
}

// ResolveImageConfig implements sourceresolver.ImageMetaResolver, by which BuildKit's frontend learns of a base image.
func (b *bases) ResolveImageConfig(ctx context.Context, image string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var platform *ocispecs.Platform
	if opt.ImageOpt != nil {
		platform = opt.ImageOpt.Platform
	}
	img, err := b.find(ctx, image, platform)
	if err != nil {
		return "", "", nil, &dockerfile.ResolveError{Image: image, Err: err}
	}
	hash, err := img.Digest()
	if err != nil {
		return "", "", nil, &dockerfile.ResolveError{Image: image, Err: err}
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return "", "", nil, &dockerfile.ResolveError{Image: image, Err: err}
	}
	return image, digest.Digest(hash.String()), config, nil
}

// once does what several builds may wait for, for all of them. It goes on if ctx ends: the others still want it.
func (b *bases) once(ctx context.Context, key string, do func() (any, error)) (any, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case done := <-b.flight.DoChan(key, do):
		return done.Val, done.Err
	}
}

// find asks the registry for an image.
func (b *bases) find(ctx context.Context, image string, platform *ocispecs.Platform) (v1.Image, error) {
	var wanted *v1.Platform
	key := image
	if platform != nil {
		wanted = &v1.Platform{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, OSVersion: platform.OSVersion}
		key += " " + platform.OS + "/" + platform.Architecture + "/" + platform.Variant
	}
	found, err := b.once(ctx, key, func() (any, error) {
		b.mutex.Lock()
		img, ok := b.byName[key]
		b.mutex.Unlock()
		if ok {
			return img, nil
		}
		ref, err := name.ParseReference(image)
		if err != nil {
			return nil, err
		}
		if img, err = b.registry.Image(b.ctx, ref, wanted); err != nil {
			return nil, err
		}
		hash, err := img.Digest()
		if err != nil {
			return nil, err
		}
		// The image keeps it: who asks for it later does not wait.
		if _, err := img.RawConfigFile(); err != nil {
			return nil, err
		}
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.byName[key], b.images[hash.String()] = img, img
		return img, nil
	})
	if err != nil {
		return nil, err
	}
	return found.(v1.Image), nil
}

// image is one that was found, by its digest.
func (b *bases) image(digest string) v1.Image {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.images[digest]
}

// bring sees to it that the worker has an image.
func (b *bases) bring(ctx context.Context, digest string) error {
	_, err := b.once(ctx, "bring "+digest, func() (any, error) {
		b.mutex.Lock()
		there := b.there[digest]
		b.mutex.Unlock()
		if there {
			return nil, nil
		}
		there, err := b.worker.HasImage(b.ctx, digest)
		if err != nil {
			return nil, err
		}
		img := b.image(digest)
		if img == nil {
			return nil, fmt.Errorf("the base image %s was not looked up", digest)
		}
		if !there {
			if err := b.transfer(b.ctx, digest, img); err != nil {
				return nil, err
			}
		}
		b.mutex.Lock()
		defer b.mutex.Unlock()
		b.there[digest] = true
		return nil, nil
	})
	return err
}

// ahead is how many layers are downloaded at a time, as Docker does (its max-concurrent-downloads).
const ahead = 3

// transfer sends an image's layers to the worker, one behind another, while the next ones are on their way already.
func (b *bases) transfer(ctx context.Context, digest string, img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	var image worker.Image
	for _, l := range layers {
		hash, err := l.Digest()
		if err != nil {
			return err
		}
		size, err := l.Size()
		if err != nil {
			return err
		}
		image.Layers = append(image.Layers, worker.Blob{Digest: hash.String(), Size: size})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	downloads := make([]*download, len(layers))
	var readers []io.Reader
	for i, l := range layers {
		downloads[i] = newDownload(l)
		readers = append(readers, downloads[i])
	}
	var group errgroup.Group
	group.SetLimit(ahead)
	go func() {
		for _, d := range downloads {
			group.Go(func() error { d.run(ctx); return nil })
		}
	}()
	err = b.worker.AddImage(ctx, digest, image, io.MultiReader(readers...))
	unwanted := errors.New("the image is not wanted any more")
	cancel(unwanted)
	for _, d := range downloads {
		// Where a download failed, what the worker says of it is only a consequence.
		if failed := d.close(); failed != nil && !errors.Is(failed, unwanted) {
			err = fmt.Errorf("download a layer: %w", failed)
		}
	}
	return err
}
