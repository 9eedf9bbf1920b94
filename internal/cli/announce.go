package cli

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/report"
)

// announceFor is how long GitHub may take for what is nice to have: the findings are told already.
const announceFor = time.Minute

// announce tells on GitHub's pages what a step cannot: all annotations where there are more than the runner keeps, the
// pull request's comment, and suggestions for what is certain to mend. What the token may not write costs a line of the
// log, which names the permission.
func announce(ctx context.Context, result *report.Report, r *pipeline.Run, e Environment) {
	client, ok := r.API.(*forge.Client)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, announceFor)
	defer cancel()
	say := func(err error) {
		if err != nil {
			r.Log.Printf("%v", err)
		}
	}
	head := r.Event.Head
	if head == "" {
		head = result.Head
	}
	if report.Overflows(result.All()) {
		run := result.CheckRun(r.Failed())
		run.Name, run.ExternalID, run.Head = "hub-publish", e.Getenv("GITHUB_WORKFLOW")+"/"+e.Getenv("GITHUB_JOB"), head
		say(client.CheckRun(ctx, run))
	}
	if r.Event.PullRequest == 0 || len(result.Bundles)+len(result.Findings) == 0 {
		return
	}
	if r.Inputs.Comment {
		say(client.Comment(ctx, r.Event.PullRequest, result.Comment(r.Plans(ctx)), result.State()))
	}
	bump := r.Inputs.Bump
	if bump == input.BumpCommit {
		say(client.Bump(ctx, r.Event.PullRequest, bumps(result)))
	}
	if r.Inputs.Comment || bump == input.BumpSuggest {
		_, err := client.Suggest(ctx, r.Event.PullRequest, head, suggestions(result, r))
		say(err)
	}
}

// suggestions are those that the inputs ask for: a version's are bump's matter.
func suggestions(result *report.Report, r *pipeline.Run) []forge.Suggestion {
	wanted := &report.Report{}
	for _, f := range result.All() {
		if isVersion := f.Rule == "version/not-bumped"; isVersion && r.Inputs.Bump == input.BumpSuggest || !isVersion && r.Inputs.Comment {
			wanted.Findings = append(wanted.Findings, f)
		}
	}
	return wanted.Suggestions(r.Files)
}

// bumps are the edits that raise the versions which were not.
func bumps(result *report.Report) []forge.Edit {
	var edits []forge.Edit
	for _, f := range result.All() {
		if f.Rule == "version/not-bumped" && f.Fix != nil && f.Ignored == "" {
			edits = append(edits, forge.Edit{Path: f.File, Line: f.Fix.Line, Column: f.Fix.Column, EndColumn: f.Fix.EndColumn, Text: f.Fix.Text})
		}
	}
	return edits
}

// version is this program's; "(devel)" where it was not built from a release.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
