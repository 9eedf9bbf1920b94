package pipeline

import (
	"context"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/jina/hub-publish/internal/report"
)

// Plans are the tags that the merge would push and move, for the bundles of the report that can be published. A registry
// that cannot be asked has no plan.
func (r *Run) Plans(ctx context.Context) []report.Plan {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	var plans []report.Plan
	for i, b := range r.bundles {
		targets, err := r.targets(b)
		if err != nil || b.Removed || r.report.Bundles[i].Status == report.Failed {
			continue
		}
		for _, target := range targets {
			tags, moves, err := r.publisher.Plan(ctx, target)
			if err != nil {
				continue
			}
			plans = append(plans, report.Plan{Bundle: b.Path, Image: strings.TrimPrefix(target.Repository.Name(), name.DefaultRegistry+"/"), Tags: tags, Moves: moves})
		}
	}
	return plans
}
