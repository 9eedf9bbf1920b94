package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/go-units"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/label"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
	"github.com/jina/hub-publish/internal/usage"
)

// openBuilder opens the builder before the first build, and takes in what every image will be made of: a build in place
// could change the files of bundles that come after it.
func (r *Run) openBuilder(ctx context.Context) error {
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.builder != nil {
		return nil
	}
	var cache *builder.Cache
	if r.Inputs.CacheRepo != nil {
		cache = &builder.Cache{Repository: *r.Inputs.CacheRepo, Write: r.mode() == input.Publish}
	}
	var err error
	r.builder, err = builder.New(ctx, builder.Options{
		Isolation: r.Inputs.Isolation, Platform: r.Inputs.Platform, BuildArgs: r.Inputs.BuildArgs, Timeout: r.Inputs.BuildTimeout, Limits: r.Inputs.Limits, Registry: r.registry, Cache: cache, Store: r.Store,
	})
	if err != nil {
		return err
	}
	r.Log.Printf("Builds run in the isolation %q.", r.builder.Isolation())
	r.contexts, r.usage = map[string]*builder.Context{}, map[string][]usage.Test{}
	for i, b := range r.bundles {
		if b.Removed || !r.hub.Has(b.Path, hub.Dockerfile) {
			continue
		}
		r.usage[b.Path] = r.planUsage(b)
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

// build builds a bundle's image with its labels, tries it, and sends its layers ahead to where it will be pushed. The image is nil
// where the build failed, which becomes a finding.
func (w *work) build(ctx context.Context, targets []publish.Target) (*builder.Image, error) {
	if err := w.openBuilder(ctx); err != nil {
		return nil, err
	}
	c, ok := w.contexts[w.bundle.Path]
	if !ok {
		return nil, nil // there is a finding that says why
	}
	if w.builder.Isolation() == builder.InPlace {
		// One root: two bundles that take turns would each find it as the other left it, and lay it out once more.
		w.root.Lock()
		defer w.root.Unlock()
	}
	labels := w.labels(c.Tree)
	start := time.Now()
	var uploads sync.WaitGroup
	defer uploads.Wait()
	img, err := w.builder.Build(ctx, builder.Request{Context: c, Labels: labels, Annotations: label.Annotations(labels), Progress: w.log, Ready: func(layer v1.Layer) {
		for _, target := range targets {
			// What fails here fails again when the image is pushed, where it is told.
			uploads.Go(func() { _ = w.publisher.Upload(ctx, target, layer) })
		}
	}})
	w.entry.Took("build", time.Since(start))
	var failed *builder.FailedError
	if errors.As(err, &failed) && ctx.Err() == nil {
		text := failed.Instruction + ": " + failed.Reason
		if failed.Output != "" {
			text += "\n" + failed.Output
		}
		add(w.entry, rule.BuildFailed.Finding(w.bundle.DockerfilePath(), finding.Line(failed.Line), "%s", text))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.steps = img.Steps
	runnable, err := w.checkImage(img)
	if err == nil && runnable {
		err = w.try(ctx, img)
	}
	if err != nil {
		return nil, err
	}
	if w.entry.Status == report.Checked {
		w.entry.Status = report.Built
	}
	return img, nil
}

// checkImage holds an image against what can be told of it only once it is built, and reports whether it says what it runs.
func (w *work) checkImage(img *builder.Image) (runnable bool, err error) {
	file, err := img.ConfigFile()
	if err != nil {
		return false, err
	}
	if len(file.Config.Entrypoint)+len(file.Config.Cmd) > 0 {
		return true, nil
	}
	line := w.checker.LastFrom(w.bundle)
	f := rule.ImageEntrypoint.Finding(w.bundle.DockerfilePath(), finding.Line(line), "the image has neither an entry point nor a command, so that nobody can run it; write for example `ENTRYPOINT [\"jina\", \"pod\", \"--uses\", \"config.yml\"]`")
	w.entry.Findings = append(w.entry.Findings, w.checker.Later(f)...)
	w.judge(w.entry)
	return false, nil
}

// labels are those that the Dockerfile cannot know, and must not decide.
func (w *work) labels(tree string) map[string]string {
	if w.bundle.Manifest == nil {
		return nil
	}
	source := label.Source{Revision: w.report.Head, Created: w.created, Tree: tree}
	if w.SourceURL != "" {
		source.URL = w.SourceURL + "/" + w.bundle.Path
	}
	return label.Of(w.bundle, source)
}

// table shows how long each instruction took and how large its layer is.
func (w *work) table() []string {
	if len(w.steps) == 0 {
		return nil
	}
	lines := []string{"  line  seconds      size  instruction"}
	for _, s := range w.steps {
		size := ""
		if s.Size > 0 {
			size = units.HumanSizeWithPrecision(float64(s.Size), 3)
		}
		lines = append(lines, fmt.Sprintf("  %4d %8.1f %9s  %s", s.Line, s.Seconds, size, s.Instruction))
	}
	return lines
}
