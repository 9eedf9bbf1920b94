package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
)

// laid is a directory with files and links, beside a secret.
func laid(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "a/b"), 0o755),
		os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("inside"), 0o644),
		os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644),
		os.WriteFile(filepath.Join(top, "secret"), []byte("outside"), 0o644),
		os.Symlink("b/file", filepath.Join(dir, "a/link")),
		os.Symlink("../secret", filepath.Join(dir, "upward")),
		os.Symlink(filepath.Join(top, "secret"), filepath.Join(dir, "absolute")),
		os.Symlink("..", filepath.Join(dir, "a/parent")),
		os.Symlink("loop", filepath.Join(dir, "loop")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// requireWhole skips the test where the kernel, or a filter of system calls, has no openat2. In CI it fails there instead.
func requireWhole(t *testing.T, f *FS) {
	t.Helper()
	if !f.whole {
		needs.Missing(t, "there is no openat2")
	}
}

// each runs a test with the kernel's way and with os.Root's.
func each(t *testing.T, test func(*testing.T, *FS)) {
	for name, whole := range map[string]bool{"a path at once": true, "part by part": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Open(laid(t))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if whole {
				requireWhole(t, f)
			}
			f.whole = whole
			test(t, f)
		})
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *FS) {
		for _, name := range []string{"a/b/file", "a/link", "a/parent/a/b/file"} {
			if data, err := fs.ReadFile(f, name); err != nil || string(data) != "inside" {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		}
		if info, err := f.Stat("a/link"); err != nil || info.Size() != 6 || !info.Mode().IsRegular() {
			t.Errorf("a link's target is %v, %v", info, err)
		}
		if info, err := f.Lstat("a/link"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("a link is %v, %v", info, err)
		}
		if target, err := f.ReadLink("upward"); err != nil || target != "../secret" {
			t.Errorf("a link points to %q, %v", target, err)
		}
		if _, err := f.Open("a/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not there: %v", err)
		}
	})
}

// TestReadHead reads files whole and in part, shorter and longer than what is asked for at first.
func TestReadHead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *FS) {
		long := strings.Repeat("0123456789", firstRead)
		if err := os.WriteFile(filepath.Join(f.dir, "long"), []byte(long), 0o644); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"empty": "", "a/link": "inside", "long": long} {
			for _, limit := range []int{0, 3, firstRead, firstRead + 1, len(long), len(long) + 1} {
				data, err := f.ReadHead(name, limit)
				if want := want[:min(limit, len(want))]; err != nil || string(data) != want {
					t.Errorf("%d of %s: %d bytes, not %d, %v", limit, name, len(data), len(want), err)
				}
			}
		}
		for _, name := range []string{"a", "a/none", "upward", "absolute", "../secret", "loop"} {
			if data, err := f.ReadHead(name, 10); err == nil {
				t.Errorf("%s: %q", name, data)
			}
		}
		if _, err := f.ReadHead("a/none", 10); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not there: %v", err)
		}
	})
}

func TestStaysBeneath(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, f *FS) {
		for _, name := range []string{"upward", "absolute", "../secret", "a/../../secret", "/etc/passwd", "loop", "a/parent/upward"} {
			if data, err := fs.ReadFile(f, name); err == nil {
				t.Errorf("%s: %q", name, data)
			}
			if info, err := f.Stat(name); err == nil {
				t.Errorf("%s is %v", name, info)
			}
		}
	})
}

// TestPipe: a named pipe has no writer, and must not be waited for.
func TestPipe(t *testing.T) {
	t.Parallel()
	dir := laid(t)
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	requireWhole(t, f) // os.Root waits
	done := make(chan struct{})
	go func() {
		defer close(done)
		if file, err := f.Open("pipe"); err == nil {
			file.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("opening a pipe waits")
	}
}

// TestFS is Go's own test of file systems.
func TestFS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, fstest.MapFS{"a/b/file": {Data: []byte("1")}, "c": {Data: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fstest.TestFS(f, "a/b/file", "c"); err != nil {
		t.Error(err)
	}
}
