package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v89/github"
)

// State is what a comment says of a pull request.
type State string

// The states between which a comment flips.
const (
	Passing State = "passing"
	Failing State = "failing"
)

const pullRequestsWrite = "pull-requests: write"

// marker begins every comment of ours, where nobody sees it.
const marker = "<!-- hub-publish"

// Comment keeps one comment on a pull request. While its state stays it is edited, which tells nobody; when the state
// flips a new one is made, which does, and the old one goes. Comments are ours if they begin with the hidden marker and
// the token's own user wrote them. The token needs `pull-requests: write`.
func (c *Client) Comment(ctx context.Context, number int, body string, state State) error {
	what := fmt.Sprintf("comment on pull request #%d", number)
	begin := fmt.Sprintf("%s: %s -->\n", marker, state)
	ours, err := c.comments(ctx, number)
	if err != nil {
		return explain(what, pullRequestsWrite, err)
	}
	var kept *github.IssueComment
	if n := len(ours); n > 0 && strings.HasPrefix(ours[n-1].GetBody(), begin) {
		kept, ours = ours[n-1], ours[:n-1]
	}
	comment := &github.IssueComment{Body: github.Ptr(begin + body)}
	switch {
	case kept == nil:
		_, _, err = c.api.Issues.CreateComment(ctx, c.owner, c.name, number, comment)
	case kept.GetBody() != comment.GetBody():
		_, _, err = c.api.Issues.EditComment(ctx, c.owner, c.name, kept.GetID(), comment)
	}
	if err != nil {
		return explain(what, pullRequestsWrite, err)
	}
	for _, old := range ours {
		// One that is gone already is what we want.
		if _, err := c.api.Issues.DeleteComment(ctx, c.owner, c.name, old.GetID()); err != nil && !isStatus(err, http.StatusNotFound) {
			return explain(fmt.Sprintf("remove an older comment from pull request #%d", number), pullRequestsWrite, err)
		}
	}
	return nil
}

// comments are ours on a pull request, the oldest first.
func (c *Client) comments(ctx context.Context, number int) ([]*github.IssueComment, error) {
	var ours []*github.IssueComment
	options := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for comment, err := range c.api.Issues.ListCommentsIter(ctx, c.owner, c.name, number, options) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(comment.GetBody(), marker) {
			ours = append(ours, comment)
		}
	}
	if len(ours) == 0 {
		return nil, nil
	}
	login, err := c.viewer(ctx)
	if err != nil {
		return nil, err
	}
	var own []*github.IssueComment
	for _, comment := range ours {
		if comment.GetUser().GetLogin() == login {
			own = append(own, comment)
		}
	}
	return own, nil
}

// viewer is the login of the token's own user. The REST API does not tell it to a workflow's token, GraphQL does.
func (c *Client) viewer(ctx context.Context) (string, error) {
	base, err := url.Parse(c.api.BaseURL())
	if err != nil {
		return "", err
	}
	// https://api.github.com/graphql, and https://HOST/api/graphql beside https://HOST/api/v3/ on a server of one's own.
	path := strings.TrimSuffix(base.Path, "v3/") + "graphql"
	request, err := c.api.NewRequest(ctx, http.MethodPost, path, map[string]string{"query": "query { viewer { login } }"})
	if err != nil {
		return "", err
	}
	var answer struct {
		Data   struct{ Viewer struct{ Login string } }
		Errors []struct{ Message string }
	}
	if _, err := c.api.Do(request, &answer); err != nil {
		return "", err
	}
	if answer.Data.Viewer.Login == "" {
		why := "no login"
		if len(answer.Errors) > 0 {
			why = answer.Errors[0].Message
		}
		return "", errors.New("GitHub does not say whose the token is: " + why)
	}
	return answer.Data.Viewer.Login, nil
}
