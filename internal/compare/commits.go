package compare

import (
	"context"
	"errors"
	"fmt"

	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
)

// CommitsAPI is the part of GitHub's API that is asked for commits.
type CommitsAPI interface {
	PullRequestCommits(ctx context.Context, number int) ([]history.Commit, error)
	CompareCommits(ctx context.Context, base, head string) ([]history.Commit, error)
}

var (
	_ CommitsAPI = (*forge.Client)(nil)
	_ CommitsAPI = NoAPI{}
)

// Commits are the commits that a pull request or a merge group adds to its base, the oldest first; other events have
// none. The repository is the workspace's; api is asked only where its objects do not reach.
func Commits(ctx context.Context, e event.Event, repository *history.Repository, api CommitsAPI) ([]history.Commit, error) {
	switch e.Name {
	case "pull_request", "pull_request_target", "merge_group":
	default:
		return nil, nil
	}
	head, err := repository.Head()
	if err != nil {
		return nil, err
	}
	f := finder{event: e, git: repository, head: head}
	if e.Name == "merge_group" {
		commits, err := f.git.Commits(e.Base, head)
		if !errors.Is(err, history.ErrOutOfReach) {
			return commits, err
		}
		if commits, err = api.CompareCommits(ctx, e.Base, head); err != nil {
			return nil, untold("the merge group", err)
		}
		return commits, nil
	}
	commits, err := f.pullRequestCommits()
	if !errors.Is(err, history.ErrOutOfReach) {
		return commits, err
	}
	if commits, err = api.PullRequestCommits(ctx, e.PullRequest); err == nil {
		return commits, nil
	}
	// A comparison tells the same, lists any number of commits, and needs another permission.
	commits, compareErr := api.CompareCommits(ctx, e.Base, e.Head)
	if compareErr != nil {
		return nil, untold(fmt.Sprintf("pull request #%d", e.PullRequest), err)
	}
	return commits, nil
}

// pullRequestCommits asks git for what the pull request's merge commit, or its head, has beside the base. Whatever else is
// checked out says nothing about the pull request.
func (f finder) pullRequestCommits() ([]history.Commit, error) {
	parents, err := f.git.Parents(f.head)
	if err != nil {
		return nil, err
	}
	switch {
	case len(parents) == 2 && (parents[1] == f.event.Head || f.isMergeRef()):
		return f.git.Commits(parents[0], parents[1])
	case f.head == f.event.Head:
		return f.git.Commits(f.event.Base, f.head)
	default:
		return nil, fmt.Errorf("%w: %.10s is checked out", history.ErrOutOfReach, f.head)
	}
}

// untold tells the way out that needs no API: the whole history.
func untold(whose string, err error) error {
	return fmt.Errorf("cannot tell the commits of %s: the checkout does not have them all; give actions/checkout `fetch-depth: 0` "+
		"(GitHub's API could not be asked instead: %w)", whose, err)
}

// PullRequestCommits implements CommitsAPI.
func (NoAPI) PullRequestCommits(context.Context, int) ([]history.Commit, error) { return nil, errNoAPI }

// CompareCommits implements CommitsAPI.
func (NoAPI) CompareCommits(context.Context, string, string) ([]history.Commit, error) {
	return nil, errNoAPI
}
