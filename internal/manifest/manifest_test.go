package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/manifest"
)

// place is line:column-end, or line:column where the end is not known.
func place(r finding.Range) string {
	if r.EndColumn == 0 {
		return fmt.Sprintf("%d:%d", r.Line, r.Column)
	}
	return fmt.Sprintf("%d:%d-%d", r.Line, r.Column, r.EndColumn)
}

// TestPlaces asks where keys and values stand; columns count characters, as editors and GitHub show them.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		// want has a line for each field: its key's place, its value's place, and the value.
		want []string
	}{
		"plain":                       {"name: Awesome\nkind: encoder\n", []string{"1:1-5 1:7-14 Awesome", "2:1-5 2:7-14 encoder"}},
		"without a last line feed":    {"name: Awesome", []string{"1:1-5 1:7-14 Awesome"}},
		"a comment behind the value":  {"name: Awesome # one\n", []string{"1:1-5 1:7-14 Awesome"}},
		"double quotes with escapes":  {`name: "a\"\u00e9\\" # c`, []string{`1:1-5 1:7-20 a"é\`}},
		"single quotes with a quote":  {`name: 'it''s' # c`, []string{`1:1-5 1:7-14 it's`}},
		"a quoted key":                {`"name": x`, []string{"1:1-7 1:9-10 x"}},
		"quotes over two lines":       {"name: \"a\n  b\"\nkind: x\n", []string{"1:1-5 1:7 a b", "3:1-5 3:7-8 x"}},
		"plain over two lines":        {"name: a\n  b\nkind: x\n", []string{"1:1-5 1:7 a b", "3:1-5 3:7-8 x"}},
		"a flow mapping":              {"{name: a, kind: 'b'}\n", []string{"1:2-6 1:8-9 a", "1:11-15 1:17-20 b"}},
		"a flow list":                 {"keywords: [a, b]\nname: x\n", []string{"1:1-9 1:11 ", "2:1-5 2:7-8 x"}},
		"a literal block":             {"description: |\n  one\n  two\nname: x\n", []string{"1:1-12 1:14 one\ntwo\n", "4:1-5 4:7-8 x"}},
		"a folded block":              {"description: >-\n  one\n  two\nname: x\n", []string{"1:1-12 1:14 one two", "4:1-5 4:7-8 x"}},
		"an anchor and its alias":     {"name: &n Awesome\ndescription: *n\n", []string{"1:1-5 1:10-17 Awesome", "2:1-12 2:14-16 Awesome"}},
		"a tag":                       {"version: !!str 1.0\n", []string{"1:1-8 1:16-19 1.0"}},
		"a tag and an anchor":         {"version: !!str &v '1'\n", []string{"1:1-8 1:19-22 1"}},
		"a tag with the value below":  {"version: !!str\n  1.0\n", []string{"1:1-8 1:10 1.0"}},
		"no value":                    {"name:\nkind: x\n", []string{"1:1-5 1:6 ", "2:1-5 2:7-8 x"}},
		"CRLF":                        {"name: a\r\nkind: b\r\n", []string{"1:1-5 1:7-8 a", "2:1-5 2:7-8 b"}},
		"a byte order mark":           {"\ufeffname: a\nkind: b\n", []string{"1:1-5 1:7-8 a", "2:1-5 2:7-8 b"}},
		"characters of several bytes": {"{'é😀漢': 'ß', kind: ö}\n", []string{"1:2-7 1:9-12 ß", "1:14-18 1:20-21 ö"}},
		"a tab before the value":      {"name:\ta\n", []string{"1:1-5 1:7-8 a"}},
		"a tab between tag and value": {"name: !!str\ta\n", []string{"1:1-5 1:13-14 a"}},
		"a document mark":             {"---\nname: a\n...\n", []string{"2:1-5 2:7-8 a"}},
		"NEL in quotes, more lines":   {"name: \"x\u0085y\"\nkind: b\n", []string{"1:1-5 1:7 x y", "2:1-5 2:7-8 b"}},
		"LS in quotes, more values":   {"{a: \"x\u2028y\", b: c}\n", []string{"1:2-3 1:5 x\u2028y", "1:12-13 1:15-16 c"}},
		"lone carriage returns":       {"name: a\rkind: b\rtype: pod\n", []string{"1:1-5 1:7-8 a", "1:9-13 1:15-16 b", "1:17-21 1:23-26 pod"}},
		"an empty file":               {"", []string{}},
		"blanks only":                 {" \n\n", []string{}},
		"comments only":               {"# one\n# two\n", []string{}},
		"null":                        {"~\n", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := manifest.Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, f := range m.Fields {
				got = append(got, place(f.KeyAt)+" "+place(f.At)+" "+f.Text())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a block list":    {"keywords:\n  - one\n  - 'two'\n", []string{"2:5-8 one", "3:5-10 two"}},
		"a flow list":     {"keywords: [é, two]\n", []string{"1:12-13 é", "1:15-18 two"}},
		"an alias inside": {"name: &n x\nkeywords: [*n, y]\n", []string{"2:12-14 x", "2:16-17 y"}},
		"a list by alias": {"other: &o [x]\nkeywords: *o\n", []string{"1:12-13 x"}},
		"a mapping":       {"keywords: {a: b}\n", nil},
		"a text":          {"keywords: a, b\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := manifest.Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			f, ok := m.Field("keywords")
			if !ok {
				t.Fatal("no keywords")
			}
			var got []string
			for _, item := range m.Items(f) {
				got = append(got, place(item.At)+" "+item.Text())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		line    int
		message string
	}{
		"two values on one line":       {"name: a\nkind: b: c\n", 2, "mapping values are not allowed"},
		"a tab as indentation":         {"name: a\n\tkind: b\n", 2, "tab character"},
		"a list that goes on too far":  {"name: a\nkeywords:\n  - x\n - y\n", 4, "did not find expected key"},
		"a list that is not closed":    {"name: a\nkeywords: [a, b\nkind: c\n", 2, "did not find expected ',' or ']'"},
		"not closed up to the end":     {"name: [a\n", 1, "did not find expected ',' or ']'"},
		"a quote that is not closed":   {"name: 'a\nkind: b\n", 2, "unexpected end of stream"},
		"a stray brace":                {"a: b\nc: d\n}\n", 3, "did not find expected key"},
		"Markdown for emphasis":        {"name: a\nkind: b\ndescription: *Great* encoder\n", 3, "did not find expected alphabetic"},
		"an alias without anchor":      {"name: a\nkind: b\ndescription: *Great encoder\n", 3, "unknown anchor 'Great'"},
		"a reserved character":         {"name: a\nkind: @b\n", 2, "cannot start any token"},
		"an unknown escape":            {"name: a\nkind: \"\\q\"\n", 2, "unknown escape"},
		"an undefined tag":             {"name: a\n# c\nkind: !x!y z\n", 3, "undefined tag handle"},
		"a control character":          {"name: \x01\n", 1, "control characters"},
		"a control character below":    {"name: a\nkind:\tb\n# \x00\n", 3, "control characters"},
		"not UTF-8":                    {"name: a\nkind: \xff\n", 2, "not UTF-8"},
		"UTF-16":                       {"\xff\xfen\x00:\x00 \x00a\x00", 1, "not UTF-8"},
		"a list at the top":            {"# c\n- a\n", 2, "must be a mapping"},
		"a text at the top":            {"hello\n", 1, "must be a mapping"},
		"a key twice":                  {"name: a\nkind: b\nname: c\n", 3, `"name" stands here a second time; the first is on line 1`},
		"a key twice, quoted once":     {"name: a\n'name': c\n", 2, "a second time"},
		"a list as a key":              {"name: a\n? [b]\n: c\n", 2, "a key must be a word"},
		"an alias as a key":            {"name: &n a\n*n : c\n", 2, "a key must be a word"},
		"a second document":            {"name: a\n---\nname: b\n", 2, "second YAML document"},
		"an error in a second one":     {"name: a\n---\nb: [\n", 3, "did not find expected"},
		"text behind the document":     {"name: a\n...\nkind: b\n", 3, "<document start>"},
		"an error behind a NEL":        {"name: \"x\u0085y\"\nkind: b: c\n", 2, "mapping values are not allowed"},
		"an error behind lone returns": {"a: b\rc: d\re: @\n", 1, "cannot start any token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := manifest.Parse([]byte(c.text))
			var syntax *manifest.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a SyntaxError", err)
			}
			if syntax.At.Line != c.line {
				t.Errorf("got line %d, want %d: %v", syntax.At.Line, c.line, err)
			}
			if !strings.Contains(err.Error(), c.message) || !strings.HasPrefix(err.Error(), fmt.Sprintf("line %d: ", c.line)) {
				t.Errorf("got %q, want it to say %q of line %d", err, c.message, c.line)
			}
		})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	m, err := manifest.Parse([]byte("name: Awesome\nversion: ~\nlicense: mit\nkeywords: [a, [b], 1]\nvendor: [x]\nempty: ''\n"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"name":        "Awesome",
		"version":     "0.0.0",                               // null takes the default
		"author":      "Jina AI Dev-Team (dev-team@jina.ai)", // so does an absent key
		"license":     "mit",
		"vendor":      "", // a list is no text
		"empty":       "",
		"description": "", // has no default
	} {
		if got := m.Text(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string][2]bool{"name": {false, true}, "version": {true, false}, "vendor": {false, false}, "empty": {false, true}} {
		f, ok := m.Field(key)
		if !ok {
			t.Fatalf("no field %s", key)
		}
		if got := [2]bool{f.IsNull(), f.IsString()}; got != want {
			t.Errorf("%s: is null, is string: got %v, want %v", key, got, want)
		}
	}
	if _, ok := m.Field("author"); ok {
		t.Error("a key that is not there is a field")
	}
}

func TestMaxSize(t *testing.T) {
	t.Parallel()
	largest := append([]byte("name: a\n#"), bytes.Repeat([]byte("x"), manifest.MaxSize-9)...)
	if _, err := manifest.Parse(largest); err != nil {
		t.Errorf("a manifest of MaxSize: %v", err)
	}
	var syntax *manifest.SyntaxError
	if _, err := manifest.Parse(append(largest, 'x')); !errors.As(err, &syntax) || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("got %v, want an error that tells the limit", err)
	}
}

// TestHostile gives the parser what is small and would take long, or much memory, if it were taken at its word.
func TestHostile(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	var keys strings.Builder
	for i := 0; keys.Len() < 1<<18; i++ {
		fmt.Fprintf(&keys, "a%d: 1, ", i)
	}
	for name, text := range map[string]string{
		"an alias bomb":                    bomb.String(),
		"an anchor that holds itself":      "keywords: &k [*k, *k]\n",
		"lists in lists in lists":          "keywords: " + strings.Repeat("[", 1<<18),
		"many keys on one line":            "{" + keys.String() + "}",
		"many keywords on one line":        "keywords: [" + strings.Repeat("a, ", 1<<16) + "]",
		"many quotes that end nowhere":     "keywords: " + strings.Repeat("'a' ", 1<<16),
		"one value of many lines":          "name: |\n" + strings.Repeat("  x\n", 1<<16),
		"many blanks before a key":         strings.Repeat(" ", 1<<18) + "a: b",
		"many anchors in front of nothing": "a: " + strings.Repeat("&a ", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			m, err := manifest.Parse([]byte(text))
			if err == nil {
				for _, f := range m.Fields {
					m.Items(f)
				}
			}
			// It takes some tens of milliseconds; what grows with the square of the size takes minutes.
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// check fails for a place that is not in the text, and for an error that is not a *SyntaxError.
func check(t *testing.T, data []byte) {
	t.Helper()
	m, err := manifest.Parse(data)
	lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	if err != nil {
		var syntax *manifest.SyntaxError
		if !errors.As(err, &syntax) {
			t.Fatalf("%T is not a *SyntaxError: %v", err, err)
		}
		inside(t, lines, syntax.At)
		return
	}
	for _, f := range m.Fields {
		inside(t, lines, f.KeyAt)
		inside(t, lines, f.At)
		for _, item := range m.Items(f) {
			inside(t, lines, item.At)
		}
		if f.Value == nil || f.Value.Kind == yaml.AliasNode {
			t.Errorf("the value of %q is an alias", f.Key)
		}
	}
}

// inside fails for a place outside of the text. One behind a line's last character is where nothing is written.
func inside(t *testing.T, lines []string, r finding.Range) {
	t.Helper()
	if r.Line < 1 || r.Line > len(lines) {
		t.Fatalf("%+v is outside of the %d lines", r, len(lines))
	}
	width := utf8.RuneCountInString(lines[r.Line-1])
	if r.Column < 0 || r.Column > width+1 {
		t.Errorf("%+v is outside of its line of %d characters", r, width)
	}
	if r.EndLine != 0 && (r.EndLine != r.Line || r.EndColumn <= r.Column || r.EndColumn > width+1) {
		t.Errorf("%+v does not end in its line of %d characters", r, width)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", example, "name: a\nkind: 'b''c'\n", "{a: \"b\\\"c\", d: [e, *f]}", "a: &x !!str b\nc: *x\n", "a: |\r\n  b\r\nc: >-\n  d\n", "\ufeffa: b", "a: \"x\u0085y\"\rb:\u2028",
		"\xff\xfea\x00", "a: [\n", "- a\n", "a:\n---\n", "? a\n: b\n", "%YAML 1.1\n---\na: b\n", "a: *b", "!!map {a: b}", "<<: {a: b}\n", "a: !x\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(check)
}

const example = `name: AwesomeEncoder
kind: encoder
type: pod
description: 'an encoder, to show'
author: &a "Jina AI Dev-Team (dev-team@jina.ai)"
vendor: *a
version: 0.0.1
license: apache-2.0
keywords: [awesome, encoder, {not: text}]
documentation: |
  one
  two
`

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(example)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := manifest.Parse([]byte(example)); err != nil {
			b.Fatal(err)
		}
	}
}
