package pipeline

import (
	"context"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/rule"
)

// checkCommits checks the messages of the commits that a pull request or a merge group adds. Where they cannot be had, the
// log says why.
func (r *Run) checkCommits(ctx context.Context) {
	if r.Inputs.CommitLint == input.CommitLintOff {
		return
	}
	commits, err := compare.Commits(ctx, r.Event, r.Repository, r.API)
	if err != nil {
		r.Log.Printf("The commit messages are not checked: %v", err)
		return
	}
	r.report.Findings = append(r.report.Findings, r.checker.Later(rule.Commits(commits)...)...)
}
