package pipeline

import (
	"context"
	"errors"
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

// build builds a bundle's image with its labels. The image is nil where the build failed, which becomes a finding.
func (r *Run) build(ctx context.Context, b *hub.Bundle, entry *report.Bundle) (v1.Image, error) {
	if r.builder == nil {
		opened, err := builder.New(builder.Options{
			Isolation: r.Inputs.Isolation, Platform: r.Inputs.Platform, BuildArgs: r.Inputs.BuildArgs, Timeout: r.Inputs.BuildTimeout, Keychain: r.registry.Keychain,
		})
		if err != nil {
			return nil, err
		}
		r.builder = opened
		r.Log.Printf("Builds run in the isolation %q.", opened.Isolation())
	}
	start := time.Now()
	defer func() { entry.Took("build", time.Since(start)) }()
	img, err := r.builder.Build(ctx, builder.Request{Context: r.dir(b), Dockerfile: r.dir(b) + "/" + hub.Dockerfile, Created: r.created}, r.Log)
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
	return r.labelled(img, b)
}

// labelled gives the image the labels that the Dockerfile cannot know, and must not decide.
func (r *Run) labelled(img v1.Image, b *hub.Bundle) (v1.Image, error) {
	if b.Manifest == nil {
		return img, nil
	}
	tree, err := history.TreeHash(r.dir(b))
	if err != nil {
		return nil, err
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
