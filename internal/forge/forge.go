// Package forge asks GitHub's API what the checkout does not know: which files changed, and what a file held at the base.
package forge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-github/v89/github"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/jina/hub-publish/internal/history"
)

// The most files that GitHub lists for a pull request and for a comparison; longer lists are cut without a word.
// https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files and
// https://docs.github.com/en/rest/commits/commits#compare-two-commits
const (
	maxPullRequestFiles = 3000
	maxCompareFiles     = 300
)

// ErrTooMany says that GitHub cut a list of changed files.
var ErrTooMany = errors.New("GitHub does not list that many changed files")

// Client asks about one repository.
type Client struct {
	api         *github.Client
	owner, name string
	asked       asked
}

// New is a client for the repository owner/name at an API address such as https://api.github.com. Without a token it
// asks anonymously. Answers 429 and 5xx and broken connections are retried with growing pauses.
func New(apiURL, repository, token string) (*Client, error) {
	owner, name, ok := strings.Cut(repository, "/")
	if !ok {
		return nil, fmt.Errorf("GITHUB_REPOSITORY is %q; it should be owner/name", repository)
	}
	retry := retryablehttp.NewClient()
	retry.Logger = nil
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler // GitHub's last answer says more than how often we asked
	retry.RetryMax = 3
	retry.CheckRetry = worthRetrying
	retry.RetryWaitMin, retry.RetryWaitMax = 500*time.Millisecond, 20*time.Second
	retry.Backoff = func(least, most time.Duration, attempt int, response *http.Response) time.Duration {
		// A server may ask for an hour; nobody waits that long for a check.
		return min(most, retryablehttp.DefaultBackoff(least, most, attempt, response))
	}
	options := []github.ClientOptionsFunc{github.WithHTTPClient(retry.StandardClient()), github.WithURLs(&apiURL, nil)}
	if token != "" {
		options = append(options, github.WithAuthToken(token))
	}
	api, err := github.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL %q: %w", apiURL, err)
	}
	return &Client{api: api, owner: owner, name: name}, nil
}

// worthRetrying is the library's policy but for two cases: where there is no host, or nobody listens, there is none a second
// later, and a write whose connection broke may have been done, and would be done twice.
func worthRetrying(ctx context.Context, response *http.Response, err error) (bool, error) {
	var unknown *net.DNSError
	var broken *url.Error
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound, errors.Is(err, syscall.ECONNREFUSED):
		return false, nil
	case errors.As(err, &broken) && (broken.Op == "Post" || broken.Op == "Patch"):
		return false, nil
	}
	return retryablehttp.DefaultRetryPolicy(ctx, response, err)
}

// PullRequestChanges are the paths that a pull request changes.
func (c *Client) PullRequestChanges(ctx context.Context, number int) ([]history.Change, error) {
	var files []*github.CommitFile
	for file, err := range c.api.PullRequests.ListFilesIter(ctx, c.owner, c.name, number, &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, explain(fmt.Sprintf("list the files of pull request #%d", number), "pull-requests: read", err)
		}
		files = append(files, file)
	}
	if len(files) >= maxPullRequestFiles {
		return nil, fmt.Errorf("pull request #%d: %w", number, ErrTooMany)
	}
	return changes(files), nil
}

// CompareChanges are the paths that differ between the merge base of two commits and the second of them, and that
// merge base, which is right also where the error is ErrTooMany.
func (c *Client) CompareChanges(ctx context.Context, base, head string) (changed []history.Change, mergeBase string, err error) {
	// Pages are for the commits; the files are all on the first.
	comparison, _, err := c.api.Repositories.CompareCommits(ctx, c.owner, c.name, base, head, &github.ListOptions{PerPage: 1})
	if err != nil {
		return nil, "", explain(fmt.Sprintf("compare %.10s with %.10s", base, head), "contents: read", err)
	}
	mergeBase = comparison.GetMergeBaseCommit().GetSHA()
	if len(comparison.Files) >= maxCompareFiles {
		return nil, mergeBase, fmt.Errorf("compare %.10s with %.10s: %w", base, head, ErrTooMany)
	}
	return changes(comparison.Files), mergeBase, nil
}

// File is a file's content at a commit. Its error is fs.ErrNotExist's where the commit has no such file.
func (c *Client) File(ctx context.Context, commit, path string) ([]byte, error) {
	file, _, response, err := c.api.Repositories.GetContents(ctx, c.owner, c.name, path, &github.RepositoryContentGetOptions{Ref: commit})
	if response != nil && response.StatusCode == http.StatusNotFound {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, explain(fmt.Sprintf("read %s at %.10s", path, commit), "contents: read", err)
	}
	if file == nil {
		return nil, fmt.Errorf("%s at %.10s is a directory", path, commit)
	}
	content, err := file.GetContent()
	return []byte(content), err
}

func changes(files []*github.CommitFile) []history.Change {
	var all []history.Change
	for _, f := range files {
		all = append(all, history.Change{Path: f.GetFilename(), Removed: f.GetStatus() == "removed"})
		if previous := f.GetPreviousFilename(); previous != "" && f.GetStatus() == "renamed" {
			all = append(all, history.Change{Path: previous, Removed: true})
		}
	}
	return all
}

// explain says what was asked, and which permission the token lacks where GitHub refused.
func explain(what, permission string, err error) error {
	var answer *github.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		switch answer.Response.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			return fmt.Errorf("%s: GitHub answered %s: %s; the workflow's token needs the permission `%s`", what, answer.Response.Status, answer.Message, permission)
		}
	}
	var transport *url.Error
	for errors.As(err, &transport) {
		err = transport.Err // what was asked is said already, the whole address once a layer
	}
	return fmt.Errorf("%s: %w", what, err)
}
