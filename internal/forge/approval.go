package forge

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-github/v89/github"
	"golang.org/x/sync/singleflight"
)

// The states of a review that say what its reviewer thinks; a comment takes nothing back.
// https://docs.github.com/en/rest/pulls/reviews#list-reviews-for-a-pull-request
const (
	approved         = "APPROVED"
	changesRequested = "CHANGES_REQUESTED"
	dismissed        = "DISMISSED"
)

// Approval is how the pull request that brought a commit was approved.
type Approval struct {
	// PullRequest is its number, 0 where no pull request brought the commit.
	PullRequest int
	// URL is the pull request's page.
	URL string
	// By are the logins of those whose approval counts, sorted.
	By []string
	// Not says why other reviews do not count, a sentence each, sorted.
	Not []string
}

// Approval is how the pull request was approved that was merged into a branch of this repository and brought a commit; of
// several, the one that most have approved, or else the first. An approval counts where it is its reviewer's last word on the
// last state of the pull request, and the reviewer is a person other than its author who may write to the repository.
// What was answered once is not asked again.
func (c *Client) Approval(ctx context.Context, commit, branch string) (Approval, error) {
	found, err := once(ctx, &c.asked, fmt.Sprintf("approval of %s in %s", commit, branch), func(ctx context.Context) (Approval, error) {
		return c.approval(ctx, commit, branch)
	})
	// What others get too is theirs as well.
	found.By, found.Not = slices.Clone(found.By), slices.Clone(found.Not)
	return found, err
}

func (c *Client) approval(ctx context.Context, commit, branch string) (Approval, error) {
	var best Approval
	pulls := c.api.PullRequests.ListPullRequestsWithCommitIter(ctx, c.owner, c.name, commit, &github.ListOptions{PerPage: 100})
	for pull, err := range pulls {
		if err != nil {
			return Approval{}, explain(fmt.Sprintf("list the pull requests that brought commit %.10s", commit), "pull-requests: read", err)
		}
		base := pull.GetBase()
		if pull.GetMergedAt().IsZero() || base.GetRef() != branch || !strings.EqualFold(base.GetRepo().GetFullName(), c.owner+"/"+c.name) {
			continue
		}
		// Where a pull request was rebased, each of its commits is asked about.
		found, err := once(ctx, &c.asked, fmt.Sprint("reviews of ", pull.GetNumber()), func(ctx context.Context) (Approval, error) {
			return c.reviewed(ctx, pull)
		})
		if err != nil {
			return Approval{}, err
		}
		more := len(found.By) - len(best.By)
		if best.PullRequest == 0 || more > 0 || more == 0 && found.PullRequest < best.PullRequest {
			best = found
		}
	}
	return best, nil
}

// reviewed is how one pull request was approved.
func (c *Client) reviewed(ctx context.Context, pull *github.PullRequest) (Approval, error) {
	found := Approval{PullRequest: pull.GetNumber(), URL: pull.GetHTMLURL()}
	verdicts, err := c.verdicts(ctx, pull.GetNumber())
	if err != nil {
		return Approval{}, err
	}
	for _, v := range verdicts {
		login, why := v.GetUser().GetLogin(), v.against(pull)
		if why == "" {
			may, err := c.mayWrite(ctx, login)
			if err != nil {
				return Approval{}, err
			}
			if !may {
				why = login + " may not write to the repository"
			}
		}
		if why == "" {
			found.By = append(found.By, login)
		} else {
			found.Not = append(found.Not, why)
		}
	}
	slices.Sort(found.By)
	slices.Sort(found.Not)
	return found, nil
}

// verdict is a reviewer's last word.
type verdict struct {
	*github.PullRequestReview
	// approved reports that it was once an approval.
	approved bool
}

// verdicts are the last words on a pull request by their reviewers' ids, 0 for those whose account was deleted.
func (c *Client) verdicts(ctx context.Context, number int) (map[int64]verdict, error) {
	verdicts := map[int64]verdict{}
	// GitHub lists them in the order of time.
	for review, err := range c.api.PullRequests.ListReviewsIter(ctx, c.owner, c.name, number, &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, explain(fmt.Sprintf("list the reviews of pull request #%d", number), "pull-requests: read", err)
		}
		switch review.GetState() {
		case approved, changesRequested, dismissed:
			id := review.GetUser().GetID()
			verdicts[id] = verdict{review, verdicts[id].approved || review.GetState() == approved}
		}
	}
	return verdicts, nil
}

// against says why a verdict does not count, as far as the reviews tell; nothing where it does.
func (v verdict) against(pull *github.PullRequest) string {
	login, author, head := v.GetUser().GetLogin(), pull.GetUser(), pull.GetHead().GetSHA()
	switch {
	case v.GetUser().GetID() == 0 || login == "":
		return "a reviewer's account was deleted"
	case v.GetUser().GetID() == author.GetID() || strings.EqualFold(login, author.GetLogin()):
		return login + " opened it"
	case v.GetUser().GetType() == "Bot" || strings.HasSuffix(strings.ToLower(login), "[bot]"):
		return login + " is a bot"
	case v.GetState() == changesRequested && v.approved:
		return login + " asked for changes after approving"
	case v.GetState() == changesRequested:
		return login + " asked for changes"
	case v.GetState() == dismissed:
		return login + "'s review was dismissed" // GitHub does not tell what it was
	case v.GetCommitID() == "":
		return login + " approved an earlier state"
	case v.GetCommitID() != head:
		return fmt.Sprintf("%s approved an earlier state (%.10s)", login, v.GetCommitID())
	}
	return ""
}

func (c *Client) mayWrite(ctx context.Context, login string) (bool, error) {
	return once(ctx, &c.asked, "permission of "+strings.ToLower(login), func(ctx context.Context) (bool, error) {
		level, _, err := c.api.Repositories.GetPermissionLevel(ctx, c.owner, c.name, login)
		if err != nil {
			return false, explain("find out whether "+login+" may write to the repository", "metadata: read", err)
		}
		// Other roles are told as one of these, or as less.
		return level.GetPermission() == "admin" || level.GetPermission() == "write", nil
	})
}

// LastCommit is the last commit up to head that changed a path, as GitHub knows it.
func (c *Client) LastCommit(ctx context.Context, head, file string) (string, error) {
	what := fmt.Sprintf("find the last commit up to %.10s that changed %s", head, file)
	options := &github.CommitsListOptions{SHA: head, Path: path.Clean(file), ListOptions: github.ListOptions{PerPage: 1}}
	if options.Path == "." {
		options.Path = "" // all of the repository
	}
	commits, _, err := c.api.Repositories.ListCommits(ctx, c.owner, c.name, options)
	if err != nil {
		return "", explain(what, "contents: read", err)
	}
	if len(commits) == 0 || commits[0].GetSHA() == "" {
		return "", fmt.Errorf("%s: GitHub knows none; is the path right, and committed?", what)
	}
	return commits[0].GetSHA(), nil
}

// asked are questions that many ask, and their answers.
type asked struct {
	flight  singleflight.Group
	mutex   sync.Mutex
	answers map[string]any
}

// once asks what several may wait for, for all of them, and not again where there is an answer; an error is none. It goes on
// if ctx ends: the others still want it.
func once[T any](ctx context.Context, a *asked, question string, ask func(context.Context) (T, error)) (T, error) {
	done := a.flight.DoChan(question, func() (any, error) {
		a.mutex.Lock()
		answer, ok := a.answers[question]
		a.mutex.Unlock()
		if ok {
			return answer, nil
		}
		answer, err := ask(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		a.mutex.Lock()
		defer a.mutex.Unlock()
		if a.answers == nil {
			a.answers = map[string]any{}
		}
		a.answers[question] = answer
		return answer, nil
	})
	var answer T
	select {
	case <-ctx.Done():
		return answer, context.Cause(ctx)
	case result := <-done:
		if result.Err == nil {
			answer = result.Val.(T)
		}
		return answer, result.Err
	}
}
