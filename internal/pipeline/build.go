package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/label"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// openBuilder opens the builder before the first build, and takes in what every image will be made of: a build in place
// could change the files of bundles that come after it.
func (r *Run) openBuilder() error {
	if r.builder != nil {
		return nil
	}
	var err error
	r.builder, err = builder.New(builder.Options{
		Isolation: r.Inputs.Isolation, Platform: r.Inputs.Platform, BuildArgs: r.Inputs.BuildArgs, Timeout: r.Inputs.BuildTimeout, Keychain: r.registry.Keychain,
	})
	if err != nil {
		return err
	}
	r.Log.Printf("Builds run in the isolation %q.", r.builder.Isolation())
	r.contexts = map[string]*builder.Context{}
	for i, b := range r.bundles {
		if b.Removed || !r.hub.Has(b.Path, hub.Dockerfile) {
			continue
		}
		c, err := r.builder.Context(r.dir(b), filepath.Join(r.dir(b), hub.Dockerfile), r.created)
		if err != nil {
			add(r.report.Bundles[i], rule.BuildFailed.Finding(b.DockerfilePath(), finding.Line(1), "the bundle's files cannot be read: %v", err))
			continue
		}
		r.contexts[b.Path] = c
	}
	return nil
}

// tree is the git tree hash of what a bundle's image is made from.
func (r *Run) tree(b *hub.Bundle) (string, error) {
	if c, ok := r.contexts[b.Path]; ok {
		return c.Tree, nil
	}
	return history.TreeHash(r.dir(b))
}

// build builds a bundle's image with its labels. The image is nil where the build failed, which becomes a finding.
func (r *Run) build(ctx context.Context, b *hub.Bundle, entry *report.Bundle) (v1.Image, error) {
	if err := r.openBuilder(); err != nil {
		return nil, err
	}
	c, ok := r.contexts[b.Path]
	if !ok {
		return nil, nil // there is a finding that says why
	}
	start := time.Now()
	defer func() { entry.Took("build", time.Since(start)) }()
	img, err := r.builder.Build(ctx, c, r.Log)
	var failed *builder.FailedError
	if errors.As(err, &failed) && ctx.Err() == nil {
		text := failed.Instruction + ": " + failed.Reason
		if failed.Output != "" {
			text += "\n" + failed.Output
		}
		add(entry, rule.BuildFailed.Finding(b.DockerfilePath(), finding.Line(failed.Line), "%s", text))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if entry.Status == report.Checked {
		entry.Status = report.Built
	}
	return r.labelled(img, b, c.Tree)
}

// labelled gives the image the labels that the Dockerfile cannot know, and must not decide.
func (r *Run) labelled(img v1.Image, b *hub.Bundle, tree string) (v1.Image, error) {
	if b.Manifest == nil {
		return img, nil
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := *file.Config.DeepCopy()
	if config.Labels == nil {
		config.Labels = map[string]string{}
	}
	source := label.Source{Revision: r.report.Head, Created: r.created, Tree: tree}
	if r.SourceURL != "" {
		source.URL = r.SourceURL + "/" + b.Path
	}
	for key, value := range label.Of(b, source) {
		config.Labels[key] = value
	}
	return mutate.Config(img, config)
}
