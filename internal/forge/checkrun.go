package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/google/go-github/v89/github"
)

// What GitHub takes of a check run. https://docs.github.com/en/rest/checks/runs#create-a-check-run
const (
	// MaxSummary is the longest summary, in characters; we count bytes, of which there are no fewer.
	MaxSummary = 65_535
	// MaxMessage is the longest message of an annotation, in bytes.
	MaxMessage = 64 << 10
	maxTitle   = 255
	// maxBatch is how many annotations one request may have. Those of the next are appended.
	maxBatch = 50
)

// Conclusion is how a check run ended.
type Conclusion string

// The conclusions that a check run of ours has.
const (
	Success Conclusion = "success"
	Failure Conclusion = "failure"
	Neutral Conclusion = "neutral"
)

// Level is how much an annotation weighs.
type Level string

// The levels in falling order.
const (
	LevelFailure Level = "failure"
	LevelWarning Level = "warning"
	LevelNotice  Level = "notice"
)

// Annotation is a message at a place in a file of the head commit. Lines and columns count from 1; a zero end or column
// is one that is not known. The end column is the first one behind the place.
type Annotation struct {
	Path                   string
	StartLine, EndLine     int
	StartColumn, EndColumn int
	Level                  Level
	Title, Message         string
}

// CheckRun is a check that has run on a commit.
type CheckRun struct {
	// Name is what people see, and ExternalID tells checks of one name apart, such as those of two workflows.
	Name, ExternalID string
	// Head is the commit's full hash.
	Head string
	// DetailsURL is where a click leads; empty for the check's own page.
	DetailsURL string
	Conclusion Conclusion
	// Title and Summary, which is Markdown, are cut where they are longer than GitHub takes.
	Title, Summary string
	Annotations    []Annotation
}

const checksWrite = "checks: write"

// CheckRun puts a check run with all its annotations on its commit. There is one: a run that is there already, found by
// its name and external id, is updated. GitHub only ever adds annotations, so that a run with one that is not wanted any
// more is replaced by a new one, of which GitHub shows the last. Annotations go in batches, and where GitHub refuses one
// the others are still sent; the error says so. The token needs `checks: write`.
func (c *Client) CheckRun(ctx context.Context, run CheckRun) error {
	what := fmt.Sprintf("put the check run %s on %.10s", run.Name, run.Head)
	output := func(annotations []*github.CheckRunAnnotation) *github.CheckRunOutput {
		title, summary := clip(run.Title, maxTitle), clip(run.Summary, MaxSummary)
		return &github.CheckRunOutput{Title: &title, Summary: &summary, Annotations: annotations}
	}
	var wanted []*github.CheckRunAnnotation
	for _, a := range run.Annotations {
		wanted = append(wanted, a.request())
	}
	id, wanted, err := c.findCheckRun(ctx, run, wanted)
	if err != nil {
		return explain(what, checksWrite, err)
	}
	var details *string
	if run.DetailsURL != "" {
		details = &run.DetailsURL
	}
	// The run ends with its first request: one that stays open would keep a pull request waiting for ever.
	if id != 0 {
		_, _, err = c.api.Checks.UpdateCheckRun(ctx, c.owner, c.name, id, github.UpdateCheckRunOptions{
			Name: run.Name, DetailsURL: details, Status: github.Ptr("completed"), Conclusion: github.Ptr(string(run.Conclusion)), Output: output(nil),
		})
	} else {
		var created *github.CheckRun
		created, _, err = c.api.Checks.CreateCheckRun(ctx, c.owner, c.name, github.CreateCheckRunOptions{
			Name: run.Name, HeadSHA: run.Head, ExternalID: &run.ExternalID, DetailsURL: details,
			Status: github.Ptr("completed"), Conclusion: github.Ptr(string(run.Conclusion)), Output: output(nil),
		})
		id = created.GetID()
	}
	if err != nil {
		return explain(what, checksWrite, err)
	}
	var refused []error
	for batch := range slices.Chunk(wanted, maxBatch) {
		_, _, err := c.api.Checks.UpdateCheckRun(ctx, c.owner, c.name, id, github.UpdateCheckRunOptions{Name: run.Name, Output: output(batch)})
		if isStatus(err, http.StatusUnprocessableEntity) {
			refused = append(refused, explain(fmt.Sprintf("add %d annotations to the check run %s", len(batch), run.Name), checksWrite, err))
			continue
		}
		if err != nil {
			refused = append(refused, explain(fmt.Sprintf("add annotations to the check run %s", run.Name), checksWrite, err))
			break
		}
	}
	return errors.Join(refused...)
}

// findCheckRun is the run to update and the annotations that it lacks; without one the id is zero, and it lacks all.
func (c *Client) findCheckRun(ctx context.Context, run CheckRun, wanted []*github.CheckRunAnnotation) (int64, []*github.CheckRunAnnotation, error) {
	var found *github.CheckRun
	// By default GitHub lists the last of each name, which may be one with another external id.
	options := &github.ListCheckRunsOptions{CheckName: &run.Name, Filter: github.Ptr("all"), ListOptions: github.ListOptions{PerPage: 100}}
	for r, err := range c.api.Checks.ListCheckRunsForRefIter(ctx, c.owner, c.name, run.Head, options) {
		if err != nil {
			return 0, nil, err
		}
		if r.GetName() == run.Name && r.GetExternalID() == run.ExternalID && r.GetID() > found.GetID() {
			found = r
		}
	}
	if found == nil || found.GetOutput().GetAnnotationsCount() == 0 {
		return found.GetID(), wanted, nil
	}
	there := map[identity]int{}
	for a, err := range c.api.Checks.ListCheckRunAnnotationsIter(ctx, c.owner, c.name, found.GetID(), &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return 0, nil, err
		}
		there[identify(a)]++
	}
	var lacking []*github.CheckRunAnnotation
	for _, a := range wanted {
		if there[identify(a)] == 0 {
			lacking = append(lacking, a)
			continue
		}
		if there[identify(a)]--; there[identify(a)] == 0 {
			delete(there, identify(a))
		}
	}
	if len(there) > 0 {
		return 0, wanted, nil
	}
	return found.GetID(), lacking, nil
}

// identity is what makes two annotations the same.
type identity struct {
	path, level, title, message string
	line, column                int
}

func identify(a *github.CheckRunAnnotation) identity {
	return identity{a.GetPath(), a.GetAnnotationLevel(), a.GetTitle(), a.GetMessage(), a.GetStartLine(), a.GetStartColumn()}
}

// request is the annotation as GitHub takes it: columns only on one line, and no end before its start.
func (a Annotation) request() *github.CheckRunAnnotation {
	start := max(a.StartLine, 1)
	end := max(a.EndLine, start)
	r := &github.CheckRunAnnotation{
		Path: &a.Path, StartLine: &start, EndLine: &end,
		AnnotationLevel: github.Ptr(string(a.Level)), Title: github.Ptr(clip(a.Title, maxTitle)), Message: github.Ptr(clip(a.Message, MaxMessage)),
	}
	if a.StartColumn > 0 && start == end {
		r.StartColumn, r.EndColumn = &a.StartColumn, github.Ptr(max(a.EndColumn, a.StartColumn))
	}
	return r
}

// isStatus reports whether GitHub answered with this status.
func isStatus(err error, status int) bool {
	var answer *github.ErrorResponse
	return errors.As(err, &answer) && answer.Response != nil && answer.Response.StatusCode == status
}

// clip shortens a text to a number of bytes, between two characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const end = "…"
	cut := most - len(end)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + end
}
