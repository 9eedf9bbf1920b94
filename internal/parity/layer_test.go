package parity

import (
	"archive/tar"
	"bytes"
	"fmt"
	"path"
	"strings"
	"testing"
)

// FuzzReadTar reads what a registry could send: nothing may end in a panic, and no path may leave the root.
func FuzzReadTar(f *testing.F) {
	f.Add(pack(f, []item{dir("a"), regular("a/../../b", "x"), symlink("l", "../.."), regular("l/c", ""), hardLink("d", "l/c"), regular("l/.wh.c", "")}))
	f.Add(pack(f, []item{device(tar.TypeChar, "c", 1, 3), regular("a/.wh..wh..opq", ""), regular(".wh.", "")}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		changes, err := readTar(bytes.NewReader(archive))
		if err != nil {
			return
		}
		for _, c := range changes {
			if !strings.HasPrefix(c.path, "/") || path.Clean(c.path) != c.path {
				t.Errorf("path %q", c.path)
			}
		}
		files := &tree{root: newDir(0)}
		for range 2 {
			if files.apply(changes) != nil {
				return
			}
		}
		if differences := compareTrees(files.root, files.root); len(differences) > 0 {
			t.Errorf("not the same as itself: %q", differences)
		}
	})
}

// BenchmarkCompare compares images of 10,000 files on one base, which a Comparer reads once.
func BenchmarkCompare(b *testing.B) {
	var base []item
	for i := range 10_000 {
		base = append(base, regular(fmt.Sprintf("usr/lib/%d/%d", i%100, i), strings.Repeat("x", 1000)))
	}
	want, got := image(b, base, []item{regular("a", "x")}), image(b, base, []item{regular("a", "y")})
	var c Comparer
	for b.Loop() {
		if differences, err := c.Compare(want, got); err != nil || len(differences) != 1 {
			b.Fatal(differences, err)
		}
	}
}
