package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/rule"
)

// Approvals is the part of GitHub's API that tells how what is on a branch got there.
type Approvals interface {
	// Approval is how the pull request was approved that brought a commit to a branch.
	Approval(ctx context.Context, commit, branch string) (forge.Approval, error)
	// LastCommit is the last commit up to head that changed a path.
	LastCommit(ctx context.Context, head, path string) (string, error)
}

var _ Approvals = (*forge.Client)(nil)

// approved reports whether the pull request that made a bundle what it is was approved as the hub asks. Where that cannot
// be told, it was not.
func (w *work) approved(ctx context.Context) bool {
	wanted := w.Inputs.RequiredApprovals
	if wanted == 0 {
		return true
	}
	why, err := w.unapproved(ctx, wanted)
	if err != nil {
		why = fmt.Sprintf("whether this bundle was approved cannot be told: %v", err)
	}
	if why != "" {
		w.refuse(rule.PublishApproval, "%s", why)
	}
	return why == ""
}

// unapproved says what approvals are lacking; nothing where there are enough.
func (w *work) unapproved(ctx context.Context, wanted int) (string, error) {
	if w.Approvals == nil {
		return "whether this bundle was approved can only be asked in a workflow on GitHub; to publish from elsewhere, set `required-approvals` to 0", nil
	}
	commit, known, err := w.Repository.LastChange(w.report.Head, w.bundle.Path)
	if err == nil && !known {
		// A shallow checkout ends before the commit that brought it.
		commit, err = w.Approvals.LastCommit(ctx, w.report.Head, w.bundle.Path)
	}
	if err != nil {
		return "", err
	}
	branch := cmp.Or(w.Inputs.PublishBranch, w.Event.DefaultBranch, w.Event.Branch())
	a, err := w.Approvals.Approval(ctx, commit, branch)
	switch {
	case err != nil:
		return "", err
	case a.PullRequest == 0:
		return fmt.Sprintf("no pull request brought commit %.10s, which last changed this bundle, to %s: nobody has approved it, and `required-approvals` asks for %d; bring changes by pull requests, or set it to 0", commit, branch, wanted), nil
	case len(a.By) >= wanted:
		w.log.Printf("Pull request #%d, which brought commit %.10s, was approved by %s.", a.PullRequest, commit, strings.Join(a.By, ", "))
		return "", nil
	}
	why := fmt.Sprintf("pull request #%d (%s), which brought commit %.10s, has %d of the %d approvals that `required-approvals` asks for", a.PullRequest, a.URL, commit, len(a.By), wanted)
	if len(a.Not) > 0 {
		why += " (" + strings.Join(a.Not, "; ") + ")"
	}
	return why + "; have somebody else who may write to the repository approve its last state, which GitHub allows after the merge too, and run this job again", nil
}
