package worker

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/sandbox"
)

// newTestInPlace is a place whose own directory is a temporary one. Nothing here lets it work on the machine's root.
func newTestInPlace(t *testing.T) *inPlace {
	t.Helper()
	return &inPlace{own: t.TempDir(), keep: map[string]bool{}, around: map[string]bool{}, views: map[string]map[*snapshot]string{}}
}

func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// tree is what a directory holds: directories end with a slash, and files are followed by what is in them.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case entry.IsDir():
			name += "/"
		case entry.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(data)
		}
		lines = append(lines, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

func TestInPlaceMove(t *testing.T) {
	t.Parallel()
	p := newTestInPlace(t)
	from, to := t.TempDir(), t.TempDir()
	lay(t, from, map[string]string{"bin/sh": "1", "etc/hosts": "kept", "etc/passwd": "2", "mnt/deep/volume/data": "kept", "mnt/deep/other": "3", "file": "4"})
	p.keep[filepath.Join(from, "etc/hosts")], p.keep[filepath.Join(from, "mnt/deep/volume")] = true, true
	for _, dir := range []string{"etc", "mnt", "mnt/deep"} {
		p.around[filepath.Join(from, dir)] = true
	}
	if err := os.Chmod(filepath.Join(from, "etc"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := p.move(from, to); err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, from), "etc/ etc/hosts=kept mnt/ mnt/deep/ mnt/deep/volume/ mnt/deep/volume/data=kept"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	if got, want := tree(t, to), "bin/ bin/sh=1 etc/ etc/passwd=2 file=4 mnt/ mnt/deep/ mnt/deep/other=3"; got != want {
		t.Errorf("moved were %s, want %s", got, want)
	}
	if info, err := os.Stat(filepath.Join(to, "etc")); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("the copied directory is %v, %v", info, err)
	}
}

func TestInPlaceSkip(t *testing.T) {
	t.Parallel()
	p := newTestInPlace(t)
	p.keep["/kaniko"], p.keep["/etc/hosts"] = true, true
	for path, want := range map[string]bool{"/kaniko": true, "/kaniko/x/y": true, "/kanikos": false, "/etc": false, "/etc/hosts": true, "/etc/hosts2": false, "/": false, ".": false} {
		if got := p.skip(path); got != want {
			t.Errorf("skip(%s) is %v", path, got)
		}
	}
}

// TestInPlaceMounts shows mounts while something runs: afterwards all is as it was.
func TestInPlaceMounts(t *testing.T) {
	t.Parallel()
	stop := errors.New("the command failed")
	for name, test := range map[string]struct {
		kind     sandbox.Kind
		readOnly bool
		target   string
		// seen is the target's tree while the command runs, which writes "made" there.
		seen, source, root string
	}{
		"a cache where there is nothing":      {sandbox.BindMount, false, "new/deep/m", "cached=1", "cached=1 made=2", "there/ there/file=mine"},
		"a cache over a directory":            {sandbox.BindMount, false, "there", "cached=1", "cached=1 made=2", "there/ there/file=mine"},
		"a context that is only to be read":   {sandbox.BindMount, true, "new/m", "cached=1", "cached=1", "there/ there/file=mine"},
		"a file system in memory":             {sandbox.TmpfsMount, false, "there", "", "cached=1", "there/ there/file=mine"},
		"one of those where there is nothing": {sandbox.TmpfsMount, false, "m", "", "cached=1", "there/ there/file=mine"},
	} {
		for _, fails := range []error{nil, stop} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := newTestInPlace(t)
				root, source := t.TempDir(), t.TempDir()
				lay(t, root, map[string]string{"there/file": "mine"})
				lay(t, source, map[string]string{"cached": "1"})
				target := filepath.Join(root, test.target)
				m := sandbox.Mount{Kind: test.kind, Source: source, Target: target, ReadOnly: test.readOnly}
				err := p.placed(t.Context(), []sandbox.Mount{m}, func() error {
					if got := tree(t, target); got != test.seen {
						t.Errorf("it sees %q, want %q", got, test.seen)
					}
					return errors.Join(os.WriteFile(filepath.Join(target, "made"), []byte("2"), 0o644), fails)
				})
				if !errors.Is(err, fails) {
					t.Errorf("got %v, want %v", err, fails)
				}
				if got := tree(t, root); got != test.root {
					t.Errorf("the root is left with %q, want %q", got, test.root)
				}
				if got := tree(t, source); got != test.source {
					t.Errorf("the source is left with %q, want %q", got, test.source)
				}
				if got := tree(t, p.own); got != "" {
					t.Errorf("the own directory is left with %q", got)
				}
			})
		}
	}
}

// TestInPlaceMountsNested has one mount below another, and one that cannot be shown.
func TestInPlaceMountsNested(t *testing.T) {
	t.Parallel()
	p := newTestInPlace(t)
	root, outer, inner := t.TempDir(), t.TempDir(), t.TempDir()
	lay(t, root, map[string]string{"m/file": "mine"})
	lay(t, outer, map[string]string{"outer": "1"})
	lay(t, inner, map[string]string{"inner": "2"})
	mounts := []sandbox.Mount{
		{Kind: sandbox.BindMount, Source: outer, Target: filepath.Join(root, "m")},
		{Kind: sandbox.BindMount, Source: inner, Target: filepath.Join(root, "m/below")},
	}
	if err := p.placed(t.Context(), mounts, func() error {
		if got, want := tree(t, root), "m/ m/below/ m/below/inner=2 m/outer=1"; got != want {
			t.Errorf("it sees %s, want %s", got, want)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	mounts = append(mounts, sandbox.Mount{Kind: sandbox.BindMount, Source: filepath.Join(root, "nothing"), Target: filepath.Join(root, "m/file"), ReadOnly: true})
	if err := p.placed(t.Context(), mounts, func() error { t.Error("the command ran"); return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if got, want := tree(t, root)+" | "+tree(t, outer)+" | "+tree(t, inner), "m/ m/file=mine | outer=1 | inner=2"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

// TestInPlaceUndoFails removes, as a command may, what must be put back: that is told.
func TestInPlaceUndoFails(t *testing.T) {
	t.Parallel()
	p := newTestInPlace(t)
	root, source := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	lay(t, source, map[string]string{"cached": "1"})
	m := sandbox.Mount{Kind: sandbox.BindMount, Source: source, Target: filepath.Join(root, "m")}
	if err := p.placed(t.Context(), []sandbox.Mount{m}, func() error { return os.RemoveAll(m.Target) }); err == nil {
		t.Error("nothing was told")
	}
}

func TestMakeParents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := makeParents(filepath.Join(dir, "a/b/c"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "a"), filepath.Join(dir, "a/b"), filepath.Join(dir, "a/b/c")}; !slices.Equal(made, want) {
		t.Errorf("made %v, want %v", made, want)
	}
	if made, err = makeParents(filepath.Join(dir, "a")); err != nil || len(made) > 0 {
		t.Errorf("made %v again, %v", made, err)
	}
	lay(t, dir, map[string]string{"a/b/file": ""})
	if err := removeEmpty(filepath.Join(dir, "a/b")); err != nil {
		t.Errorf("a directory in use: %v", err)
	}
	if err := removeEmpty(filepath.Join(dir, "a/b/c")); err != nil || tree(t, dir) != "a/ a/b/ a/b/file=" {
		t.Errorf("left are %s, %v", tree(t, dir), err)
	}
}

// TestInPlaceBeside makes a layer that lies on nothing, and shows it again.
func TestInPlaceBeside(t *testing.T) {
	t.Parallel()
	p := newTestInPlace(t)
	s, err := p.change(t.Context(), "build", nil, func(root string) error {
		if !strings.HasPrefix(root, p.own) {
			t.Fatalf("it works on %s", root)
		}
		lay(t, root, map[string]string{"a/file": "1"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.view(t.Context(), "build", s, false, func(dir string) error {
			if got := tree(t, dir); got != "a/ a/file=1" {
				t.Errorf("the view shows %s", got)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if err := p.view(t.Context(), "build", s, true, func(dir string) error { return os.WriteFile(filepath.Join(dir, "a/file"), []byte("2"), 0o644) }); err != nil {
		t.Error(err)
	}
	if err := p.view(t.Context(), "build", s, false, func(dir string) error {
		if got := tree(t, dir); got != "a/ a/file=1" {
			t.Errorf("what is to be forgotten is in the view: %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	var archive bytes.Buffer
	if err := p.archive(s, &archive); err != nil || archive.Len() == 0 {
		t.Errorf("the archive has %d bytes, %v", archive.Len(), err)
	}
	image, err := p.addImage(t.Context(), "", []io.Reader{bytes.NewReader(archive.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.view(t.Context(), "other", image, false, func(dir string) error {
		if got := tree(t, dir); got != "a/ a/file=1" {
			t.Errorf("the image shows %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.forget("build"), p.forget("other")); err != nil || strings.Contains(tree(t, p.own), "file") {
		t.Errorf("left are %s, %v", tree(t, p.own), err)
	}
}
