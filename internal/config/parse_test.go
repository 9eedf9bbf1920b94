package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
)

var update = flag.Bool("update", false, "write schema.json and what the parser says into testdata")

// rules are those that the cases know; which ones the program has is another matter.
var rules = []string{"bundle/large-file", "manifest/name", "version/not-bumped"}

// example is a configuration file of an archive in testdata/config, with what is to be said of it.
type example struct {
	name       string
	text, want []byte
}

// archives are the files of testdata/config; name.yml is a configuration file, name.want what is to be said of it.
var archives = []string{"accepted", "refused", "parser"}

func archivePath(name string) string { return filepath.Join("../../testdata/config", name+".txtar") }

func examples(t testing.TB, archive string) []example {
	t.Helper()
	read, err := txtar.ParseFile(archivePath(archive))
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, f := range read.Files {
		name, isConfig := strings.CutSuffix(f.Name, ".yml")
		if isConfig {
			all = append(all, example{name: name, text: f.Data})
		} else if last := len(all) - 1; last >= 0 && f.Name == all[last].name+".want" {
			all[last].want = f.Data
		} else {
			t.Fatalf("%s: %s is no configuration file, and does not stand behind its own", archive, f.Name)
		}
	}
	return all
}

// TestParse holds what the parser says of each example against the archive.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, archive := range archives {
		all := examples(t, archive)
		for i, e := range all {
			t.Run(archive+"/"+e.name, func(t *testing.T) {
				c, err := config.Parse(e.text, rules)
				if (err == nil) != (archive == "accepted") {
					t.Errorf("the error is %v", err)
				}
				got := show(c)
				if err != nil {
					got = err.Error() + "\n"
				}
				if !*update && got != string(e.want) {
					t.Errorf("got:\n%s\nwant:\n%s", got, e.want)
				}
				all[i].want = []byte(got)
			})
		}
		if *update {
			write(t, archive, all)
		}
	}
}

func write(t *testing.T, archive string, all []example) {
	t.Helper()
	read, err := txtar.ParseFile(archivePath(archive))
	if err != nil {
		t.Fatal(err)
	}
	read.Files = nil
	for _, e := range all {
		read.Files = append(read.Files, txtar.File{Name: e.name + ".yml", Data: e.text}, txtar.File{Name: e.name + ".want", Data: e.want})
	}
	if err := os.WriteFile(archivePath(archive), txtar.Format(read), 0o644); err != nil {
		t.Fatal(err)
	}
}

// show has a line for each value that differs from the default.
func show(c *config.Config) string {
	if c == nil {
		return ""
	}
	usual := lines(config.Default())
	return strings.Join(slices.DeleteFunc(lines(c), func(line string) bool { return slices.Contains(usual, line) }), "")
}

func lines(c *config.Config) []string {
	var tests strings.Builder
	for _, test := range c.UsageTests {
		fmt.Fprintf(&tests, "usage test %s\n", showTest(test))
	}
	return []string{
		fmt.Sprintf("rules: %v\n", c.Rules), fmt.Sprintf("overrides: %v\n", c.Overrides), fmt.Sprintf("kinds: %q\n", c.Kinds),
		fmt.Sprintf("types: %q\n", c.Types), fmt.Sprintf("licenses: %q\n", c.Licenses), fmt.Sprintf("name pattern: %s\n", c.NamePattern),
		fmt.Sprintf("root: %q\n", c.Layout.Root), fmt.Sprintf("groups: %s\n", c.Layout.Groups), fmt.Sprintf("large file: %d\n", c.Limits.LargeFile),
		fmt.Sprintf("required: %q\n", c.RequiredFiles), fmt.Sprintf("recommended: %q\n", c.RecommendedFiles),
		fmt.Sprintf("unversioned: %q\n", c.Unversioned), tests.String(), fmt.Sprintf("require jina: %t\n", c.RequireJina),
	}
}

// TestPlaces asks where problems stand; columns count characters, as editors and GitHub show them.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want finding.Range
	}{
		"a word":                     {"kinds: [Foo]", finding.Range{Line: 1, Column: 9, EndLine: 1, EndColumn: 12}},
		"double quotes":              {"kinds: [\"Foo\"]", finding.Range{Line: 1, Column: 9, EndLine: 1, EndColumn: 14}},
		"single quotes":              {"kinds: ['Foo']", finding.Range{Line: 1, Column: 9, EndLine: 1, EndColumn: 14}},
		"an escape":                  {`kinds: ["\x46oo"]`, finding.Range{Line: 1, Column: 9}},
		"a key":                      {"types: [pod]\nkimds: [a]\n", finding.Range{Line: 2, Column: 1, EndLine: 2, EndColumn: 6}},
		"behind characters of bytes": {"licenses: ['é😀', ' ö']", finding.Range{Line: 1, Column: 18, EndLine: 1, EndColumn: 22}},
		"windows lines":              {"types: [pod]\r\nkinds: [Foo]\r\n", finding.Range{Line: 2, Column: 9, EndLine: 2, EndColumn: 12}},
		"a byte order mark":          {"\ufeffkimds: [a]\n", finding.Range{Line: 1, Column: 1, EndLine: 1, EndColumn: 6}},
		"a list":                     {"kinds: []\n", finding.Range{Line: 1, Column: 8}},
		"a text of several lines":    {"kinds:\n- Foo\n  bar\n", finding.Range{Line: 2, Column: 3}},
		"what is no YAML":            {"a: b\nc: d: e\n", finding.Line(2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := refused(t, []byte(c.text))
			if len(problems) != 1 || problems[0].At != c.want {
				t.Errorf("got %+v, want one problem at %+v", problems[0], c.want)
			}
		})
	}
}

// refused are the problems of a file that is refused.
func refused(t *testing.T, data []byte) []*config.Problem {
	t.Helper()
	_, err := config.Parse(data, rules)
	var wrong *config.Error
	if !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
		t.Fatalf("got %v, want an *Error with problems", err)
	}
	return wrong.Problems
}

// TestUnreadable gives the parser what no archive of text can hold.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, message string
		line          int
	}{
		"not UTF-8":             {"types: [pod]\nkinds: [\xff]\n", "not UTF-8", 2},
		"UTF-16":                {"\xff\xfek\x00", "not UTF-8", 1},
		"a control character":   {"types:\t[pod]\nkinds: [\x01]\n", "the control character U+0001", 2},
		"a lone return":         {"types: [pod]\rkinds: [encoder]\n", "the character U+000D, which ends a line in YAML", 1},
		"a separator of lines":  {"types: [pod]\nlicenses: ['a\u2028b']\n", "the character U+2028, which ends a line in YAML", 2},
		"a next line character": {"licenses: ['a\u0085b']\n", "the character U+0085, which ends a line in YAML", 1},
		"more than the limit":   {"#" + strings.Repeat("x", config.MaxSize), "larger than 1048576 bytes", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := refused(t, []byte(c.text))
			if len(problems) != 1 || problems[0].At.Line != c.line || !strings.Contains(problems[0].Message, c.message) {
				t.Errorf("got %v, want %q of line %d", problems[0], c.message, c.line)
			}
		})
	}
	if _, err := config.Parse([]byte("#"+strings.Repeat("x", config.MaxSize-1)), rules); err != nil {
		t.Errorf("a file of MaxSize: %v", err)
	}
}

// TestHostile gives the parser what is small and would take long, or much memory or paper, if it were taken at its word.
func TestHostile(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	var tests strings.Builder
	for i := range 5 { // 50, which may be, take ten times as long
		fmt.Fprintf(&tests, "  t%d: {ready: {log: '%s'}}\n", i, strings.Repeat("(x*){999}", 22))
	}
	for name, text := range map[string]string{
		"an alias bomb":               bomb.String(),
		"an anchor that holds itself": "kinds: &k [*k, *k]\n",
		"lists in lists in lists":     "kinds: " + strings.Repeat("[", 1<<18),
		"many kinds on one line":      "kinds: [" + strings.Repeat("A, ", 1<<18) + "]",
		"many keys on one line":       "{" + strings.Repeat("a: 1, ", 1<<17) + "}",
		"a kind of many letters":      "kinds: [" + strings.Repeat("A", 1<<19) + "]",
		"a rule of many letters":      "rules: {" + strings.Repeat("a", 1000) + ": off}",
		"many quotes that end":        "kinds: " + strings.Repeat("'a' ", 1<<16),
		"many blanks before a key":    strings.Repeat(" ", 1<<18) + "a: b",
		"a pattern of many parts":     "name-pattern: '^" + strings.Repeat("(a|b)*", 1<<16) + "$'",
		"many usage tests":            "usage-tests: {" + strings.Repeat("a: off, ", 1<<16) + "}",
		"tests of large patterns":     "usage-tests:\n" + tests.String(),
		"a test of many variables":    "usage-tests: {a: {environment: {" + strings.Repeat("a-: 1, ", 1<<16) + "}}}",
		"a variable of many letters":  "usage-tests: {a: {environment: {" + strings.Repeat("a", 1000) + ": [off]}}}",
		"a command of many words":     "usage-tests: {a: {command: [" + strings.Repeat("1, ", 1<<18) + "]}}",
		"a time of many parts":        "usage-tests: {a: {timeout: " + strings.Repeat("1s", 1<<18) + "}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := config.Parse([]byte(text), rules)
			// It takes some tens of milliseconds; what grows with the square of the size takes minutes.
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if err != nil && len(err.Error()) > 1<<16 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}
