package ignore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/ignore"
)

const (
	manifestFile = "executors/encoders/Foo/manifest.yml"
	dockerfile   = "executors/encoders/Foo/Dockerfile"
)

// show is rule, line and place of each directive, and its reason.
func show(directives []ignore.Directive) []string {
	var all []string
	for _, d := range directives {
		all = append(all, fmt.Sprintf("%q for %d at %d:%d-%d: %s", d.Rule, d.Line, d.At.Line, d.At.Column, d.At.EndColumn, d.Reason))
	}
	return all
}

func TestFindInAManifest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":                   {"name: Foo # a comment\n", nil},
		"behind a value":         {"name: a\nkind: b # hub-publish ignore=x/y for a reason\n", []string{`"x/y" for 2 at 2:30-33: for a reason`}},
		"on a line of its own":   {"name: a\n# hub-publish ignore=x for a reason\n\n# another\nkind: b\n", []string{`"x" for 5 at 2:22-23: for a reason`}},
		"indented":               {"keywords:\n  # hub-publish ignore=x r\n  - a\n", []string{`"x" for 3 at 2:24-25: r`}},
		"before everything":      {"# hub-publish ignore=x r\nname: a\n", []string{`"x" for 2 at 1:22-23: r`}},
		"before a document mark": {"# hub-publish ignore=x r\n---\nname: a\n", []string{`"x" for 3 at 1:22-23: r`}},
		"behind everything":      {"name: a\n# hub-publish ignore=x r", []string{`"x" for 2 at 2:22-23: r`}},
		"several rules":          {"name: a # hub-publish ignore=x/y,z , w a reason\n", []string{`"x/y" for 1 at 1:30-33: a reason`, `"z" for 1 at 1:34-35: a reason`, `"w" for 1 at 1:38-39: a reason`}},
		"several comments":       {"# hub-publish ignore=x r\n# hub-publish ignore=y s\nname: a\n", []string{`"x" for 3 at 1:22-23: r`, `"y" for 3 at 2:22-23: s`}},
		"blanks and signs":       {"name: a ##\thub-publish  ignore = x\t r \t\n", []string{`"x" for 1 at 1:34-35: r`}},
		"windows lines":          {"name: a\r\nkind: b # hub-publish ignore=x r\r\n", []string{`"x" for 2 at 2:30-31: r`}},
		"a byte order mark":      {"\ufeff# hub-publish ignore=x r\nname: a\n", []string{`"x" for 2 at 1:22-23: r`}},
		"characters of bytes":    {"name: é😀 # hub-publish ignore=x für é\n", []string{`"x" for 1 at 1:31-32: für é`}},
		"no reason":              {"name: a # hub-publish ignore=x\n", []string{`"x" for 1 at 1:30-31: `}},
		"no rule":                {"name: a # hub-publish ignore= \n", []string{`"" for 1 at 1:9-30: `}},
		"no equals sign":         {"name: a # hub-publish ignore x/y r\n", []string{`"" for 1 at 1:9-35: `}},
		"a colon":                {"name: a # hub-publish: ignore=x r\n", []string{`"x" for 1 at 1:31-32: r`}},
		"another comment of it":  {"name: a # hub-publish ignores no case\n# see hub-publish ignore=x r\n", nil},
		"no blank before it":     {"name: a# hub-publish ignore=x r\n", nil},
		"an apostrophe before":   {"name: it's # hub-publish ignore=x r\n", []string{`"x" for 1 at 1:33-34: r`}},
		"in double quotes":       {"name: \"a # hub-publish ignore=x r\"\n", nil},
		"in single quotes":       {"name: 'a # hub-publish ignore=x r'\n", nil},
		"in quotes of two lines": {"name: \"a\n  # hub-publish ignore=x r\"\n", nil},
		"in a literal block":     {"name: |\n  a\n  # hub-publish ignore=x r\nkind: b\n", nil},
		"in a folded block":      {"name: >-\n  a\n  b # hub-publish ignore=x r\nkind: b\n", nil},
		"in a key":               {"\"a # hub-publish ignore=x r\": b\n", nil},
		"in and behind quotes":   {"name: 'a # hub-publish ignore=x r' # hub-publish ignore=y s\n", []string{`"y" for 1 at 1:57-58: s`}},
		"in a plain text's lines": {"name: a\n  b\n  # hub-publish ignore=x r\nkind: b\n",
			[]string{`"x" for 4 at 3:24-25: r`}},
		"behind a block's mark":       {"name: | # hub-publish ignore=x r\n  a\n", []string{`"x" for 1 at 1:30-31: r`}},
		"behind a list's item":        {"keywords:\n- a\n- 1 # hub-publish ignore=x r\n", []string{`"x" for 3 at 3:26-27: r`}},
		"in a second document's text": {"a: b\n---\nc: 'd # hub-publish ignore=x r'\n", nil},
		"in what cannot be parsed":    {"a: b: c # hub-publish ignore=x r\n", []string{`"x" for 1 at 1:30-31: r`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := show(ignore.Find(manifestFile, []byte(c.text))); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestFindInADockerfile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"before an instruction":       {"FROM a\n# hub-publish ignore=x r\n\n# more\nRUN b\n", []string{`"x" for 5 at 2:22-23: r`}},
		"behind an instruction":       {"FROM a\nRUN b # hub-publish ignore=x r\n", nil},
		"indented":                    {"FROM a\n \t# hub-publish ignore=x r\nRUN b\n", []string{`"x" for 3 at 2:24-25: r`}},
		"before the first one":        {"# syntax=docker/dockerfile:1\n# hub-publish ignore=x r\nFROM a\n", []string{`"x" for 3 at 2:22-23: r`}},
		"in a continued instruction":  {"FROM a\nRUN b && \\\n  # hub-publish ignore=x r\n  c\n", []string{`"x" for 2 at 3:24-25: r`}},
		"behind a continued one":      {"FROM a\nRUN b && \\\n  c\n# hub-publish ignore=x r\nRUN d\n", []string{`"x" for 5 at 4:22-23: r`}},
		"in a heredoc":                {"FROM a\nRUN <<EOF\n# hub-publish ignore=x r\nEOF\n", nil},
		"behind a heredoc":            {"FROM a\nRUN <<EOF\n# b\nEOF\n# hub-publish ignore=x r\nRUN b\n", []string{`"x" for 6 at 5:22-23: r`}},
		"another mark of continuing":  {"# escape=`\nFROM a\nRUN b `\n  # hub-publish ignore=x r\n  c\n", []string{`"x" for 3 at 4:24-25: r`}},
		"in what cannot be parsed":    {"RUN <<EOF\n# hub-publish ignore=x r\n", []string{`"x" for 3 at 2:22-23: r`}},
		"with a line that is no mark": {"FROM a\n# hub-publish ignore=x r\n", []string{`"x" for 3 at 2:22-23: r`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := show(ignore.Find(dockerfile, []byte(c.text))); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestOtherFilesHaveNone(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "a/config.yml", "a/README.md", "a/Dockerfile.gpu", "a/Dockerfile/x"} {
		if got := ignore.Find(file, []byte("# hub-publish ignore=x r\nFROM a\n")); got != nil {
			t.Errorf("%q: got %v", file, show(got))
		}
	}
}

// TestHostile gives what would take long, or much memory, if all of it counted.
func TestHostile(t *testing.T) {
	t.Parallel()
	const line = "# hub-publish ignore=x r\n"
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"ten megabytes of comments":      {strings.Repeat(line, 10<<20/len(line)), 100},
		"ten megabytes of nothing":       {strings.Repeat("\x00", 10<<20), 0},
		"NUL before a comment":           {"\x00\n" + line + "a: b\n", 1},
		"what is not UTF-8":              {"a: \xff # hub-publish ignore=x \xfe\n# hub-publish ignore=\xfd r\nb: c\n", 2},
		"signs of comments":              {strings.Repeat("#", 1<<20), 0},
		"beginnings of comments":         {strings.Repeat("# hub-publish ", 1<<16), 0},
		"comments on one line":           {strings.Repeat(" # hub-publish ignore=x", 1<<15), 1},
		"comments in one text":           {"a: '" + strings.Repeat(" # hub-publish ignore=x", 1<<15) + "'", 0},
		"comments and as many texts":     {strings.Repeat("- '# hub-publish ignore=x' # hub-publish ignore=y r\n", 1<<14), 100},
		"rules without end":              {"# hub-publish ignore=" + strings.Repeat("x,", 1<<18) + "y r\na: b\n", 100},
		"a reason without end":           {"# hub-publish ignore=x " + strings.Repeat("r ", 1<<18) + "\na: b\n", 1},
		"lists in lists":                 {"# hub-publish ignore=x r\na: " + strings.Repeat("[", 1<<17), 1},
		"a comment beyond the limit":     {strings.Repeat("a\n", 1<<19) + line, 0},
		"a heredoc that goes on for all": {line + "FROM a\nRUN <<EOF\n" + strings.Repeat("x\n", 1<<18), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			for _, file := range []string{manifestFile, dockerfile} {
				got := ignore.Find(file, []byte(c.text))
				if file == manifestFile && len(got) != c.want {
					t.Errorf("got %d directives, want %d", len(got), c.want)
				}
				check(t, []byte(c.text), got)
			}
			// It takes some tens of milliseconds; what grows with the square of the size takes minutes.
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// check fails for a directive that stands or counts outside of the text, or holds too much.
func check(t *testing.T, data []byte, directives []ignore.Directive) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	for _, d := range directives {
		if d.Line < 1 || d.Line > len(lines) || d.At.Line < 1 || d.At.Line > len(lines) {
			t.Fatalf("%+v is outside of the %d lines", d, len(lines))
		}
		width := utf8.RuneCountInString(lines[d.At.Line-1])
		if d.At.Column < 1 || d.At.EndColumn <= d.At.Column || d.At.EndColumn > width+1 {
			t.Errorf("%+v is outside of its line of %d characters", d, width)
		}
		for _, text := range []string{d.Rule, d.Reason} {
			if utf8.RuneCountInString(text) > 301 || !utf8.ValidString(text) {
				t.Errorf("%q is too long or no text", text)
			}
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"", "name: a # hub-publish ignore=x,y r\n", "# hub-publish ignore=x r\n---\nname: 'b # hub-publish ignore=y s'\n",
		"FROM a\nRUN b \\\n # hub-publish ignore=x r\n c\n# hub-publish ignore y\n", "FROM a\nRUN <<EOF\n# hub-publish ignore=x r\nEOF\n",
		"\ufeff# hub-publish ignore=\xff r\r\na: |\r\n  # hub-publish ignore=x r\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range []string{manifestFile, dockerfile} {
			check(t, data, ignore.Find(file, data))
		}
	})
}
