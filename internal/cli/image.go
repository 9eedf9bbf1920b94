package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/report"
)

// image builds any directory's Dockerfile with the bundles' builder. The action's own image is built with it.
func image(ctx context.Context, args []string, e Environment) (int, error) {
	set := flag.NewFlagSet("hub-publish image", flag.ContinueOnError)
	flags := input.Flags(set)
	rest, err := parse(set, args, e)
	if err != nil {
		return Wrong, err
	}
	if len(rest) < 2 {
		return Wrong, errors.New("image needs a directory and at least one reference, such as: hub-publish image . ghcr.io/jina/hub-publish:v1.0.0")
	}
	inputs, err := input.Read(flags(), e.Getenv)
	if err != nil {
		return Wrong, err
	}
	var references []name.Reference
	for _, text := range rest[1:] {
		reference, err := name.ParseReference(text)
		if err != nil {
			return Wrong, err
		}
		references = append(references, reference)
	}
	dir := rest[0]
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(e.Dir, dir)
	}
	registries, err := pipeline.Connect(inputs, e.Dir, registry.DefaultPace)
	if err != nil {
		return Wrong, err
	}
	defer registries.Close()
	var cache *builder.Cache
	if inputs.CacheRepo != nil {
		cache = &builder.Cache{Repository: *inputs.CacheRepo, Write: true}
	}
	b, err := builder.New(ctx, builder.Options{
		Isolation: inputs.Isolation, Platform: inputs.Platform, BuildArgs: inputs.BuildArgs, Timeout: inputs.BuildTimeout, Limits: inputs.Limits, Registry: registries, Cache: cache, Store: e.store(),
	})
	if err != nil {
		return Wrong, err
	}
	defer b.Close()
	c, err := b.Context(dir, filepath.Join(dir, hub.Dockerfile), time.Now())
	if err != nil {
		return Wrong, err
	}
	log := report.NewLog(e.Err, false).Open(dir)
	img, err := b.Build(ctx, builder.Request{Context: c, Progress: log})
	log.Close()
	if err != nil {
		return Failed, err
	}
	for _, reference := range references {
		if err := remote.Write(reference, img, registries.Pull(ctx)...); err != nil {
			return Failed, fmt.Errorf("push %s: %w", reference, err)
		}
	}
	digest, err := img.Digest()
	if err != nil {
		return Failed, err
	}
	fmt.Fprintln(e.Out, digest)
	return OK, nil
}
