package builder

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/graph"
	"github.com/jina/hub-publish/internal/worker"
)

// Request is what is wanted of one build.
type Request struct {
	Context *Context
	// Labels are given to the image, over those of its Dockerfile.
	Labels map[string]string
	// Annotations are those of the image's manifest.
	Annotations map[string]string
	Progress    Progress
	// Ready is told of each layer of the image as soon as it is there, while later instructions run; nil tells nobody.
	Ready func(v1.Layer)
}

// Build builds an image. Its layers are read from the worker, until Forget or Close. Its error is a *FailedError where an
// instruction of the Dockerfile failed.
func (b *Builder) Build(ctx context.Context, r Request) (*Image, error) {
	if b.options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.options.Timeout, fmt.Errorf("it took longer than the build-timeout of %s", b.options.Timeout))
		defer cancel()
	}
	file, err := dockerfile.Parse(r.Context.recipe)
	if err != nil {
		return nil, failed(err)
	}
	if refused := file.Unsupported(b.isolation == InPlace); len(refused) > 0 {
		return nil, &FailedError{Line: refused[0].Line, Instruction: refused[0].What, Reason: "it is not supported; " + refused[0].Instead}
	}
	watch := newWatcher(r)
	targets, err := file.Convert(ctx, dockerfile.Options{
		BuildArgs: buildArgs(b.options.BuildArgs), Platform: platform(b.options.Platform), Labels: r.Labels, Created: r.Context.created, Resolver: b.bases,
	})
	if err != nil {
		return nil, ended(ctx, watch, failed(err))
	}
	id := rand.Text()[:8]
	img, err := b.build(ctx, id, r, targets, watch)
	if err != nil {
		_ = b.forget(id) // it is this error that counts, and the worker may be the reason for it
	}
	return img, err
}

func (b *Builder) build(ctx context.Context, id string, r Request, targets []dockerfile.Target, watch *watcher) (*Image, error) {
	order := worker.Order{Created: r.Context.created, Limits: b.options.Limits}
	var result graph.Edge
	var images []*graph.Vertex
	for _, target := range targets {
		order.Targets = append(order.Targets, target.Definition)
		var err error
		if result, err = graph.Parse(target.Definition); err != nil {
			return nil, err
		}
		images = append(images, result.Images()...)
	}
	group, prepared := errgroup.WithContext(ctx)
	group.Go(func() error {
		return b.worker.Begin(prepared, id, io.NewSectionReader(r.Context.archive, 0, r.Context.archive.Size()))
	})
	for _, image := range images {
		group.Go(func() error {
			_, digest, _ := strings.Cut(image.Op.GetSource().Identifier, "@")
			if err := b.bases.bring(prepared, digest); err != nil {
				return &FailedError{Line: max(1, image.Line), Instruction: image.Name, Reason: fmt.Sprintf("the image cannot be pulled: %v", err)}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, ended(ctx, watch, err)
	}
	cache, err := b.lookUp(ctx, id, order, watch)
	if err != nil {
		return nil, ended(ctx, watch, err)
	}
	watch.layer = func(l worker.Layer) v1.Layer {
		if l.Result == nil {
			return cache.found[l.Vertex]
		}
		built := &builtLayer{b, id, *l.Result}
		cache.keep(l.Vertex, built)
		return built
	}
	end, err := b.worker.Build(ctx, id, order, watch.event)
	if writeErr := cache.writes.Wait(); writeErr != nil {
		watch.say("a layer could not be written to the cache %s: %v", b.options.Cache.Repository, writeErr)
	}
	if b.restore != nil {
		if restoreErr := b.restore(); restoreErr != nil {
			return nil, restoreErr // whatever became of the build: nothing may be handed over to later steps now
		}
	}
	if err != nil {
		return nil, ended(ctx, watch, err)
	}
	if end.Reason != "" {
		return nil, watch.failed(end)
	}
	img, err := b.assemble(id, targets[len(targets)-1], result, watch, r)
	if err == nil {
		img.Bases, err = basesOf(images)
	}
	return img, err
}

// ended gives an error its place where the build was stopped from outside.
func ended(ctx context.Context, watch *watcher, err error) error {
	cause := context.Cause(ctx)
	if cause == nil {
		return err
	}
	reason := fmt.Sprintf("the build was stopped: %v", cause)
	var failed *FailedError
	if errors.As(err, &failed) {
		failed.Reason = reason
		return failed
	}
	return watch.failed(&worker.End{Reason: reason})
}

// Forget lets the worker remove what it keeps for an image: its layers cannot be read afterwards.
func (b *Builder) Forget(img *Image) error { return b.forget(img.build) }

func (b *Builder) forget(id string) error {
	return b.worker.Forget(id)
}

// failed gives a Dockerfile's error its line.
func failed(err error) error {
	var syntax *dockerfile.SyntaxError
	var image *dockerfile.ResolveError
	switch {
	case errors.As(err, &image):
		return &FailedError{Line: image.Line, Instruction: "pull " + image.Image,
			Reason: fmt.Sprintf("the image cannot be pulled (%v); check its name and tag, and whether it is public", image.Err)}
	case errors.As(err, &syntax):
		return &FailedError{Line: syntax.Line, Instruction: "Dockerfile", Reason: syntax.Message}
	}
	return err
}

func buildArgs(list []string) map[string]string {
	args := map[string]string{}
	for _, arg := range list {
		key, value, _ := strings.Cut(arg, "=")
		args[key] = value
	}
	return args
}

func platform(p *v1.Platform) *ocispecs.Platform {
	if p == nil {
		return nil
	}
	return &ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
}
