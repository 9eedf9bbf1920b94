package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/report"
)

// plans are what the merge of the example would do.
var plans = []report.Plan{
	{Bundle: "encoders/nlp/Good", Image: "jinahub/pod.encoder.good", Tags: []string{"1.2.3", "1.2"}, Moves: []string{"1", "latest"}},
	{Bundle: "encoders/nlp/" + hostile, Image: "jinahub/pod.encoder.new", Tags: []string{"0.0.1"}},
}

// many is a run with more findings than are shown at once.
func many(n int, message string) *report.Report {
	r := report.New()
	for i := range n {
		severity := finding.Error
		if i%4 == 0 {
			severity = finding.Warning
		}
		r.Findings = append(r.Findings, finding.New("manifest/name", severity, fmt.Sprintf("encoders/B%04d/manifest.yml", i/5), finding.Line(i%5+1), message))
	}
	return r
}

func TestComment(t *testing.T) {
	t.Parallel()
	clean := report.New()
	clean.Bundles = append(clean.Bundles, &report.Bundle{Path: "encoders/nlp/Good", Status: report.Built})
	clean.Head = "2222222222222222222222222222222222222222"
	warned := report.New()
	warned.Findings = append(warned.Findings, finding.New("manifest/unknown-key", finding.Warning, "a/manifest.yml", finding.Line(1), "no such key"))
	stopped := report.New()
	stopped.Error = "the registry does not answer\n" + hostile
	ignored := report.New()
	ignored.Findings = append(ignored.Findings, finding.Finding{Rule: "manifest/name", Severity: finding.Error, File: "a/manifest.yml", Ignored: "known"})
	for name, c := range map[string]struct {
		report *report.Report
		plans  []report.Plan
		state  forge.State
	}{
		"everything":       {example(), plans, forge.Failing},
		"special":          {special(), nil, forge.Failing},
		"many":             {many(12, "wrong"), nil, forge.Failing},
		"all-good":         {clean, plans[:1], forge.Passing},
		"warnings-only":    {warned, nil, forge.Passing},
		"all-let-pass":     {ignored, nil, forge.Passing},
		"a-run-that-stops": {stopped, nil, forge.Failing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "comment-"+name+".md", c.report.Comment(c.plans))
			if got := c.report.State(); got != c.state {
				t.Errorf("the state is %s, want %s", got, c.state)
			}
		})
	}
}

// TestCommentLimit has more findings, longer ones and larger plans than GitHub takes: what is left out is counted, and
// what is opened is closed.
func TestCommentLimit(t *testing.T) {
	t.Parallel()
	printed := report.New()
	for i := range 9 { // few enough to stand open
		printed.Findings = append(printed.Findings, finding.New("build/failed", finding.Error, fmt.Sprintf("encoders/B%d/Dockerfile", i), finding.Line(1), "RUN make\n"+strings.Repeat("output\n", 2000)))
	}
	long := report.New()
	long.Error = strings.Repeat("<", 1<<20)
	var wide []report.Plan
	for i := range 5000 {
		wide = append(wide, report.Plan{Bundle: fmt.Sprintf("encoders/B%04d", i), Image: "image", Tags: []string{"1.0.0"}})
	}
	for name, c := range map[string]struct {
		report *report.Report
		plans  []report.Plan
		all    int
	}{
		"many findings":         {many(20_000, "wrong"), nil, 20_000},
		"many and a large plan": {many(20_000, "wrong"), wide, 20_000},
		"long messages":         {many(20_000, strings.Repeat("ü|", 2000)), nil, 20_000},
		"one that does not fit": {many(1, strings.Repeat("ü|", 70_000)), nil, 1},
		"what a build printed":  {printed, nil, 9},
		"a long error":          {long, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			comment := c.report.Comment(c.plans)
			if len(comment) > 65_000 {
				t.Errorf("the comment has %d bytes", len(comment))
			}
			shown, left := strings.Count(comment, "\n- "), 0
			if m := regexp.MustCompile(`… and (\d+) more: `).FindStringSubmatch(comment); m != nil {
				if _, err := fmt.Sscan(m[1], &left); err != nil {
					t.Fatal(err)
				}
			}
			if shown+left != c.all {
				t.Errorf("%d findings are shown and %d are counted, of %d", shown, left, c.all)
			}
			if opened, closed := strings.Count(comment, "<details>"), strings.Count(comment, "</details>"); opened != closed {
				t.Errorf("%d folds are opened and %d closed", opened, closed)
			}
			if !strings.HasSuffix(comment, "</sub>\n") {
				t.Errorf("the end is gone: %q", comment[len(comment)-50:])
			}
		})
	}
}

var (
	// foreign finds what GitHub would read: addresses, people, issues, HTML and formulas.
	foreign = regexp.MustCompile(`(?i)https?://example|www\.|@[a-z]|#\d|GH-\d|<script|<img|<!--|\$x\$`)
	// notInCode finds of them the entities of a code element, and the issues, which GitHub does not look for there.
	notInCode = regexp.MustCompile(`&#\d+;|<code>.*?</code>`)
)

// TestCommentIsInert puts what GitHub reads into everything that is foreign.
func TestCommentIsInert(t *testing.T) {
	t.Parallel()
	const text = "https://example.com www.example.com @user a@example.com #1 GH-1 o/r#1 <script>x</script> <img src=x> <!-- x $x$ ![x](https://example.com)"
	r := report.New()
	r.Error = text
	r.Bundles = append(r.Bundles, &report.Bundle{Path: text, Version: text, Status: report.Failed})
	r.Findings = append(r.Findings,
		finding.New("manifest/name", finding.Error, text, finding.Line(1), text),
		finding.New("commit/conventional", finding.Error, "", finding.Range{}, text),
		finding.Finding{Rule: "manifest/name", Severity: finding.Error, File: text, Message: text, Ignored: text},
	)
	for name, got := range map[string]string{
		"comment":   r.Comment([]report.Plan{{Bundle: text, Image: text, Tags: []string{text}, Moves: []string{text}}}),
		"summary":   r.Summary(),
		"check run": r.CheckRun(true).Summary,
	} {
		got = notInCode.ReplaceAllStringFunc(got, func(s string) string { return strings.NewReplacer("#", "", "GH-", "").Replace(s) })
		if found := foreign.FindAllString(got, -1); found != nil {
			t.Errorf("%s: GitHub would read %q in:\n%s", name, found, got)
		}
	}
}
