package report_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
)

// command is a workflow command as the runner reads it off the log.
type command struct {
	name       string
	properties map[string]string
	data       string
}

// registered are the commands that the runner knows.
var registered = []string{
	"stop-commands", "set-env", "set-output", "save-state", "add-mask", "add-path", "add-matcher", "remove-matcher", "debug", "warning", "error", "notice",
	"group", "endgroup", "echo",
}

var (
	unescapeData       = []string{"%0D", "\r", "%0A", "\n", "%25", "%"}
	unescapeProperty   = []string{"%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%"}
	unescapeFirstStyle = []string{"%3B", ";", "%0D", "\r", "%0A", "\n", "%5D", "]", "%25", "%"}
)

// unescape replaces one thing after another, as the runner does: not all at once.
func unescape(text string, pairs []string) string {
	for pair := range slices.Chunk(pairs, 2) {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

func properties(text, separator string, pairs []string) map[string]string {
	all := map[string]string{}
	for property := range strings.SplitSeq(text, separator) {
		if key, value, ok := strings.Cut(property, "="); ok && value != "" {
			all[key] = unescape(value, pairs)
		}
	}
	return all
}

// commands reads a log as the runner does (actions/runner, ActionCommand.cs): ::name k=v,k=v::data at the beginning of a
// line, and ##[name k=v;k=v]data anywhere in it.
func commands(log string) []command {
	var all []command
	for line := range strings.FieldsFuncSeq(log, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if c, ok := secondStyle(line); ok {
			all = append(all, c)
		} else if c, ok := firstStyle(line); ok {
			all = append(all, c)
		}
	}
	return all
}

func secondStyle(line string) (command, bool) {
	line, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::")
	if !ok {
		return command{}, false
	}
	head, data, ok := strings.Cut(line, "::")
	name, rest, _ := strings.Cut(head, " ")
	return command{strings.ToLower(name), properties(strings.TrimSpace(rest), ",", unescapeProperty), unescape(data, unescapeData)},
		ok && slices.Contains(registered, strings.ToLower(name))
}

func firstStyle(line string) (command, bool) {
	_, line, ok := strings.Cut(line, "##[")
	if !ok {
		return command{}, false
	}
	head, data, ok := strings.Cut(line, "]")
	name, rest, _ := strings.Cut(head, " ")
	return command{strings.ToLower(name), properties(rest, ";", unescapeFirstStyle), unescape(data, unescapeFirstStyle)},
		ok && slices.Contains(registered, strings.ToLower(name))
}

// annotate is what the runner reads of the annotations of some findings.
func annotate(findings ...finding.Finding) []command {
	var out bytes.Buffer
	report.Annotate(githubactions.New(githubactions.WithWriter(&out)), findings)
	return commands(out.String())
}

func TestRunnersReading(t *testing.T) {
	t.Parallel()
	got := commands("x ::error::no\n \t::Error file=a%2Cb,line=1::x%0Ay%250A\rx ##[warning a=b%3B;c=]d%5D\n::none::\n##[none]\n::error no\n")
	want := "[{error map[file:a,b line:1] x\ny%0A} {warning map[a:b;] d]}]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %q, want %q", fmt.Sprint(got), want)
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	r := example()
	report.Annotate(githubactions.New(githubactions.WithWriter(&out)), r.Ranked())
	golden(t, "annotations.txt", out.String())
	// Errors first, each level in the order that it came in.
	ranked := r.Ranked()
	var want []finding.Finding
	for _, severity := range []finding.Severity{finding.Error, finding.Warning} {
		for _, f := range ranked {
			if f.Severity == severity {
				want = append(want, f)
			}
		}
	}
	got := commands(out.String())
	if len(got) != len(want) {
		t.Fatalf("%d annotations of %d findings", len(got), len(want))
	}
	for i, f := range want {
		if got[i].name != string(f.Severity) || got[i].properties["title"] != f.Rule || got[i].properties["file"] != f.File || got[i].data != f.Message+"\n"+f.Help {
			t.Errorf("got %+v, want %+v", got[i], f)
		}
	}
}

func TestAnnotationPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at   finding.Range
		want map[string]string
	}{
		"a line":             {finding.Line(7), map[string]string{"line": "7"}},
		"a column":           {finding.Range{Line: 7, Column: 3}, map[string]string{"line": "7", "col": "3"}},
		"a part of a line":   {finding.Range{Line: 7, Column: 3, EndLine: 7, EndColumn: 9}, map[string]string{"line": "7", "col": "3", "endLine": "7", "endColumn": "9"}},
		"more than one line": {finding.Range{Line: 7, Column: 3, EndLine: 8, EndColumn: 2}, map[string]string{"line": "7", "col": "3", "endLine": "8", "endColumn": "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want["file"], c.want["title"] = "a/manifest.yml", "a/rule"
			got := annotate(finding.New("a/rule", finding.Warning, "a/manifest.yml", c.at, "wrong"))
			if len(got) != 1 || got[0].name != "warning" || fmt.Sprint(got[0].properties) != fmt.Sprint(c.want) {
				t.Errorf("got %+v, want one with %v", got, c.want)
			}
		})
	}
}

// TestAnnotationLimit has the runner's ten of each level; where there are more, the tenth counts them.
func TestAnnotationLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ errors, warnings int }{{0, 0}, {1, 0}, {9, 1}, {10, 10}, {11, 10}, {10, 11}, {500, 300}} {
		t.Run(fmt.Sprintf("%d errors and %d warnings", c.errors, c.warnings), func(t *testing.T) {
			t.Parallel()
			var findings []finding.Finding
			for i := range max(c.errors, c.warnings) { // mixed
				if i < c.warnings {
					findings = append(findings, finding.New("w", finding.Warning, "w.yml", finding.Line(i+1), fmt.Sprint("warning ", i+1)))
				}
				if i < c.errors {
					findings = append(findings, finding.New("e", finding.Error, "e.yml", finding.Line(i+1), fmt.Sprint("error ", i+1)))
				}
			}
			var want []string
			for _, level := range []struct {
				name string
				n    int
			}{{"error", c.errors}, {"warning", c.warnings}} {
				shown := level.n
				if shown > 10 {
					shown = 9
				}
				for i := range shown {
					want = append(want, fmt.Sprintf("%s %d", level.name, i+1))
				}
				if more := level.n - shown; more > 0 {
					want = append(want, fmt.Sprintf("%d more findings of this level are in the job summary and in the report", more))
				}
			}
			var got []string
			for _, a := range annotate(findings...) {
				first, _, _ := strings.Cut(a.data, "\n")
				got = append(got, first)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestAnnotationLength has the runner cut no message: it would cut off the link to the rule.
func TestAnnotationLength(t *testing.T) {
	t.Parallel()
	help := "\n" + finding.New("a/rule", finding.Error, "", finding.Range{}, "").Help
	room := 4096 - len(help)
	for name, c := range map[string]struct {
		message string
		cut     bool
	}{
		"as long as may be":                   {strings.Repeat("x", room), false},
		"one character too long":              {strings.Repeat("x", room+1), true},
		"much too long":                       {strings.Repeat("x", 1<<16), true},
		"many bytes a character":              {strings.Repeat("ü", room), false},
		"two UTF-16 units a character":        {strings.Repeat("😀", room/2), false},
		"one character of two units too many": {strings.Repeat("😀", room/2+1), true},
		"a character on the edge":             {strings.Repeat("x", room-1) + "😀", true},
		"a character before the edge":         {strings.Repeat("x", room-2) + "😀x", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := annotate(finding.New("a/rule", finding.Error, "a.yml", finding.Line(1), c.message))[0].data
			if units := len(utf16.Encode([]rune(got))); units > 4096 || c.cut && units < 4094 {
				t.Errorf("the message has %d UTF-16 units", units)
			}
			message, ok := strings.CutSuffix(got, help)
			if !ok {
				t.Fatalf("the link is gone: …%q", got[len(got)-80:])
			}
			kept, cut := strings.CutSuffix(message, "…")
			if cut != c.cut || !strings.HasPrefix(c.message, kept) || !cut && message != c.message {
				t.Errorf("cut: got %t, want %t; …%q", cut, c.cut, message[len(message)-20:])
			}
		})
	}
}

// FuzzAnnotate asks that the runner reads one annotation, with what was put into it.
func FuzzAnnotate(f *testing.F) {
	for _, seed := range []string{"wrong", hostile, "a\r\n::error::b", "%0A::error::%250A%25", "##[add-mask]x", "a,b:c=d", " ::debug::", "\u2028::error::\u0085::error::", "😀"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, file, message string) {
		if !utf8.ValidString(message) || len(message) > 1000 {
			return
		}
		in := finding.New("a/rule", finding.Error, file, finding.Range{Line: 1, Column: 2, EndLine: 1, EndColumn: 3}, message)
		got := annotate(in)
		if len(got) != 1 || got[0].name != "error" {
			t.Fatalf("the runner reads %+v", got)
		}
		if a := got[0]; a.data != message+"\n"+in.Help || a.properties["file"] != file || a.properties["line"] != "1" || a.properties["col"] != "2" ||
			a.properties["endLine"] != "1" || a.properties["endColumn"] != "3" || a.properties["title"] != "a/rule" {
			t.Errorf("the runner reads %+v, want %+v", a, in)
		}
	})
}
