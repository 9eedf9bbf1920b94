// Package compare finds out what a run compares with what: from the git objects in the workspace where they reach, else
// from GitHub's API. It never takes "could not look" for "nothing changed".
package compare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
)

// Comparison is what differs between the base and the head of a run.
type Comparison struct {
	// Base and Head are commits. Base is empty where there is nothing to compare with.
	Base, Head string
	// Changes are the paths that differ. They mean nothing where Base is empty: then every path counts as changed.
	Changes []history.Change
	// How says in a few words what was compared, for the log.
	How string

	baseFile func(ctx context.Context, path string) ([]byte, error)
}

// BaseFile is a file's content at the base. Its error is fs.ErrNotExist's where the base has no such file.
func (c *Comparison) BaseFile(ctx context.Context, path string) ([]byte, error) {
	return c.baseFile(ctx, path)
}

// API is the part of GitHub's API that a comparison falls back to.
type API interface {
	PullRequestChanges(ctx context.Context, number int) ([]history.Change, error)
	CompareChanges(ctx context.Context, base, head string) ([]history.Change, string, error)
	File(ctx context.Context, commit, path string) ([]byte, error)
	CommitsAPI
}

var _ API = (*forge.Client)(nil)

// Find compares for an event. The repository is the workspace's; api is asked only where its objects do not reach.
func Find(ctx context.Context, e event.Event, repository *history.Repository, api API) (*Comparison, error) {
	head, err := repository.Head()
	if err != nil {
		return nil, err
	}
	f := finder{event: e, git: repository, api: api, head: head}
	switch e.Name {
	case "":
		return f.local()
	case "pull_request", "pull_request_target":
		return f.pullRequest(ctx)
	case "merge_group":
		return f.between(ctx, e.Base, "the merge group's base")
	case "push":
		return f.push(ctx)
	default:
		return f.everything("a " + e.Name + " event has no base to compare with"), nil
	}
}

type finder struct {
	event event.Event
	git   *history.Repository
	api   API
	head  string
}

// everything is the comparison where there is nothing to compare with.
func (f finder) everything(why string) *Comparison {
	return &Comparison{Head: f.head, How: why + ": every bundle counts"}
}

// local compares the work tree, uncommitted changes included, with the place where its branch left the upstream.
func (f finder) local() (*Comparison, error) {
	upstream, err := f.git.Upstream()
	if err != nil {
		return f.everything("there is no branch main or master to compare with"), nil
	}
	base, err := f.git.MergeBase(upstream, f.head)
	if err != nil {
		return f.everything("the merge base with the upstream branch is not in this clone"), nil
	}
	c, err := f.fromGit(base, "the work tree with the upstream branch")
	if err != nil {
		return nil, err
	}
	uncommitted, err := f.git.Uncommitted()
	if err != nil {
		return nil, err
	}
	c.Changes = append(c.Changes, uncommitted...)
	return c, nil
}

// pullRequest compares what the pull request would change: its merge commit with that commit's first parent, or its
// head with the merge base, whichever is checked out.
func (f finder) pullRequest(ctx context.Context) (*Comparison, error) {
	parents, err := f.git.Parents(f.head)
	if err != nil {
		return nil, err
	}
	var base string
	switch {
	case len(parents) == 2 && (parents[1] == f.event.Head || f.isMergeRef()):
		base = parents[0]
	case f.head == f.event.Head:
		if base, err = f.git.MergeBase(f.event.Base, f.head); err != nil && !errors.Is(err, history.ErrOutOfReach) {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the workspace has %.10s checked out, which is neither the head of pull request #%d (%.10s) nor its merge; give actions/checkout the pull request's commit, as it does by default on `pull_request`",
			f.head, f.event.PullRequest, f.event.Head)
	}
	if base != "" {
		c, err := f.fromGit(base, fmt.Sprintf("pull request #%d with its base", f.event.PullRequest))
		if !errors.Is(err, history.ErrOutOfReach) {
			return c, err
		}
	} else if _, base, err = f.api.CompareChanges(ctx, f.event.Base, f.head); err != nil && !errors.Is(err, forge.ErrTooMany) {
		return nil, unreachable(err)
	}
	changes, err := f.api.PullRequestChanges(ctx, f.event.PullRequest)
	if errors.Is(err, forge.ErrTooMany) {
		return f.everything(err.Error()), nil
	}
	if err != nil {
		return nil, unreachable(err)
	}
	return f.fromAPI(base, changes, fmt.Sprintf("pull request #%d by GitHub's list of its files", f.event.PullRequest)), nil
}

// isMergeRef reports whether the pull request's merge ref is checked out, whose head may be older than the event's. On
// pull_request_target the run's commit is the default branch's, which has merges of its own.
func (f finder) isMergeRef() bool {
	return f.event.Name == "pull_request" && f.head == f.event.SHA
}

// push compares a branch with where it was. A new branch is compared with where it left the default branch. A forced
// push may have dropped commits: what the dropped ones changed counts too.
func (f finder) push(ctx context.Context) (*Comparison, error) {
	before := f.event.Before
	switch {
	case before == "" && f.event.Branch() == f.event.DefaultBranch:
		return f.everything("this is the branch's first push"), nil
	case before == "":
		return f.newBranch(ctx)
	case f.event.Forced:
		return f.forced(ctx)
	default:
		return f.between(ctx, before, "the push with what was there before")
	}
}

func (f finder) newBranch(ctx context.Context) (*Comparison, error) {
	what := "the new branch with " + f.event.DefaultBranch
	if upstream, err := f.git.Branch(f.event.DefaultBranch); err == nil {
		if base, err := f.git.MergeBase(upstream, f.head); err == nil {
			if c, err := f.fromGit(base, what); err == nil {
				return c, nil
			}
		}
	}
	changes, base, err := f.api.CompareChanges(ctx, f.event.DefaultBranch, f.head)
	if err != nil {
		return f.everything(fmt.Sprintf("the new branch could not be compared (%v)", err)), nil
	}
	return f.fromAPI(base, changes, what), nil
}

func (f finder) forced(ctx context.Context) (*Comparison, error) {
	before, what := f.event.Before, "the forced push with what was there before"
	if c, err := f.fromGit(before, what); err == nil {
		return c, nil
	}
	changes, _, err := f.api.CompareChanges(ctx, before, f.head)
	if err != nil {
		return f.everything(fmt.Sprintf("the forced push could not be compared (%v)", err)), nil
	}
	// GitHub compares from the merge base on; the other direction tells what the dropped commits had changed.
	dropped, _, err := f.api.CompareChanges(ctx, f.head, before)
	if err != nil {
		return f.everything(fmt.Sprintf("the forced push could not be compared (%v)", err)), nil
	}
	for _, d := range dropped {
		changes = append(changes, history.Change{Path: d.Path})
	}
	return f.fromAPI(before, changes, what), nil
}

// between compares the head with an earlier commit.
func (f finder) between(ctx context.Context, base, what string) (*Comparison, error) {
	c, err := f.fromGit(base, what)
	if !errors.Is(err, history.ErrOutOfReach) {
		return c, err
	}
	changes, _, err := f.api.CompareChanges(ctx, base, f.head)
	if errors.Is(err, forge.ErrTooMany) {
		return f.everything(err.Error()), nil
	}
	if err != nil {
		return nil, unreachable(err)
	}
	return f.fromAPI(base, changes, what), nil
}

func (f finder) fromGit(base, what string) (*Comparison, error) {
	changes, err := f.git.Changes(base, f.head)
	if err != nil {
		return nil, err
	}
	return &Comparison{
		Base: base, Head: f.head, Changes: changes, How: fmt.Sprintf("compared %s (%.10s)", what, base),
		baseFile: func(ctx context.Context, path string) ([]byte, error) {
			content, err := f.git.File(base, path)
			if !errors.Is(err, history.ErrOutOfReach) {
				return content, err
			}
			content, apiErr := f.api.File(ctx, base, path)
			if apiErr != nil && !errors.Is(apiErr, fs.ErrNotExist) {
				return nil, fmt.Errorf("%w, and GitHub's API could not be asked: %w", err, apiErr)
			}
			return content, apiErr
		},
	}, nil
}

func (f finder) fromAPI(base string, changes []history.Change, what string) *Comparison {
	return &Comparison{
		Base: base, Head: f.head, Changes: changes, How: fmt.Sprintf("asked GitHub's API to compare %s (%.10s)", what, base),
		baseFile: func(ctx context.Context, path string) ([]byte, error) { return f.api.File(ctx, base, path) },
	}
}

// unreachable tells the way out that needs no API: a deeper checkout.
func unreachable(err error) error {
	return fmt.Errorf("cannot tell what changed: the checkout is too shallow for it; give actions/checkout `fetch-depth: 2` for pull requests, `fetch-depth: 0` for pushes (GitHub's API could not be asked instead: %w)", err)
}
