package source

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAttributes(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, attributes, path, content, want string }{
		{"none", "", "a", "x\n", "x\n"},
		{"only an end, which says that it is text", "* eol=crlf", "a/b", "x\ny", "x\r\ny"},
		{"text has Linux's ends", "* text", "a", "x\n", "x\n"},
		{"the last line goes first", "* eol=crlf\na eol=lf", "a", "x\n", "x\n"},
		{"what is unspecified again", "* text eol=crlf\na !eol", "a", "x\n", "x\n"},
		{"binary is no text", "* eol=crlf\na binary", "a", "x\n", "x\n"},
		{"binary, and text again", "* eol=crlf\na binary text", "a", "x\n", "x\r\n"},
		{"a macro", "[attr]dos text eol=crlf\na dos", "a", "x\n", "x\r\n"},
		{"macros that name each other", "[attr]m n text\n[attr]n m n eol=crlf\na m m n", "a", "x\n", "x\r\n"},
		{"the old name of text", "* eol=crlf\na -crlf", "a", "x\n", "x\n"},
		{"a name counts everywhere", "f eol=crlf", "a/b/f", "x\n", "x\r\n"},
		{"a path counts from the top", "b/f eol=crlf", "a/b/f", "x\n", "x\n"},
		{"a directory is no file", "a/ eol=crlf", "a/b", "x\n", "x\n"},
		{"all below a directory", "a/** eol=crlf", "a/b/f", "x\n", "x\r\n"},
		{"any directory", "**/f eol=crlf", "a/b/f", "x\n", "x\r\n"},
		{"braces are nothing special", "{a,b} eol=crlf", "a", "x\n", "x\n"},
		{"quotes", `"a b" eol=crlf`, "a b", "x\n", "x\r\n"},
		{"auto leaves what looks binary", "* text=auto eol=crlf", "a", "x\x00\n", "x\x00\n"},
		{"auto leaves a file with both ends", "* text=auto eol=crlf", "a", "x\r\ny\n", "x\r\ny\n"},
		{"text changes a file with both ends", "* text eol=crlf", "a", "x\r\ny\n", "x\r\ny\r\n"},
		{"auto leaves a file with many control signs", "* text=auto eol=crlf", "a", "\x01\n", "\x01\n"},
		{"a pattern that is none", "[ eol=crlf", "a", "x\n", "x\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			attributes := newAttributes()
			attributes.add(".", c.attributes)
			r, err := attributes.convert(c.path, strings.NewReader(c.content))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			compareWithGit(t, attributes, c.attributes, c.path)
		})
	}
}

// compareWithGit asks Git, where there is one, for the same attributes.
func compareWithGit(t *testing.T, attributes *attributes, content, path string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		return
	}
	dir := t.TempDir()
	run := func(arguments ...string) string {
		command := exec.Command("git", arguments...)
		command.Dir = dir
		command.Stdin = strings.NewReader(content)
		output, err := command.Output()
		if err != nil {
			t.Fatal(arguments, err)
		}
		return strings.TrimSpace(string(output))
	}
	run("init", "-q")
	hash := run("hash-object", "-w", "--no-filters", "--stdin")
	run("update-index", "--add", "--cacheinfo", "100644,"+hash+",.gitattributes")
	values := attributes.of(filepath.Clean(path))
	names := []string{"text", "eol", "crlf"}
	lines := strings.Split(run(append(append([]string{"check-attr", "--cached", "-z"}, names...), "--", path)...), "\x00")
	for i, name := range names {
		got := lines[3*i+2]
		want := map[string]string{"": "unspecified", "true": "set", "false": "unset"}[values[name]]
		if want == "" {
			want = values[name]
		}
		if got != want {
			t.Errorf("%s: we say %q, Git says %q", name, want, got)
		}
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add("* text=auto eol=crlf\n[attr]x y\n\"a b\" x\n", "a/b", "x\n")
	f.Add("[attr]a a\n* a -\n- ! =", "a", "")
	f.Fuzz(func(t *testing.T, lines, name, content string) {
		attributes := newAttributes()
		attributes.add(".", lines)
		attributes.add("a", lines)
		r, err := attributes.convert(name, strings.NewReader(content))
		if err != nil {
			return
		}
		got, err := io.ReadAll(r)
		if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != strings.ReplaceAll(content, "\r\n", "\n") {
			t.Errorf("%q became %q, %v", content, got, err)
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add("[submodule \"a\"]\n\tpath = a\n\turl = ../a.git\n")
	f.Fuzz(func(t *testing.T, content string) {
		modules, err := parseModules([]byte(content))
		if (modules == nil) == (err == nil) {
			t.Errorf("%v, %v", modules, err)
		}
	})
}
