package forge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-github/v89/github"
)

// Edit is a text that takes the place of some columns of a line of a file. Columns count code points from 1, and the end
// column is the first one behind.
type Edit struct {
	Path                    string
	Line, Column, EndColumn int
	Text                    string
}

// Bump commits edits to a pull request's branch, a commit a file, and does nothing without any. A branch in a fork is left
// alone: a workflow's token cannot write there. The token needs `contents: write`.
func (c *Client) Bump(ctx context.Context, number int, edits []Edit) error {
	if len(edits) == 0 {
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
	for _, edit := range edits {
		file, _, _, err := c.api.Repositories.GetContents(ctx, c.owner, c.name, edit.Path, &github.RepositoryContentGetOptions{Ref: branch})
		if err != nil {
			return explain(what, "contents: read", err)
		}
		content, err := file.GetContent()
		if err != nil {
			return fmt.Errorf("%s: read %s: %w", what, edit.Path, err)
		}
		changed, err := edit.apply(content)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", what, edit.Path, err)
		}
		if changed == content {
			continue
		}
		message := fmt.Sprintf("chore: raise the version of %s to %s", strings.TrimSuffix(edit.Path, "/manifest.yml"), edit.Text)
		options := &github.RepositoryContentFileOptions{Message: &message, Content: []byte(changed), SHA: file.SHA, Branch: &branch}
		if _, _, err := c.api.Repositories.UpdateFile(ctx, c.owner, c.name, edit.Path, options); err != nil {
			return explain(what, "contents: write", err)
		}
	}
	return nil
}

// apply makes the edit in a text. The line must still be as long as it was.
func (e Edit) apply(content string) (string, error) {
	lines := strings.SplitAfter(content, "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return "", fmt.Errorf("line %d is not there any more", e.Line)
	}
	line := []rune(strings.TrimPrefix(lines[e.Line-1], "\ufeff"))
	mark := lines[e.Line-1][:len(lines[e.Line-1])-len(string(line))]
	if e.Column < 1 || e.EndColumn < e.Column || e.EndColumn > len(line)+1 {
		return "", fmt.Errorf("line %d is not what it was", e.Line)
	}
	lines[e.Line-1] = mark + string(slices.Concat(line[:e.Column-1], []rune(e.Text), line[e.EndColumn-1:]))
	return strings.Join(lines, ""), nil
}
