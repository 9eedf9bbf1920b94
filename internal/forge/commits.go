package forge

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-github/v89/github"

	"github.com/jina/hub-publish/internal/history"
)

// maxPullRequestCommits is how many commits GitHub lists for a pull request; a longer list is cut without a word.
// https://docs.github.com/en/rest/pulls/pulls#list-commits-on-a-pull-request
const maxPullRequestCommits = 250

// ErrTooManyCommits says that GitHub cut a pull request's list of commits.
var ErrTooManyCommits = errors.New("GitHub does not list that many commits")

// PullRequestCommits are a pull request's commits, the oldest first. Where there are 250 or more the error is
// ErrTooManyCommits, and the commits are the first 250.
func (c *Client) PullRequestCommits(ctx context.Context, number int) ([]history.Commit, error) {
	var all []history.Commit
	for found, err := range c.api.PullRequests.ListCommitsIter(ctx, c.owner, c.name, number, &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, explain(fmt.Sprintf("list the commits of pull request #%d", number), "pull-requests: read", err)
		}
		all = append(all, commit(found))
	}
	if len(all) >= maxPullRequestCommits {
		return all, fmt.Errorf("pull request #%d: %w", number, ErrTooManyCommits)
	}
	return all, nil
}

// CompareCommits are the commits that head has and base has not, the oldest first. GitHub lists all of them.
// https://docs.github.com/en/rest/commits/commits#compare-two-commits
func (c *Client) CompareCommits(ctx context.Context, base, head string) ([]history.Commit, error) {
	what := fmt.Sprintf("list the commits between %.10s and %.10s", base, head)
	var all []history.Commit
	options := &github.ListOptions{PerPage: 100, Page: 1}
	for options.Page > 0 {
		comparison, response, err := c.api.Repositories.CompareCommits(ctx, c.owner, c.name, base, head, options)
		if err != nil {
			return nil, explain(what, "contents: read", err)
		}
		for _, found := range comparison.Commits {
			all = append(all, commit(found))
		}
		if options.Page = response.NextPage; options.Page == 0 && len(all) < comparison.GetTotalCommits() {
			return nil, fmt.Errorf("%s: GitHub counts %d and lists %d of them", what, comparison.GetTotalCommits(), len(all))
		}
	}
	return all, nil
}

func commit(c *github.RepositoryCommit) history.Commit {
	return history.Commit{
		Hash: c.GetSHA(), Message: c.GetCommit().GetMessage(), Author: c.GetCommit().GetAuthor().GetName(), Parents: len(c.Parents),
	}
}
