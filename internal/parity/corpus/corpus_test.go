package corpus

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/needs"
)

const cases = "../../../testdata/parity"

// all are the cases that there are.
func all(t *testing.T) []Case {
	t.Helper()
	var found []Case
	for _, dir := range []string{cases, filepath.Join(cases, "bases")} {
		read, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, read...)
	}
	return found
}

func TestRead(t *testing.T) {
	t.Parallel()
	if len(all(t)) == 0 {
		t.Error("there are no cases")
	}
}

// TestLayAll lays every case out.
func TestLayAll(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || !installed("tar", "gzip", "bzip2", "xz", "git") {
		needs.Missing(t, "needs root, tar, gzip, bzip2, xz and git")
	}
	for _, c := range all(t) {
		l := lay(t, c)
		if _, err := os.Stat(filepath.Join(l.Context, "Dockerfile")); err != nil {
			t.Error(err)
		}
	}
}

func installed(programs ...string) bool {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return false
		}
	}
	return true
}

func lay(t *testing.T, c Case) Layout {
	t.Helper()
	l := Layout{Context: t.TempDir(), Served: t.TempDir(), Names: strings.NewReplacer("registry.example", "127.0.0.1:5000")}
	if err := c.Lay(l); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLay(t *testing.T) {
	t.Parallel()
	if !installed("tar", "gzip", "git") {
		needs.Missing(t, "needs tar, gzip and git")
	}
	c, err := parse(txtar.Parse([]byte(`What a case
can say.

expect fails no such word
build-arg A=b c
symlink a b/link -> ../target
mode 4750 program
mkdir empty/directory
fifo pipe
fill 5 filled
crlf windows
bom marked
unterminated open
archive packed.tar.gz packed
serve served
repository repository.git
-- Dockerfile --
FROM registry.example/base
-- a b/file --
x
-- program --
-- windows --
1
2
-- marked --
m
-- open --
o
-- packed/inside --
x
-- served/over/there --
there
-- repository.git/file --
x
`)))
	if err != nil {
		t.Fatal(err)
	}
	if c.About != "What a case can say." || c.Expect != Fails || c.Words != "no such word" || strings.Join(c.BuildArgs, ";") != "A=b c" {
		t.Errorf("case is %+v", c)
	}
	l := lay(t, c)
	for name, want := range map[string]string{
		"Dockerfile": "FROM 127.0.0.1:5000/base\n", "windows": "1\r\n2\r\n", "marked": "\ufeffm\n", "open": "o",
	} {
		if got, err := os.ReadFile(filepath.Join(l.Context, name)); string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
	for name, mode := range map[string]fs.FileMode{
		"program": fs.ModeSetuid | 0o750, "empty/directory": fs.ModeDir | 0o755, "pipe": fs.ModeNamedPipe | 0o644, "a b/link": fs.ModeSymlink | 0o777,
	} {
		if info, err := os.Lstat(filepath.Join(l.Context, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want mode %s", name, info, err, mode)
		}
	}
	if target, err := os.Readlink(filepath.Join(l.Context, "a b/link")); target != "../target" {
		t.Errorf("the link leads to %q (%v)", target, err)
	}
	if info, err := os.Stat(filepath.Join(l.Context, "filled")); err != nil || info.Size() != 5 {
		t.Errorf("filled: %v, %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(l.Served, "over/there")); string(text) != "there\n" {
		t.Errorf("served is %q (%v)", text, err)
	}
	if _, err := os.Stat(filepath.Join(l.Served, "repository.git/.git/HEAD")); err != nil {
		t.Error(err)
	}
	if names := unpack(t, filepath.Join(l.Context, "packed.tar.gz")); names != "./ ./inside" {
		t.Errorf("packed is %q", names)
	}
	for _, gone := range []string{"served", "repository.git", "packed"} {
		if _, err := os.Stat(filepath.Join(l.Context, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is in the context", gone)
		}
	}
}

// unpack is the names in an archive that gzip compressed.
func unpack(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if err != nil {
			return strings.Join(names, " ")
		}
		names = append(names, header.Name)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"-- Dockerfile --\n":                             "what it is about",
		"About.\n-- file --\n":                           "no Dockerfile",
		"About.\n\nfly away\n-- Dockerfile --\n":         "no such directive",
		"About.\n\nmode 755\n-- Dockerfile --\n":         "needs 2 arguments",
		"About.\n\nexpect\n-- Dockerfile --\n":           "needs one of",
		"About.\n\nexpect luck\n-- Dockerfile --\n":      "expected one of",
		"About.\n\nexpect refused\n-- Dockerfile --\n":   "what words",
		"About.\n\nexpect same as x\n-- Dockerfile --\n": "nothing may follow",
	} {
		if _, err := parse(txtar.Parse([]byte(text))); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: got %v, want an error with %q", text, err, reason)
		}
	}
}

// FuzzParse reads any text as a case, without laying it out.
func FuzzParse(f *testing.F) {
	f.Add([]byte("About.\n\nexpect fails\nsymlink a -> b\nmode 755 x y\n-- Dockerfile --\nFROM scratch\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := parse(txtar.Parse(text)); err == nil && c.About == "" {
			t.Error("a case without a sentence")
		}
	})
}
