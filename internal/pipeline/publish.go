package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// errNoImage says that a bundle's manifest does not make an image name and a version.
var errNoImage = errors.New("the manifest does not make an image name and a version")

// asked is how many bundles registries are asked about at a time: what takes long is the way, not the work.
const asked = 16

// targets are the places where a bundle's image goes, one a registry.
func (r *Run) targets(b *hub.Bundle) ([]publish.Target, error) {
	version, err := semver.StrictNewVersion(b.Text("version"))
	if err != nil || b.Repository() == "" {
		return nil, errNoImage
	}
	var targets []publish.Target
	for _, registry := range r.Inputs.Registries {
		repository, err := r.repository(registry, b.Repository())
		if err != nil {
			return nil, err
		}
		targets = append(targets, publish.Target{
			Repository: repository, Version: version, Tags: r.Inputs.Tags, Facts: publish.Facts{SHA: r.report.Head, Date: r.created},
		})
	}
	return targets, nil
}

// repository is one in the namespace of a registry.
func (r *Run) repository(registry, path string) (name.Repository, error) {
	return name.NewRepository(registry+"/"+strings.TrimPrefix(r.Inputs.Namespace+"/", "/")+path, name.StrictValidation)
}

// familiar is a reference as people write it: Docker Hub's name is left out.
func familiar(tag name.Tag) string {
	return strings.TrimPrefix(tag.Name(), name.DefaultRegistry+"/")
}

// missing are the bundles whose version a registry lacks, or has without all of its tags: a run has died there. A registry
// that cannot be asked may lack it, and keeps the others from nothing; where none can be asked, that is an error.
func (r *Run) missing(ctx context.Context, bundles []*hub.Bundle) ([]*hub.Bundle, error) {
	lacks := make([]bool, len(bundles))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i, b := range bundles {
		targets, err := r.targets(b)
		if err != nil {
			lacks[i] = true // the checks say why it makes no image
			continue
		}
		group.Go(func() error {
			unasked := 0
			for _, target := range targets {
				state, err := r.publisher.Look(ctx, target)
				complete := false
				if err == nil && state.Exists {
					complete, err = r.publisher.IsComplete(ctx, target, state)
				}
				if err != nil {
					if unasked++; unasked == len(targets) {
						return err
					}
				}
				lacks[i] = lacks[i] || !complete
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var lacking []*hub.Bundle
	for i, b := range bundles {
		if lacks[i] {
			lacking = append(lacking, b)
		}
	}
	return lacking, nil
}

// holding is what one registry holds of a bundle's version.
type holding struct {
	target publish.Target
	state  publish.State
	// failed reports that the registry could not be asked, or refuses.
	failed bool
}

// publishAll brings the bundles' images into every registry that lacks them. What the registries have is asked of many
// bundles at once; what they lack is built by as many at a time as the machine allows.
func (r *Run) publishAll(ctx context.Context) error {
	lacking := make([]*work, len(r.bundles))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	for i, b := range r.bundles {
		if b.Removed {
			continue
		}
		group.Go(func() error {
			w := r.work(b, r.report.Bundles[i])
			more, err := w.examine(asking)
			if err == nil && more {
				lacking[i] = w
				return nil
			}
			w.close()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.each(ctx, func(ctx context.Context, i int) error {
		if lacking[i] == nil {
			return nil
		}
		defer lacking[i].close()
		return lacking[i].release(ctx)
	})
}

// refuse notes why a bundle is not published, or not everywhere.
func (w *work) refuse(rl *rule.Rule, format string, args ...any) {
	file, at := versionAt(w.bundle)
	w.refusals = append(w.refusals, rl.Finding(file, at, format, args...))
}

// examine finds out what the registries hold of a bundle's version, and reports whether something is to be published. What
// is there from the same tree is completed, in case its run died before its last tag.
func (w *work) examine(ctx context.Context) (more bool, err error) {
	b, entry := w.bundle, w.entry
	if entry.Status == report.Failed {
		w.log.Printf("%s is not published: it has findings", b.Path)
		return false, nil
	}
	targets, err := w.targets(b)
	if err != nil {
		if b.Manifest == nil {
			entry.Status = report.Failed
			return false, nil // bundle/missing-file or manifest/syntax has said it
		}
		w.refuse(rule.PublishFailed, "%v", err)
		return false, nil
	}
	if w.tree, err = w.Run.tree(b); err != nil {
		return false, err
	}
	start := time.Now()
	defer func() { entry.Took("publish", time.Since(start)) }()
	for _, target := range targets {
		h := &holding{target: target}
		w.holdings = append(w.holdings, h)
		if h.state, err = w.publisher.Look(ctx, target); err != nil {
			h.failed = true
			w.refuse(rule.PublishFailed, "%v", err)
		}
		if h.state.Exists && h.state.Tree != w.tree {
			w.exists(target, publish.ExistsError{Reference: target.Reference(), Digest: h.state.Digest, Tree: h.state.Tree})
			return false, nil
		}
	}
	for _, h := range w.holdings {
		if !h.failed && !h.state.Exists {
			if err := w.publisher.CheckPermission(ctx, h.target); err != nil {
				h.failed = true
				w.refuse(rule.PublishFailed, "%v", err)
				continue
			}
			more = true
		}
	}
	if more {
		more = w.approved(ctx)
	}
	if more {
		return true, nil
	}
	for _, h := range w.holdings {
		if h.state.Exists {
			w.complete(ctx, h)
		}
	}
	entry.Status = report.Unchanged
	return false, nil
}

// exists says that a version cannot be published, because it was.
func (w *work) exists(target publish.Target, e publish.ExistsError) {
	w.refuse(rule.PublishExists, "%s is in the registry already (%s) and was not made from this bundle as it is now (tree %.10s there, %.10s here); it is not overwritten: write `version: %s`",
		familiar(e.Reference), e.Digest, cmp.Or(e.Tree, "unknown"), w.tree, target.Version.IncPatch().String())
}

// complete sets the tags that an earlier run has left out.
func (w *work) complete(ctx context.Context, h *holding) {
	tags, err := w.publisher.Complete(ctx, h.target, h.state)
	if err != nil {
		w.refuse(rule.PublishFailed, "%v", err)
		return
	}
	w.published(h, publish.Result{Digest: h.state.Digest, Existed: true, Tags: tags})
}

func (w *work) published(h *holding, r publish.Result) {
	p := report.Publication{
		Bundle: w.bundle.Path, Image: familiar(h.target.Reference()), Version: h.target.Version.Original(), Digest: r.Digest.String(), Tags: r.Tags, Existed: r.Existed,
	}
	w.entry.Published = append(w.entry.Published, p)
	w.log.Printf("%s is in the registry: %s (%s)", p.Image, p.Digest, strings.Join(p.Tags, ", "))
}

// release publishes an image where it is lacking: the one that another registry has of this version, else a new one.
func (w *work) release(ctx context.Context) error {
	release, err := w.obtain(ctx)
	if err != nil || release == nil {
		return err
	}
	start, before := time.Now(), w.entry.Seconds["publish"]
	defer func() { w.entry.Took("publish", time.Since(start)+time.Duration(before*float64(time.Second))) }()
	status := report.Unchanged
	for _, h := range w.holdings {
		switch {
		case h.failed:
		case h.state.Exists:
			w.complete(ctx, h)
		default:
			result, err := w.publisher.Publish(ctx, h.target, *release)
			var exists *publish.ExistsError
			switch {
			case errors.As(err, &exists):
				w.exists(h.target, *exists)
			case err != nil:
				w.refuse(rule.PublishFailed, "%v", err)
			default:
				w.published(h, result)
			}
			if err == nil && !result.Existed {
				status = report.Published
			}
		}
	}
	w.entry.Status = status
	return nil
}

// obtain is what is published; nil where the image has findings.
func (w *work) obtain(ctx context.Context) (*publish.Release, error) {
	var lacking []publish.Target
	for _, h := range w.holdings {
		switch {
		case h.state.Exists:
			release, err := w.publisher.Fetch(ctx, h.target, h.state)
			if err != nil {
				w.refuse(rule.PublishFailed, "%v", err)
				return nil, nil
			}
			w.log.Printf("%s has the image; it is copied from there", h.target.Repository.RegistryStr())
			return release, nil
		case !h.failed:
			lacking = append(lacking, h.target)
		}
	}
	img, err := w.build(ctx, lacking)
	if err != nil || img == nil {
		return nil, err
	}
	w.image = img
	if w.entry.Status == report.Failed {
		w.log.Printf("%s is not published: its image has findings", w.bundle.Path)
		return nil, nil
	}
	referrers, err := w.referrers(ctx, img)
	if err != nil {
		return nil, fmt.Errorf("describe the image of %s: %w", w.bundle.Path, err)
	}
	return &publish.Release{Image: img, Tree: w.tree, Referrers: referrers}, nil
}
