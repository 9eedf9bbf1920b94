package sandbox_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/sandbox"
)

func itoa(n int) string { return strconv.Itoa(n) }

func writeFile(t testing.TB, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMounts(t *testing.T) {
	const inDev = "in a missing directory of the system's"
	t.Parallel()
	source := t.TempDir()
	writeFile(t, filepath.Join(source, "f"), "of the worker")
	file := filepath.Join(source, "f")
	tests := map[string]struct {
		mounts []sandbox.Mount
		args   []string
		want   string // what is printed, or the error's last words after "!"
	}{
		"a directory":             {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: source, Target: "/a/b/c"}}, []string{"read", "/a/b/c/f"}, "of the worker"},
		"a file":                  {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/etc/resolv.conf"}}, []string{"read", "/etc/resolv.conf"}, "of the worker"},
		"a file over another one": {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/etc/passwd"}}, []string{"read", "/etc/passwd"}, "of the worker"},
		"a directory to write":    {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: source, Target: "/a"}}, []string{"write", "/a/new", "x"}, ""},
		"read only":               {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: source, Target: "/a", ReadOnly: true}}, []string{"write", "/a/f", "x"}, "!read-only file system"},
		"tmpfs":                   {[]sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/t"}}, []string{"stat", "/t"}, "dtrwxrwxrwx\n"},
		"tmpfs with a mode":       {[]sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/t", Mode: 0o700}}, []string{"stat", "/t"}, "drwx------\n"},
		"tmpfs that is full":      {[]sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/t", Size: 1 << 20}}, []string{"fill", "/t/f", itoa(2 << 20)}, "!no space left on device"},
		"one in the other": {[]sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/t"}, {Kind: sandbox.BindMount, Source: file, Target: "/t/x/secret", ReadOnly: true}},
			[]string{"read", "/t/x/secret"}, "of the worker"},
		inDev:                        {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/dev/x"}}, []string{"read", "/dev/x"}, "of the worker"},
		"through a link of the root": {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/out/f"}}, []string{"read", "/f"}, "of the worker"},
		"at a link to nothing":       {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/etc/dangling"}}, []string{"read", "/run/resolve/stub"}, "of the worker"},
		"a directory at a file":      {[]sandbox.Mount{{Kind: sandbox.BindMount, Source: source, Target: "/etc/passwd"}}, []string{"exit", "0"}, "!the one is a directory, the other is not"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, upper := newRoot(t)
			if err := errors.Join(os.Symlink("../../../..", filepath.Join(root, "out")), os.Symlink("../run/resolve/stub", filepath.Join(root, "etc/dangling"))); err != nil {
				t.Fatal(err)
			}
			p := process(root, tt.args[0], tt.args[1:]...)
			p.Mounts = tt.mounts
			text, err := output(t, p)
			if words, refused := strings.CutPrefix(tt.want, "!"); refused {
				if err == nil || !strings.Contains(text+err.Error(), words) {
					t.Errorf("got %q, %v; want %s", text, err, words)
				}
			} else if err != nil || text != tt.want {
				t.Errorf("got %q, %v; want %q", text, err, tt.want)
			}
			want := []string{"dev", "etc", "etc/dangling", "out", "proc", "sys"}
			if name == inDev {
				want = want[1:] // as with BuildKit: it is a parent of what was mounted
			}
			if got := paths(t, upper); !slices.Equal(got, want) {
				t.Errorf("the layer has %q, want %q", got, want)
			}
		})
	}
}

// paths are those of everything below a directory.
func paths(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestMountPoints: what was made to mount on goes, unless the process put something there; times stay.
func TestMountPoints(t *testing.T) {
	t.Parallel()
	file := writeFile(t, filepath.Join(t.TempDir(), "f"), "x")
	old := time.Date(2020, 1, 2, 3, 4, 5, 6, time.UTC)
	mounts := []sandbox.Mount{{Kind: sandbox.BindMount, Source: file, Target: "/etc/new/f"}, {Kind: sandbox.TmpfsMount, Target: "/home/ann/t"}}
	tests := map[string]struct {
		args []string
		want []string
	}{
		"nothing else":           {[]string{"exit", "0"}, []string{"dev", "etc", "home", "home/ann", "proc", "sys"}},
		"a failure":              {[]string{"exit", "1"}, []string{"dev", "etc", "home", "home/ann", "proc", "sys"}},
		"no program":             {[]string{"missing program"}, []string{"dev", "etc", "home", "home/ann", "proc", "sys"}},
		"something beside":       {[]string{"write", "/etc/new/g", "x"}, []string{"dev", "etc", "etc/new", "etc/new/g", "home", "home/ann", "proc", "sys"}},
		"something on the tmpfs": {[]string{"write", "/home/ann/t/g", "x"}, []string{"dev", "etc", "home", "home/ann", "proc", "sys"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, upper := newRoot(t)
			kept := []string{"home/ann", "home", "."}
			for _, path := range append(kept, "etc") {
				if err := os.Chtimes(filepath.Join(root, path), old, old); err != nil {
					t.Fatal(err)
				}
			}
			p := process(root, tt.args[0], tt.args[1:]...)
			p.Mounts, p.MountPointTime = mounts, old.Add(time.Hour)
			_, _ = output(t, p)
			if got := paths(t, upper); !slices.Equal(got, tt.want) {
				t.Errorf("the layer has %q, want %q", got, tt.want)
			}
			for _, path := range kept {
				wantTime(t, filepath.Join(root, path), old)
			}
			for _, path := range []string{"proc", "dev", "sys"} {
				wantTime(t, filepath.Join(root, path), old.Add(time.Hour))
			}
		})
	}
}

func wantTime(t testing.TB, path string, want time.Time) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
	} else if !info.ModTime().Equal(want) {
		t.Errorf("%s: got the time %s, want %s", path, info.ModTime(), want)
	}
}

// TestLinkedSystem: an image whose /proc is a link is refused, as what protects /proc would be elsewhere.
func TestLinkedSystem(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"proc", "sys"} {
		root, _ := newRoot(t)
		if err := os.Symlink("tmp", filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
		if _, err := output(t, process(root, "exit", "0")); err == nil || !strings.Contains(err.Error(), "has a link there") {
			t.Errorf("/%s: got %v", path, err)
		}
	}
}

func TestReadOnlyRoot(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	p := process(root, "write", "/x", "x")
	p.ReadOnlyRoot = true
	if text, err := output(t, p); err == nil || !strings.Contains(text, "read-only file system") {
		t.Errorf("got %s, %v", text, err)
	}
}
