package pipeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
	"github.com/jina/hub-publish/internal/trial"
	"github.com/jina/hub-publish/internal/usage"
)

// planUsage are the usage tests of a bundle's image.
func (r *Run) planUsage(b *hub.Bundle) []usage.Test {
	if len(r.Inputs.UsageTests) == 0 {
		return nil
	}
	return usage.Plan(r.Inputs.UsageTests, b.Text("type") == "app", r.checker.Config.UsageTests, r.checker.UsageTests(b), r.Inputs.ReadyTimeout)
}

// try runs the bundle's usage tests on its image. What the image does not pass becomes a finding.
func (w *work) try(ctx context.Context, img *builder.Image) error {
	tests := w.usage[w.bundle.Path]
	if len(tests) == 0 {
		return nil
	}
	began := time.Now()
	defer func() { w.entry.Took("try", time.Since(began)) }()
	for _, test := range tests {
		began := time.Now()
		w.log.Step(w.checker.CommandLine(w.bundle), described(test))
		outcome, err := w.builder.Try(ctx, img, test, w.log)
		if err != nil {
			return fmt.Errorf("the usage test %s: %w", test.Name, err)
		}
		w.note(test, outcome, time.Since(began))
	}
	return nil
}

// described is a test for the log.
func described(test usage.Test) string {
	if as := test.As(); as != "" {
		return "usage test " + test.Name + ", as " + as
	}
	return "usage test " + test.Name
}

// note takes the outcome of a test into the report.
func (w *work) note(test usage.Test, outcome *trial.Outcome, took time.Duration) {
	if outcome.NotApplicable != "" && w.checker.Config.RequireJina {
		outcome.Problem = "it needs Jina, which this hub requires (`require-jina`): " + outcome.NotApplicable
		outcome.NotApplicable = ""
	}
	row := report.Test{
		Name: test.Name, Result: report.Passed, Note: outcome.End,
		Seconds: milliseconds(took), Ready: milliseconds(outcome.Ready), Stop: milliseconds(outcome.Stop),
	}
	switch {
	case outcome.NotApplicable != "":
		row.Result, row.Note = report.NotApplicable, outcome.NotApplicable
		w.log.Printf("The usage test %s does not apply: %s.", test.Name, outcome.NotApplicable)
	case outcome.Problem != "":
		row.Result = report.TestFailed
		w.log.Printf("The usage test %s failed: %s.", test.Name, outcome.Problem)
		w.fail(w.usageFinding(test, outcome))
	default:
		w.log.Printf("The usage test %s passed: ready after %s, ended after %s with %s.", test.Name, seconds(outcome.Ready), seconds(outcome.Stop), outcome.End)
	}
	w.entry.Tests = append(w.entry.Tests, row)
}

// usageFinding says what was expected, what came instead, and the end of what the image printed.
func (w *work) usageFinding(test usage.Test, outcome *trial.Outcome) finding.Finding {
	text := described(test) + ": " + outcome.Problem
	if len(outcome.Last) > 0 {
		text += "; its last lines are:\n" + strings.Join(outcome.Last, "\n")
	} else if outcome.End != "" || outcome.Ready > 0 {
		text += "; it printed nothing"
	}
	return rule.Usage(test.Name).Finding(w.bundle.DockerfilePath(), finding.Line(w.checker.CommandLine(w.bundle)), "%s", text)
}

// fail adds a finding that fails the bundle whatever fail-on says, if the hub lets its rule be an error.
func (w *work) fail(f finding.Finding) {
	for _, f := range w.checker.Later(f) {
		w.entry.Findings = append(w.entry.Findings, f)
		if f.Severity == finding.Error && f.Ignored == "" {
			w.entry.Status = report.Failed
		}
	}
	w.judge(w.entry)
}

func milliseconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// seconds shows a time as people read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
