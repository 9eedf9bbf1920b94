package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

var update = flag.Bool("update", false, "write what people see into testdata")

// golden holds a text against a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("../../testdata/report", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// hostile is what a stranger may write into a manifest or print in a build.
const hostile = "a|b <script>alert(1)</script> `code` **bold** [link](https://example.com) ::error::no ##[error]no @user #1 \\| ~~ &amp; \x1b[31m"

// example is a run with everything in it.
func example() *report.Report {
	r := report.New()
	r.Mode, r.Base, r.Head = "publish", "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	at := func(line, column, end int) finding.Range {
		return finding.Range{Line: line, Column: column, EndLine: line, EndColumn: end}
	}
	add := func(b *report.Bundle, findings ...finding.Finding) *report.Bundle {
		b.Findings = append(b.Findings, findings...)
		r.Bundles = append(r.Bundles, b)
		return b
	}
	bundle := func(path, version string, status report.Status) *report.Bundle {
		return &report.Bundle{
			Path: path, Name: filepath.Base(path), Kind: "encoder", Type: "pod", Version: version, Status: status,
			Seconds: map[string]float64{}, Findings: []finding.Finding{}, Published: []report.Publication{},
		}
	}
	published := func(b *report.Bundle, digit string, existed bool, tags ...string) {
		b.Image = "jinahub/pod.encoder." + strings.ToLower(b.Name) + ":" + b.Version
		b.Published = append(b.Published, report.Publication{
			Bundle: b.Path, Image: b.Image, Version: b.Version, Digest: "sha256:" + strings.Repeat(digit, 64), Tags: tags, Existed: existed,
		})
	}

	good := add(bundle("encoders/nlp/Good", "1.2.3", report.Published),
		finding.New("manifest/unknown-key", finding.Warning, "encoders/nlp/Good/manifest.yml", at(2, 1, 5), `there is no key "knid"; did you mean "kind"?`))
	good.Took("check", 3*time.Millisecond)
	good.Took("build", 71*time.Second+240*time.Millisecond)
	good.Took("publish", 1999*time.Millisecond)
	good.Took("try", 4321*time.Millisecond)
	good.Tests = []report.Test{
		{Name: "run", Result: report.Passed, Seconds: 1.9, Ready: 1.75, Stop: 0.04, Note: "ended by signal 15 (terminated)"},
		{Name: "flow", Result: report.NotApplicable, Seconds: 0.05, Note: "there is no `jina` in its PATH"},
		{Name: "smoke", Result: report.TestFailed, Seconds: 2.3, Note: hostile},
	}
	published(good, "a", false, "1.2.3", "latest")

	same := add(bundle("encoders/nlp/Same", "0.1.0", report.Unchanged))
	same.Took("check", 49*time.Millisecond)
	published(same, "b", true, "0.1.0")

	add(bundle("encoders/nlp/Checked", "0.0.1", report.Checked))
	add(bundle("encoders/nlp/Built", "0.0.1+gpu", report.Built))
	add(bundle("encoders/nlp/Gone", "", report.Removed))

	add(bundle("encoders/nlp/Äpfel", "0.0.1", report.Failed),
		finding.New("build/failed", finding.Error, "encoders/nlp/Äpfel/Dockerfile", finding.Line(3),
			"RUN make: exit status 2\ncc -c a.c\r\n\r10%\r100%\n</pre># "+hostile+"\n::error::no\n\nlast line"),
		finding.New("manifest/license", finding.Error, "encoders/nlp/Äpfel/manifest.yml", at(3, 15, 19), `license "mitt" is not allowed; did you mean "mit"?`),
		finding.New("manifest/version", finding.Error, "encoders/nlp/Äpfel/manifest.yml", at(1, 10, 13), `version must be text, but YAML reads the number 1.0`))

	add(bundle("encoders/nlp/"+hostile, hostile, report.Failed),
		finding.New("manifest/name", finding.Error, "encoders/nlp/"+hostile+"\n::error::no/manifest.yml", finding.Line(1), "name "+strconv.Quote(hostile)+" is not allowed: "+hostile+"\r\n::error::no"))

	r.Findings = append(r.Findings, finding.New("bundle/placement", finding.Error, "Lost/manifest.yml", finding.Line(1), "this bundle stands outside of every kind folder"))
	return r
}

// files are those that the example's findings point into.
var files = fstest.MapFS{
	"encoders/nlp/Good/manifest.yml":  {Data: []byte("\ufeffname: Good\nknid: encoder\n")},
	"encoders/nlp/Äpfel/manifest.yml": {Data: []byte("version:\t1.0\r\nname: Äpfel\r\n{\täöü, license: mitt} # \x1b[31m\r\n")},
	"encoders/nlp/Äpfel/Dockerfile":   {Data: []byte("FROM a\nRUN x\n\tRUN make")},
}

func TestSummary(t *testing.T) {
	t.Parallel()
	golden(t, "summary.md", example().Summary())
}

func TestSummaryVerdicts(t *testing.T) {
	t.Parallel()
	warning := finding.New("manifest/unknown-key", finding.Warning, "a/manifest.yml", finding.Line(1), "no such key")
	wrong := finding.New("manifest/name", finding.Error, "a/manifest.yml", finding.Line(1), "no such name")
	for name, c := range map[string]struct {
		report report.Report
		want   string
	}{
		"nothing to do":      {report.Report{}, "### hub-publish: no bundle changed\n\n"},
		"all good":           {report.Report{Bundles: []*report.Bundle{{Path: "a", Status: report.Checked, Findings: []finding.Finding{warning}}}}, "### hub-publish: all good\n\n"},
		"one error":          {report.Report{Findings: []finding.Finding{wrong, warning}}, "### hub-publish: 1 error\n\n"},
		"two errors":         {report.Report{Findings: []finding.Finding{wrong, wrong}}, "### hub-publish: 2 errors\n\n"},
		"a run that stopped": {report.Report{Error: "no\n*network*", Findings: []finding.Finding{wrong}}, "### hub-publish: stopped\n\n> no \\*network\\*\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.report.Summary(); !strings.HasPrefix(got, c.want) {
				t.Errorf("got:\n%s\nwant it to begin with:\n%s", got, c.want)
			}
		})
	}
}

// TestSummaryLimit has more findings than a summary can hold: the runner would drop all of it.
func TestSummaryLimit(t *testing.T) {
	t.Parallel()
	const n = 20_000
	r := report.New()
	for i := range n {
		r.Findings = append(r.Findings, finding.New("manifest/name", finding.Error, "a/manifest.yml", finding.Line(i+1), strings.Repeat("ü|", 40)))
	}
	summary := r.Summary()
	if len(summary) > 1<<20 || len(summary) < 1<<19 {
		t.Errorf("the summary has %d bytes", len(summary))
	}
	shown := strings.Count(summary, "\n- ❌")
	if want := fmt.Sprintf("\n… and %d more: the whole list is in the report.\n", n-shown); !strings.HasSuffix(summary, want) {
		t.Errorf("the summary shows %d findings and ends with %q, want %q", shown, summary[len(summary)-80:], want)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	for name, color := range map[string]bool{"terminal.txt": false, "terminal-colour.txt": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			report.Terminal{Out: &out, Files: files, Color: color}.Print(example())
			golden(t, name, out.String())
		})
	}
}

// TestCarets has the caret stand below what a finding points at.
func TestCarets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source string
		at     finding.Range
		want   string
	}{
		"a word":                   {"name: abc\n", finding.Range{Line: 1, Column: 7, EndLine: 1, EndColumn: 10}, " 1 | name: abc\n   |       ^~~\n"},
		"one character":            {"name: a\n", finding.Range{Line: 1, Column: 7, EndLine: 1, EndColumn: 8}, " 1 | name: a\n   |       ^\n"},
		"an end that is unknown":   {"name: abc\n", finding.Range{Line: 1, Column: 7}, " 1 | name: abc\n   |       ^\n"},
		"an end on another line":   {"name: 'a\nb'\n", finding.Range{Line: 1, Column: 7, EndLine: 2, EndColumn: 20}, " 1 | name: 'a\n   |       ^\n"},
		"a whole line":             {"a\nname: abc\n", finding.Line(2), " 2 | name: abc\n"},
		"behind a tab":             {"name:\tabc\n", finding.Range{Line: 1, Column: 7, EndLine: 1, EndColumn: 10}, " 1 | name:\tabc\n   |      \t^~~\n"},
		"behind long characters":   {"äöü: abc\n", finding.Range{Line: 1, Column: 6, EndLine: 1, EndColumn: 9}, " 1 | äöü: abc\n   |      ^~~\n"},
		"behind a byte order mark": {"\ufeffname: abc\n", finding.Range{Line: 1, Column: 7, EndLine: 1, EndColumn: 10}, " 1 | name: abc\n   |       ^~~\n"},
		"CRLF":                     {"a: b\r\nname: abc\r\n", finding.Range{Line: 2, Column: 1, EndLine: 2, EndColumn: 5}, " 2 | name: abc\n   | ^~~~\n"},
		"a line behind the tenth":  {strings.Repeat("\n", 9) + "abc", finding.Range{Line: 10, Column: 2, EndLine: 10, EndColumn: 4}, " 10 | abc\n    |  ^~\n"},
		"what no terminal obeys":   {"a: \x1b[2J\x9b\u009b\n", finding.Line(1), ""},
		"escapes":                  {"a: \x1b[2J\u009b\n", finding.Line(1), " 1 | a: \uFFFD[2J\uFFFD\n"},
		"a line that is not there": {"a: b\n", finding.Line(7), ""},
		"a very long line":         {strings.Repeat("a", 1<<17), finding.Line(1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r := report.New()
			r.Findings = append(r.Findings, finding.Finding{Rule: "rule", Severity: finding.Error, File: "a.yml", Range: c.at, Message: "wrong"})
			report.Terminal{Out: &out, Files: fstest.MapFS{"a.yml": {Data: []byte(c.source)}}}.Print(r)
			_, got, _ := strings.Cut(out.String(), "error: wrong [rule]\n")
			if got, _ = strings.CutSuffix(got, "0 bundles: 1 error, 0 warnings\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	workspace := t.TempDir()
	var path string
	for range 2 { // the second time over the first's files
		var err error
		if path, err = example().WriteJSON(workspace); err != nil {
			t.Fatal(err)
		}
	}
	if path != ".hub-publish/report.json" {
		t.Errorf("got the path %q", path)
	}
	content, err := os.ReadFile(filepath.Join(workspace, path))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", string(content))
	ignore, err := os.ReadFile(filepath.Join(workspace, ".hub-publish/.gitignore"))
	if err != nil || string(ignore) != "*\n" {
		t.Errorf("got %q and %v: git would see the report", ignore, err)
	}
}

// TestWriteJSONLinks has a checkout with links where the report goes: what they point at stays as it was.
func TestWriteJSONLinks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ link, target string }{
		"the directory, to one in the workspace": {".hub-publish", ".git"},
		"the directory, to one outside":          {".hub-publish", "../outside"},
		"the report, to a file in the workspace": {".hub-publish/report.json", "../.git/report.json"},
		"the report, to a file outside":          {".hub-publish/report.json", "../../outside/report.json"},
		"what git ignores":                       {".hub-publish/.gitignore", "../.git/report.json"},
		"to nowhere":                             {".hub-publish", "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			workspace := filepath.Join(dir, "workspace")
			for _, d := range []string{filepath.Dir(filepath.Join(workspace, c.link)), filepath.Join(workspace, ".git"), filepath.Join(dir, "outside")} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			precious := []string{filepath.Join(workspace, ".git/report.json"), filepath.Join(dir, "outside/report.json")}
			for _, p := range precious {
				if err := os.WriteFile(p, []byte("precious"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(c.target, filepath.Join(workspace, c.link)); err != nil {
				t.Fatal(err)
			}
			path, err := example().WriteJSON(workspace)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range precious {
				if content, err := os.ReadFile(p); err != nil || string(content) != "precious" {
					t.Errorf("%s was written to: %v", p, err)
				}
			}
			for _, p := range []string{path, report.Dir + "/.gitignore"} {
				if info, err := os.Lstat(filepath.Join(workspace, p)); err != nil || !info.Mode().IsRegular() {
					t.Errorf("%s is no file: %v", p, err)
				}
			}
		})
	}
}

func TestWriteJSONWithoutWorkspace(t *testing.T) {
	t.Parallel()
	if _, err := report.New().WriteJSON(filepath.Join(t.TempDir(), "none")); err == nil || !strings.HasPrefix(err.Error(), "write the report: ") {
		t.Errorf("got %v", err)
	}
}

// TestValues holds the outputs against the action's contract: later steps read these names.
func TestValues(t *testing.T) {
	t.Parallel()
	values, err := example().Values()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, o := range report.Outputs {
		value, ok := values[o.Name]
		if o.Name == "report" || o.Name == "catalog" { // the report's path is the caller's, and there is no catalog yet
			if ok {
				t.Errorf("%s is %q", o.Name, value)
			}
			continue
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(value), "", "  "); err != nil {
			t.Errorf("%s is not JSON: %v", o.Name, err)
		}
		if strings.ContainsAny(value, "\r\n") {
			t.Errorf("%s has more than one line", o.Name)
		}
		fmt.Fprintf(&text, "%s: %s\n", o.Name, indented.String())
		delete(values, o.Name)
	}
	for name := range values {
		t.Errorf("%s is not described", name)
	}
	golden(t, "outputs.txt", text.String())
}

func TestValuesOfNothing(t *testing.T) {
	t.Parallel()
	values, err := report.New().Values()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"bundles": "[]", "matrix": `{"include":[]}`, "published": "[]", "failed": "[]", "errors": "0", "warnings": "0"} {
		if values[name] != want {
			t.Errorf("%s: got %s, want %s", name, values[name], want)
		}
	}
}

// TestSetOutputs reads the file as the runner does: NAME<<DELIMITER, the value's lines, DELIMITER.
func TestSetOutputs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "output")
	action := githubactions.New(githubactions.WithGetenv(func(name string) string { return map[string]string{"GITHUB_OUTPUT": path}[name] }))
	want, err := example().Values()
	if err != nil {
		t.Fatal(err)
	}
	report.SetOutputs(action, want)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		name, delimiter, ok := strings.Cut(lines[0], "<<")
		if !ok || lines[2] != delimiter || lines[1] != want[name] {
			t.Errorf("got %q, want %s", lines[:3], want[name])
		}
		delete(want, name)
	}
	if len(lines) != 0 || len(want) != 0 {
		t.Errorf("the lines %q are left, and the outputs %v", lines, want)
	}
}

// TestRanked has the findings of the rules that others depend on first.
func TestRanked(t *testing.T) {
	t.Parallel()
	var got, want []string
	for _, f := range example().Ranked() {
		got = append(got, f.Rule)
	}
	for _, r := range rule.All { // each of them is broken once
		if slices.Contains(got, r.ID) {
			want = append(want, r.ID)
		}
	}
	if !slices.Equal(got, want) || got[0] != "bundle/placement" || got[len(got)-1] != "build/failed" {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	r := example()
	if got, want := r.Paths(report.Unchanged, report.Published), []string{"encoders/nlp/Good", "encoders/nlp/Same"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := r.Paths(); len(got) != len(r.Bundles) {
		t.Errorf("got %q, want all", got)
	}
}
