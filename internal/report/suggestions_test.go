package report_test

import (
	"slices"
	"testing"
	"testing/fstest"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/report"
)

// specialFiles are those that the special run's findings point into.
var specialFiles = fstest.MapFS{"encoders/nlp/Good/manifest.yml": {Data: []byte("name: Good\nknid: encodr # a comment\n")}}

// TestSuggestions has two fixes on one line: they are one suggestion.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	got := special().Suggestions(specialFiles)
	want := []forge.Suggestion{{
		Path: "encoders/nlp/Good/manifest.yml", Line: 2, Old: "knid: encodr # a comment", New: "kind: encoder # a comment",
		Message: "[manifest/unknown-key](https://github.com/jina/hub-publish#manifestunknown-key) there is no key \"knid\"; did you mean \"kind\"?\n\n" +
			"[manifest/kind](https://github.com/jina/hub-publish#manifestkind) kind \"encodr\" is not allowed; did you mean \"encoder\"?",
	}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMend(t *testing.T) {
	t.Parallel()
	type fix struct {
		line, column, endLine, endColumn int
		text                             string
	}
	for name, c := range map[string]struct {
		source string
		fixes  []fix
		want   string // empty where nothing is suggested
	}{
		"a word":                      {"version: 1.0\n", []fix{{1, 10, 1, 13, "1.0.0"}}, "version: 1.0.0"},
		"behind long characters":      {"äöü: 1.0\n", []fix{{1, 6, 1, 9, "1.0.0"}}, "äöü: 1.0.0"},
		"behind a byte order mark":    {"\ufeffversion: 1.0\n", []fix{{1, 10, 1, 13, "1.0.0"}}, "version: 1.0.0"},
		"CRLF":                        {"version: 1.0\r\n", []fix{{1, 10, 1, 13, "1.0.0"}}, "version: 1.0.0"},
		"without a last newline":      {"version: 1.0", []fix{{1, 10, 1, 13, "1.0.0"}}, "version: 1.0.0"},
		"the whole line":              {"version: 1.0\n", []fix{{line: 1, text: "version: 1.0.0"}}, "version: 1.0.0"},
		"one more line":               {"name: a\n", []fix{{1, 8, 1, 8, "\nversion: 0.0.1"}}, "name: a\nversion: 0.0.1"},
		"two, the last first":         {"knid: encodr\n", []fix{{1, 7, 1, 13, "encoder"}, {1, 1, 1, 5, "kind"}}, "kind: encoder"},
		"two that touch":              {"ab\n", []fix{{1, 1, 1, 2, "x"}, {1, 2, 1, 3, "y"}}, "xy"},
		"two that overlap":            {"abc\n", []fix{{1, 1, 1, 3, "x"}, {1, 2, 1, 4, "y"}}, "xc"},
		"an end that is not known":    {"version: 1.0\n", []fix{{line: 1, column: 10, text: "1.0.0"}}, ""},
		"an end on another line":      {"a\nb\n", []fix{{1, 1, 2, 2, "x"}}, ""},
		"an end behind the line":      {"abc\n", []fix{{1, 2, 1, 5, "x"}}, ""},
		"an end before its start":     {"abc\n", []fix{{1, 3, 1, 2, "x"}}, ""},
		"a line that is not there":    {"abc\n", []fix{{2, 1, 2, 2, "x"}}, ""},
		"a fix that changes nothing":  {"abc\n", []fix{{1, 1, 1, 4, "abc"}}, ""},
		"a line that is no text":      {"a\xffc\n", []fix{{1, 1, 1, 2, "x"}}, ""},
		"the end of the line as well": {"abc\n", []fix{{1, 4, 1, 4, "d"}}, "abcd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report.New()
			for _, f := range c.fixes {
				at := finding.Range{Line: f.line, Column: f.column, EndLine: f.endLine, EndColumn: f.endColumn}
				found := finding.New("a/rule", finding.Error, "a.yml", at, "wrong")
				found.Fix = &finding.Fix{Range: at, Text: f.text}
				r.Findings = append(r.Findings, found)
			}
			got := r.Suggestions(fstest.MapFS{"a.yml": {Data: []byte(c.source)}})
			if c.want == "" {
				if len(got) > 0 {
					t.Errorf("got %+v, want none", got)
				}
			} else if len(got) != 1 || got[0].New != c.want {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

// TestNoSuggestion has fixes that are none of a contributor's business, or of a file that is not there.
func TestNoSuggestion(t *testing.T) {
	t.Parallel()
	f := finding.New("a/rule", finding.Error, "a.yml", finding.Line(1), "wrong")
	f.Fix = &finding.Fix{Range: f.Range, Text: "right"}
	ignored, elsewhere := f, f
	ignored.Ignored, elsewhere.File = "known", "b.yml"
	r := report.New()
	r.Findings = append(r.Findings, ignored, elsewhere)
	if got := r.Suggestions(fstest.MapFS{"a.yml": {Data: []byte("wrong\n")}}); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}
