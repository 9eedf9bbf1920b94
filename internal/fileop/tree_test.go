package fileop_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
)

// Times by name: what a file of the context, of the base image, of an archive has, and the build's.
var (
	contextTime = time.Unix(1_000, 0)
	baseTime    = time.Unix(2_000, 0)
	archiveTime = time.Unix(3_000, 0)
	created     = time.Unix(4_000, 0)
)

// tree makes a directory from lines "type mode uid:gid path content": d(irectory), f(ile), l(ink), p(ipe), h(ard link).
func tree(t testing.TB, when time.Time, lines string) string {
	t.Helper()
	root := t.TempDir()
	var made []string
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 5)
		if len(fields) < 4 {
			continue
		}
		path := filepath.Join(root, unquote(fields[3]))
		content := ""
		if len(fields) == 5 {
			content = unquote(fields[4])
		}
		must(t, makeFile(root, fields[0], path, content))
		made = append(made, path)
		if fields[0] == "h" {
			continue
		}
		mode, err := strconv.ParseUint(fields[1], 8, 32)
		must(t, err)
		if uid, gid, _ := strings.Cut(fields[2], ":"); os.Geteuid() == 0 {
			u, g := number(t, uid), number(t, gid)
			must(t, os.Lchown(path, u, g))
		}
		if fields[0] != "l" {
			must(t, unix.Chmod(path, uint32(mode)))
		}
	}
	must(t, os.Chmod(root, 0o755))
	for _, path := range append(made, root) {
		setTime(t, path, when)
	}
	return root
}

func makeFile(root, kind, path, content string) error {
	switch kind {
	case "d":
		return os.Mkdir(path, 0o755)
	case "f":
		return os.WriteFile(path, []byte(content), 0o600)
	case "l":
		return os.Symlink(content, path)
	case "p":
		return unix.Mkfifo(path, 0o600)
	case "h":
		return os.Link(filepath.Join(root, content), path)
	}
	return fmt.Errorf("no kind of file is called %q", kind)
}

// list is a directory in the lines of tree, with the name of the time before the path.
func list(t testing.TB, root string) string {
	t.Helper()
	var lines []string
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		lines = append(lines, describeFile(t, root, path))
		return nil
	}))
	return strings.Join(lines, "\n") + "\n"
}

func describeFile(t testing.TB, root, path string) string {
	info, err := os.Lstat(path)
	must(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	content, kind := "", "d"
	switch info.Mode().Type() {
	case 0:
		data, err := os.ReadFile(path)
		must(t, err)
		kind, content = "f", " "+quote(string(data))
	case fs.ModeSymlink:
		link, err := os.Readlink(path)
		must(t, err)
		kind, content = "l", " "+link
	case fs.ModeNamedPipe:
		kind = "p"
	}
	relative, err := filepath.Rel(root, path)
	must(t, err)
	return fmt.Sprintf("%s %04o %d:%d %s %s%s", kind, stat.Mode&0o7777, stat.Uid, stat.Gid, timeName(info.ModTime()), quote(relative), content)
}

func timeName(t time.Time) string {
	for name, known := range map[string]time.Time{"context": contextTime, "base": baseTime, "archive": archiveTime, "created": created} {
		if t.Equal(known) {
			return name
		}
	}
	if time.Since(t) < time.Hour {
		return "NOW"
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// want compares lines, whose indentation does not count.
func want(t testing.TB, got, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if want := strings.Join(lines, "\n") + "\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func quote(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` || s == "" {
		return q
	}
	return s
}

func unquote(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}

func setTime(t testing.TB, path string, when time.Time) {
	t.Helper()
	ts := unix.NsecToTimespec(when.UnixNano())
	must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	must(t, err)
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asRoot skips a test whose files need more owners than one.
func asRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	needs.Missing(t, "this test gives files to several users, which takes root")
}
