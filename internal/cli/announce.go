package cli

import (
	"context"
	"runtime/debug"
	"strings"
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
	if r.Inputs.Bump == input.BumpCommit {
		say(client.Bump(ctx, r.Event.PullRequest, suggestions(result, r, true)))
	}
	var wanted []forge.Suggestion
	if r.Inputs.Bump == input.BumpSuggest {
		wanted = suggestions(result, r, true)
	}
	if r.Inputs.Comment {
		wanted = append(wanted, suggestions(result, r, false)...)
	}
	_, err := client.Suggest(ctx, r.Event.PullRequest, head, wanted)
	say(err)
}

// suggestions are those for versions that were not raised, or all others.
func suggestions(result *report.Report, r *pipeline.Run, versions bool) []forge.Suggestion {
	of := &report.Report{}
	for _, f := range result.All() {
		if strings.HasPrefix(f.Rule, "version/") == versions {
			of.Findings = append(of.Findings, f)
		}
	}
	return of.Suggestions(r.Files)
}

// version is this program's; "(devel)" where it was not built from a release.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}
