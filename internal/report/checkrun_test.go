package report_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/report"
)

func TestCheckRun(t *testing.T) {
	t.Parallel()
	run := special().CheckRun(true)
	want := []forge.Annotation{
		{
			Path: "encoders/nlp/Good/manifest.yml", StartLine: 2, EndLine: 2, StartColumn: 1, EndColumn: 5, Level: forge.LevelWarning, Title: "manifest/unknown-key",
			Message: "there is no key \"knid\"; did you mean \"kind\"?\nhttps://github.com/jina/hub-publish#manifestunknown-key",
		},
		{
			Path: "encoders/nlp/Good/manifest.yml", StartLine: 2, EndLine: 2, StartColumn: 7, EndColumn: 13, Level: forge.LevelFailure, Title: "manifest/kind",
			Message: "kind \"encodr\" is not allowed; did you mean \"encoder\"?\nhttps://github.com/jina/hub-publish#manifestkind",
		},
	}
	slices.SortFunc(run.Annotations, func(a, b forge.Annotation) int { return cmp.Compare(a.StartColumn, b.StartColumn) })
	if len(run.Annotations) != len(want) {
		t.Fatalf("got %+v", run.Annotations)
	}
	for i, a := range want {
		if run.Annotations[i] != a {
			t.Errorf("got  %+v\nwant %+v", run.Annotations[i], a)
		}
	}
	if run.Head != "2222222222222222222222222222222222222222" || run.Title != "2 errors, 1 warning" {
		t.Errorf("got %s on %s", run.Title, run.Head)
	}
	golden(t, "checkrun.md", run.Summary)
}

func TestConclusions(t *testing.T) {
	t.Parallel()
	warning := finding.New("manifest/unknown-key", finding.Warning, "a/manifest.yml", finding.Line(1), "no such key")
	passed := warning
	passed.Ignored = "known"
	bundle := []*report.Bundle{{Path: "a", Status: report.Checked}}
	for name, c := range map[string]struct {
		report report.Report
		failed bool
		want   forge.Conclusion
		title  string
	}{
		"nothing to do":          {report.Report{}, false, forge.Success, "no bundle changed"},
		"all good":               {report.Report{Bundles: bundle}, false, forge.Success, "0 errors, 0 warnings"},
		"let pass":               {report.Report{Bundles: bundle, Findings: []finding.Finding{passed}}, false, forge.Success, "0 errors, 0 warnings"},
		"a warning":              {report.Report{Bundles: bundle, Findings: []finding.Finding{warning}}, false, forge.Neutral, "0 errors, 1 warning"},
		"a warning that fails":   {report.Report{Bundles: bundle, Findings: []finding.Finding{warning}}, true, forge.Failure, "0 errors, 1 warning"},
		"a run that was stopped": {report.Report{Error: "no network"}, false, forge.Failure, "the run stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.report.CheckRun(c.failed); got.Conclusion != c.want || got.Title != c.title {
				t.Errorf("got %s, %q", got.Conclusion, got.Title)
			}
		})
	}
}

// TestCheckRunLimits has messages and a list that are longer than GitHub takes: the link to the rule stays.
func TestCheckRunLimits(t *testing.T) {
	t.Parallel()
	r := report.New()
	r.Findings = append(r.Findings, finding.New("manifest/name", finding.Error, "a/manifest.yml", finding.Line(1), strings.Repeat("ü", 1<<17)))
	for range 5000 {
		r.Findings = append(r.Findings, finding.New("commit/conventional", finding.Error, "", finding.Range{}, "no type"))
	}
	run := r.CheckRun(true)
	if m := run.Annotations[0].Message; len(m) > forge.MaxMessage || !strings.HasSuffix(m, "#manifestname") {
		t.Errorf("the message has %d bytes and ends with %q", len(m), m[len(m)-20:])
	}
	if s := run.Summary; len(s) > forge.MaxSummary || !strings.HasSuffix(s, "more: the whole list is in the report.\n") {
		t.Errorf("the summary has %d bytes and ends with %q", len(s), s[len(s)-20:])
	}
}
