package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/registry"
)

// inProcess is a builder in this process, which has built the scenario once before.
func (s settings) inProcess(ctx context.Context, c scenario) (func(string) error, func() error, error) {
	registries, err := registry.New(registry.Options{Keychain: authn.DefaultKeychain, PlainHTTP: []string{s.registry}})
	if err != nil {
		return nil, nil, err
	}
	b, err := builder.New(ctx, builder.Options{Isolation: builder.Sandbox, Registry: registries})
	if err != nil {
		return nil, nil, err
	}
	build := func(to string) error {
		var contexts []*builder.Context // all before the first build, as the program does
		for i := range c.bundles {
			dir := filepath.Join(c.dir, c.bundle(i))
			taken, err := b.Context(dir, filepath.Join(dir, "Dockerfile"), time.Now())
			if err != nil {
				return err
			}
			contexts = append(contexts, taken)
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(parallel)
		for i, taken := range contexts {
			group.Go(func() error { return buildOne(ctx, b, taken, to+"/"+strconv.Itoa(i)) })
		}
		return group.Wait()
	}
	if err := build(s.aside()); err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return build, b.Close, nil
}

// buildOne builds an image, and pushes it.
func buildOne(ctx context.Context, b *builder.Builder, c *builder.Context, to string) error {
	reference, err := name.ParseReference(to)
	if err != nil {
		return err
	}
	img, err := b.Build(ctx, builder.Request{Context: c, Progress: silent{}})
	if err != nil {
		return err
	}
	return errors.Join(remote.Write(reference, img, remote.WithContext(ctx)), b.Forget(img))
}

// silent is a builder.Progress that nobody looks at.
type silent struct{}

func (silent) Step(int, string) {}
func (silent) Output([]byte)    {}
