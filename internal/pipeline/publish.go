package pipeline

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// errNoImage says that a bundle's manifest does not make an image name and a version.
var errNoImage = errors.New("the manifest does not make an image name and a version")

// targets are the places where a bundle's image goes, one a registry.
func (r *Run) targets(b *hub.Bundle) ([]publish.Target, error) {
	version, err := semver.StrictNewVersion(b.Text("version"))
	if err != nil || b.Repository() == "" {
		return nil, errNoImage
	}
	var targets []publish.Target
	for _, registry := range r.Inputs.Registries {
		repository, err := name.NewRepository(registry+"/"+strings.TrimPrefix(r.Inputs.Namespace+"/", "/")+b.Repository(), name.StrictValidation)
		if err != nil {
			return nil, err
		}
		targets = append(targets, publish.Target{
			Repository: repository, Version: version, Tags: r.Inputs.Tags, Facts: publish.Facts{SHA: r.report.Head, Date: r.created},
		})
	}
	return targets, nil
}

// familiar is a reference as people write it: Docker Hub's name is left out.
func familiar(tag name.Tag) string {
	return strings.TrimPrefix(tag.Name(), name.DefaultRegistry+"/")
}

// missing are the bundles whose version a registry lacks.
func (r *Run) missing(ctx context.Context, bundles []*hub.Bundle) ([]*hub.Bundle, error) {
	var lacking []*hub.Bundle
	for _, b := range bundles {
		targets, err := r.targets(b)
		if err != nil {
			lacking = append(lacking, b) // the checks say why it makes no image
			continue
		}
		for _, target := range targets {
			state, err := r.registry.Look(ctx, target)
			if err != nil {
				return nil, err
			}
			if !state.Exists {
				lacking = append(lacking, b)
				break
			}
		}
	}
	return lacking, nil
}

// publish brings a bundle's image into every registry that lacks its version. Where a registry has the version from
// other files, nothing at all is published.
func (w *work) publish(ctx context.Context) error {
	b, entry := w.bundle, w.entry
	fail := func(rl *rule.Rule, format string, args ...any) {
		file, at := versionAt(b)
		add(entry, rl.Finding(file, at, format, args...))
	}
	targets, err := w.targets(b)
	if err != nil {
		if b.Manifest == nil {
			entry.Status = report.Failed
			return nil // bundle/missing-file or manifest/syntax has said it
		}
		fail(rule.PublishFailed, "%v", err)
		return nil
	}
	tree, err := w.tree(b)
	if err != nil {
		return err
	}
	states := make([]publish.State, len(targets))
	for i, target := range targets {
		if states[i], err = w.registry.Look(ctx, target); err == nil && !states[i].Exists {
			err = w.registry.CheckPermission(target)
		}
		if err != nil {
			fail(rule.PublishFailed, "%v", err)
			return nil
		}
		if states[i].Exists && states[i].Tree != tree {
			fail(rule.PublishExists, "%s is in the registry already (%s) and was not made from this bundle as it is now (tree %.10s there, %.10s here); it is not overwritten: write `version: %s`",
				familiar(target.Reference()), states[i].Digest, orUnknown(states[i].Tree), tree, target.Version.IncPatch().String())
			return nil
		}
	}
	var lacking []publish.Target
	for i, target := range targets {
		if !states[i].Exists {
			lacking = append(lacking, target)
		}
	}
	var img *builder.Image
	if len(lacking) > 0 {
		if img, err = w.build(ctx, lacking); err != nil || img == nil {
			return err
		}
		defer func() { _ = w.builder.Forget(img) }()
		if entry.Status == report.Failed {
			w.log.Printf("%s is not published: its image has findings", b.Path)
			return nil
		}
	}
	start := time.Now()
	defer func() { entry.Took("publish", time.Since(start)) }()
	for i, target := range targets {
		p := report.Publication{Bundle: b.Path, Image: familiar(target.Reference()), Version: target.Version.Original(), Existed: states[i].Exists}
		if states[i].Exists {
			p.Digest = states[i].Digest.String()
			// A run before this one may have died between two tags.
			p.Tags, err = w.registry.Tag(ctx, target, states[i].Image)
		} else {
			var digest v1.Hash
			digest, p.Tags, err = w.registry.Push(ctx, target, img)
			p.Digest = digest.String()
		}
		if err != nil {
			fail(rule.PublishFailed, "%v", err)
			return nil
		}
		entry.Published = append(entry.Published, p)
		w.log.Printf("%s is in the registry: %s", p.Image, p.Digest)
	}
	entry.Status = report.Unchanged
	if img != nil {
		entry.Status = report.Published
	}
	return nil
}

func orUnknown(tree string) string {
	if tree == "" {
		return "unknown"
	}
	return tree
}
