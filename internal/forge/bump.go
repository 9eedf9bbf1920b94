package forge

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/google/go-github/v89/github"
)

// Bump commits suggestions for versions to a pull request's branch, a commit a file, and does nothing without any. A branch
// in a fork is left alone: a workflow's token cannot write there. The token needs `contents: write`.
func (c *Client) Bump(ctx context.Context, number int, versions []Suggestion) error {
	if len(versions) == 0 {
		return nil
	}
	what := fmt.Sprintf("raise versions on the branch of pull request #%d", number)
	pull, _, err := c.api.PullRequests.Get(ctx, c.owner, c.name, number)
	if err != nil {
		return explain(what, "pull-requests: read", err)
	}
	if pull.GetHead().GetRepo().GetFullName() != c.owner+"/"+c.name {
		return fmt.Errorf("%s: the branch is in a fork, where the token may not write; its author finds the version in the annotation", what)
	}
	branch := pull.GetHead().GetRef()
	for _, version := range versions {
		file, _, _, err := c.api.Repositories.GetContents(ctx, c.owner, c.name, version.Path, &github.RepositoryContentGetOptions{Ref: branch})
		if err != nil {
			return explain(what, "contents: read", err)
		}
		content, err := file.GetContent()
		if err != nil {
			return fmt.Errorf("%s: read %s: %w", what, version.Path, err)
		}
		changed, err := version.apply(content)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", what, version.Path, err)
		}
		message := "chore: raise the version of " + path.Dir(version.Path)
		options := &github.RepositoryContentFileOptions{Message: &message, Content: []byte(changed), SHA: file.SHA, Branch: &branch}
		if _, _, err := c.api.Repositories.UpdateFile(ctx, c.owner, c.name, version.Path, options); err != nil {
			return explain(what, "contents: write", err)
		}
	}
	return nil
}

// apply makes the change in a text, in which the line must still be what it was.
func (s Suggestion) apply(content string) (string, error) {
	const mark = "\ufeff" // a byte order mark belongs to no line
	text, marked := strings.CutPrefix(content, mark)
	lines := strings.SplitAfter(text, "\n")
	if s.Line < 1 || s.Line > len(lines) {
		return "", fmt.Errorf("line %d is not there any more", s.Line)
	}
	line := strings.TrimRight(lines[s.Line-1], "\r\n")
	if line != s.Old {
		return "", fmt.Errorf("line %d is not what it was", s.Line)
	}
	lines[s.Line-1] = s.New + lines[s.Line-1][len(line):]
	text = strings.Join(lines, "")
	if marked {
		text = mark + text
	}
	return text, nil
}
