package report

import (
	"fmt"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
)

// CheckRun is the report as a check run of its head commit, with an annotation for each finding that counts and stands
// in a file; those that stand in none are in its summary. The conclusion is a failure where the run failed, neutral
// where there is something to see, and else a success.
func (r *Report) CheckRun(failed bool) forge.CheckRun {
	counted, passed := split(r.Ranked())
	errors, warnings := finding.Count(counted, finding.Error), finding.Count(counted, finding.Warning)
	run := forge.CheckRun{Head: r.Head, Conclusion: forge.Success, Title: plural(errors, "error") + ", " + plural(warnings, "warning")}
	switch {
	case r.Error != "":
		run.Conclusion, run.Title = forge.Failure, "the run stopped"
	case failed:
		run.Conclusion = forge.Failure
	case len(counted) > 0:
		run.Conclusion = forge.Neutral
	case len(r.Bundles) == 0:
		run.Title = "no bundle changed"
	}
	var homeless []finding.Finding
	for _, f := range counted {
		if f.File == "" {
			homeless = append(homeless, f)
		} else {
			run.Annotations = append(run.Annotations, annotation(f))
		}
	}
	run.Summary = r.checkSummary(homeless, passed)
	return run
}

func (r *Report) checkSummary(homeless, passed []finding.Finding) string {
	var s strings.Builder
	if r.Error != "" {
		fmt.Fprintf(&s, "> %s\n\n", escape(cut(r.Error, maxMessage)))
	}
	s.WriteString(plural(len(r.Bundles), "bundle"))
	if n := len(passed); n > 0 {
		fmt.Fprintf(&s, "; %s let pass, with the reasons in the job summary", plural(n, "finding"))
	}
	s.WriteString(".\n\n")
	const room = 200 // for the line that counts the rest
	list(&s, homeless, forge.MaxSummary-room)
	return s.String()
}

func annotation(f finding.Finding) forge.Annotation {
	a := forge.Annotation{
		Path: f.File, StartLine: f.Line, EndLine: f.EndLine, StartColumn: f.Column, EndColumn: f.EndColumn,
		Level: forge.LevelFailure, Title: f.Rule, Message: cut(f.Message, forge.MaxMessage/4) + "\n" + f.Help,
	}
	if f.Severity == finding.Warning {
		a.Level = forge.LevelWarning
	}
	return a
}
