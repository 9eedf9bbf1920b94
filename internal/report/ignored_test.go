package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
)

// special is a run with findings that are let pass, that stand in no file, and that have a fix.
func special() *report.Report {
	r := report.New()
	r.Mode, r.Base, r.Head = "build", "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	const manifest = "encoders/nlp/Good/manifest.yml"
	passed := func(f finding.Finding, reason string) finding.Finding {
		f.Ignored = reason
		return f
	}
	fixed := func(f finding.Finding, text string) finding.Finding {
		f.Fix = &finding.Fix{Range: f.Range, Text: text}
		return f
	}
	r.Bundles = append(r.Bundles, &report.Bundle{
		Path: "encoders/nlp/Good", Name: "Good", Kind: "encoder", Type: "pod", Version: "1.2.3", Status: report.Failed,
		Seconds: map[string]float64{}, Published: []report.Publication{},
		Findings: []finding.Finding{
			fixed(finding.New("manifest/unknown-key", finding.Warning, manifest, finding.Range{Line: 2, Column: 1, EndLine: 2, EndColumn: 5}, `there is no key "knid"; did you mean "kind"?`), "kind"),
			fixed(finding.New("manifest/kind", finding.Error, manifest, finding.Range{Line: 2, Column: 7, EndLine: 2, EndColumn: 13}, `kind "encodr" is not allowed; did you mean "encoder"?`), "encoder"),
			passed(finding.New("manifest/name", finding.Error, manifest, finding.Line(1), "the name is too long"), "the image is known by it, see "+hostile),
			passed(finding.New("bundle/large-file", finding.Warning, "encoders/nlp/Good/model.bin", finding.Line(1), "this file has 2MiB"), "a test's own"),
		},
	})
	r.Findings = append(r.Findings, finding.New("commit/conventional", finding.Error, "", finding.Range{},
		`the commit 1234567 has the message "`+hostile+`"; write a type before it, such as "fix: `+hostile+`"`))
	return r
}

func TestSpecialSummary(t *testing.T) {
	t.Parallel()
	golden(t, "special-summary.md", special().Summary())
}

func TestSpecialTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	report.Terminal{Out: &out, Files: specialFiles}.Print(special())
	golden(t, "special-terminal.txt", out.String())
}

// TestSpecialAnnotations has none for what is let pass, and no place for what stands in no file.
func TestSpecialAnnotations(t *testing.T) {
	t.Parallel()
	var got []string
	for _, a := range annotate(special().All()...) {
		got = append(got, a.name+" "+a.properties["title"]+" "+a.properties["file"]+":"+a.properties["line"])
	}
	want := "error commit/conventional :, error manifest/kind encoders/nlp/Good/manifest.yml:2, warning manifest/unknown-key encoders/nlp/Good/manifest.yml:2"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// TestIgnoredDoNotTakeAPlace has ten findings of a level that count among more that do not: all ten are shown.
func TestIgnoredDoNotTakeAPlace(t *testing.T) {
	t.Parallel()
	var findings []finding.Finding
	for i := range 30 {
		f := finding.New("e", finding.Error, "e.yml", finding.Line(i+1), fmt.Sprint(i))
		if i%3 > 0 {
			f.Ignored = "a reason"
		}
		findings = append(findings, f)
	}
	got := annotate(findings...)
	if len(got) != 10 || !strings.HasPrefix(got[9].data, "27\n") {
		t.Errorf("got %+v", got)
	}
}

func TestSpecialValues(t *testing.T) {
	t.Parallel()
	values, err := special().Values()
	if err != nil || values["errors"] != "2" || values["warnings"] != "1" {
		t.Errorf("%s errors, %s warnings, %v; want 2 and 1", values["errors"], values["warnings"], err)
	}
}
