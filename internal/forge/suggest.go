package forge

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-github/v89/github"
)

// maxReview is how many comments one review may have. GitHub names no number, and answers long lists with an error;
// reviewdog asks for no more either.
const maxReview = 30

// Suggestion is a line that could read better, for the contributor to accept with a click.
type Suggestion struct {
	Path string
	Line int
	// Old is the line as it is, New what it should be, both without the line's end.
	Old, New string
	// Message says why, in Markdown.
	Message string
}

// body is the comment that GitHub makes a button of.
func (s Suggestion) body() string {
	fence := "```"
	for strings.Contains(s.New, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%s -->\n%s\n\n%ssuggestion\n%s\n%s", marker, s.Message, fence, s.New, fence)
}

// Suggest puts suggestions on a pull request's lines, as one review of its head commit; of more than thirty, as several.
// One that stands there already is not repeated. GitHub takes them only on lines that the pull request shows: those on
// others, and where the line is not the one meant, are returned. So are single ones that GitHub refuses all the same;
// they do not take the rest with them. The token needs `pull-requests: write`.
func (c *Client) Suggest(ctx context.Context, number int, head string, suggestions []Suggestion) (left []Suggestion, err error) {
	if len(suggestions) == 0 {
		return nil, nil
	}
	what := fmt.Sprintf("suggest changes to pull request #%d", number)
	shown, err := c.shownLines(ctx, number)
	if err != nil {
		return suggestions, explain(what, pullRequestsWrite, err)
	}
	there, err := c.suggested(ctx, number)
	if err != nil {
		return suggestions, explain(what, pullRequestsWrite, err)
	}
	var wanted []Suggestion
	for _, s := range suggestions {
		if line, ok := shown[place{s.Path, s.Line}]; !ok || line != s.Old {
			left = append(left, s)
		} else if !slices.Contains(there[place{s.Path, s.Line}], s.body()) {
			wanted = append(wanted, s)
		}
	}
	for review := range slices.Chunk(wanted, maxReview) {
		err := c.review(ctx, number, head, review)
		if isStatus(err, http.StatusUnprocessableEntity) {
			// GitHub takes all of a review or nothing, and does not say which comment it minds.
			var refused []Suggestion
			refused, err = c.oneByOne(ctx, number, head, review)
			left = append(left, refused...)
		}
		if err != nil {
			return left, explain(what, pullRequestsWrite, err)
		}
	}
	return left, nil
}

func (c *Client) review(ctx context.Context, number int, head string, suggestions []Suggestion) error {
	review := &github.PullRequestReviewRequest{
		CommitID: &head, Event: github.Ptr("COMMENT"),
		Body: github.Ptr("hub-publish knows how to mend what it marks here: commit the suggestions that you agree with."),
	}
	for _, s := range suggestions {
		review.Comments = append(review.Comments, &github.DraftReviewComment{
			Path: &s.Path, Line: &s.Line, Side: github.Ptr("RIGHT"), Body: github.Ptr(s.body()),
		})
	}
	_, _, err := c.api.PullRequests.CreateReview(ctx, c.owner, c.name, number, review)
	return err
}

func (c *Client) oneByOne(ctx context.Context, number int, head string, suggestions []Suggestion) (refused []Suggestion, err error) {
	for _, s := range suggestions {
		_, _, err := c.api.PullRequests.CreateComment(ctx, c.owner, c.name, number, &github.PullRequestComment{
			CommitID: &head, Path: &s.Path, Line: &s.Line, Side: github.Ptr("RIGHT"), Body: github.Ptr(s.body()),
		})
		if isStatus(err, http.StatusUnprocessableEntity) {
			refused = append(refused, s)
		} else if err != nil {
			return refused, err
		}
	}
	return refused, nil
}

// place is a line of a file at the head.
type place struct {
	path string
	line int
}

// suggested are the suggestions that stand on a pull request. One on a line that has changed since stands nowhere.
func (c *Client) suggested(ctx context.Context, number int) (map[place][]string, error) {
	there := map[place][]string{}
	options := &github.PullRequestListCommentsOptions{ListOptions: github.ListOptions{PerPage: 100}}
	for comment, err := range c.api.PullRequests.ListCommentsIter(ctx, c.owner, c.name, number, options) {
		if err != nil {
			return nil, err
		}
		at := place{comment.GetPath(), comment.GetLine()}
		there[at] = append(there[at], strings.ReplaceAll(comment.GetBody(), "\r\n", "\n"))
	}
	return there, nil
}

// shownLines are the lines at the head that a pull request's diff shows, those that it does not change too.
func (c *Client) shownLines(ctx context.Context, number int) (map[place]string, error) {
	shown := map[place]string{}
	for file, err := range c.api.PullRequests.ListFilesIter(ctx, c.owner, c.name, number, &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, err
		}
		addHunks(shown, file.GetFilename(), file.GetPatch())
	}
	return shown, nil
}

// hunk begins a part of a diff, with the first line at the head that it shows.
var hunk = regexp.MustCompile(`^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@`)

// addHunks adds the lines at the head that a file's diff shows. GitHub gives none of a file that is binary or large.
func addHunks(shown map[place]string, path, patch string) {
	next := 0
	for line := range strings.SplitSeq(patch, "\n") {
		if begin := hunk.FindStringSubmatch(line); begin != nil {
			next, _ = strconv.Atoi(begin[1]) // digits; a number that is too large is of no line
			continue
		}
		if next > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "+")) {
			shown[place{path, next}] = strings.TrimPrefix(strings.TrimSuffix(line[1:], "\r"), "\uFEFF")
			next++
		}
	}
}
