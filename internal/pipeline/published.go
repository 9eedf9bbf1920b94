package pipeline

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// askFor is how long a registry may take to say which versions it has: a pull request's checks do not wait longer.
const askFor = 20 * time.Second

// checkPublished says before the merge which versions the registry has already. Elsewhere than on a pull request nobody
// is about to publish what is checked.
func (r *Run) checkPublished(ctx context.Context) {
	if r.Event.Name != "pull_request" && r.Event.Name != "merge_group" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(8)
	for i, b := range r.bundles {
		if !b.Removed && b.Manifest != nil {
			group.Go(func() error {
				r.checkVersion(ctx, b, r.report.Bundles[i])
				return nil
			})
		}
	}
	_ = group.Wait()
}

func (r *Run) checkVersion(ctx context.Context, b *hub.Bundle, entry *report.Bundle) {
	targets, err := r.targets(b)
	if err != nil {
		return // the checks say why it makes no image
	}
	tree, err := r.tree(b)
	if err != nil {
		return // the build says it
	}
	for _, target := range targets {
		state, err := r.publisher.Look(ctx, target)
		if err != nil {
			r.Log.Printf("Whether %s is published already could not be asked: %v", familiar(target.Reference()), err)
			continue
		}
		if state.Exists && state.Tree != tree {
			file, at := versionAt(b)
			next := target.Version.IncPatch().String()
			f := rule.VersionPublished.Finding(file, at, "%s is in the registry already, made from other files, and is never overwritten; write `version: %s` or higher", familiar(target.Reference()), next)
			if at.EndColumn > 0 && at.EndLine == at.Line {
				f.Fix = &finding.Fix{Range: at, Text: next}
			}
			entry.Findings = append(entry.Findings, r.checker.Later(f)...)
			r.judge(entry)
			return
		}
	}
}
