package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestApplyErrors(t *testing.T) {
	t.Parallel()
	good := archiveOf(t, file("f", strings.Repeat("x", 3<<20)))
	for name, test := range map[string]struct {
		layer []byte
		want  string
	}{
		"cut off in a file":       {good[:2<<20], "content of f"},
		"cut off in a header":     {good[:100], "reading the archive"},
		"no archive":              {bytes.Repeat([]byte("x"), 1024), "invalid tar header"},
		"below a file":            {archiveOf(t, file("f", ""), file("f/g", "")), "/f is in the way"},
		"a hard link to nothing":  {archiveOf(t, hardlinkTo("h", "gone")), "the hard link /h to gone"},
		"a hard link to itself":   {archiveOf(t, file("h", ""), hardlinkTo("h", "./h")), "linked to itself"},
		"a loop of links":         {archiveOf(t, symlinkTo("a", "b"), symlinkTo("b", "a"), file("a/f", "")), "symbolic links"},
		"a whiteout of nothing":   {archiveOf(t, file("d/.wh.", "")), "is no whiteout"},
		"a whiteout of a parent":  {archiveOf(t, file("d/.wh...", "")), "is no whiteout"},
		"an owner that is no one": {archiveOf(t, entry{name: "f", uid: 1<<32 - 1}), "4294967295:0"},
		"an unknown type":         {archiveOf(t, entry{name: "f", kind: '7'}), "type '7'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(name, "owner") {
				requireRoot(t) // only root tries to give files away
			}
			err := Apply(t.Context(), t.TempDir(), bytes.NewReader(test.layer), ApplyOptions{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestApplyCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("enough")
	cancel(reason)
	err := Apply(ctx, t.TempDir(), bytes.NewReader(archiveOf(t, file("f", ""))), ApplyOptions{})
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

// A file system that is full, or an owner that is not to be had, is an error of a worker, and the reader must not hang.
func TestApplyWorkerFails(t *testing.T) {
	t.Parallel()
	dir := applied(t, archiveOf(t, file("d/keep", "1")))
	entries := []entry{file("d", "1")}
	for i := range 2000 {
		entries = append(entries, file(fmt.Sprint("f", i), strings.Repeat("x", 10_000)))
	}
	entries = append(entries, file("large", strings.Repeat("x", 30<<20)))
	skip := func(path string) bool { return path == "/d/keep" }
	err := Apply(t.Context(), dir, bytes.NewReader(archiveOf(t, entries...)), ApplyOptions{Skip: skip})
	if err == nil || !strings.Contains(err.Error(), "/d can not be replaced") {
		t.Errorf("got %v", err)
	}
}

func TestApplyOwnerError(t *testing.T) {
	t.Parallel()
	a := &applier{mapped: true}
	err := a.checkOwner("etc/shadow", &tar.Header{Uid: 0, Gid: 42}, unix.EINVAL)
	for _, want := range []string{"/etc/shadow", "0:42", "user namespace has only", fmt.Sprint(mappedIDs("/proc/self/gid_map"))} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// Many files in buffers of all sizes, written by all workers at once.
func TestApplyManyFiles(t *testing.T) {
	t.Parallel()
	var entries []entry
	want := map[string]int{}
	for i := range 1500 {
		size := i * i % (200 << 10)
		if i%300 == 0 {
			size = largest*(i/300) + i%3
		}
		name := fmt.Sprintf("d%d/f%d", i%7, i)
		entries = append(entries, file(name, strings.Repeat(string(rune('a'+i%26)), size)))
		want[name] = size
	}
	dir := applied(t, archiveOf(t, entries...))
	for name, size := range want {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(content) != size || size > 0 && bytes.Count(content, content[:1]) != size {
			t.Errorf("%s has %d bytes, want %d of one kind: %v", name, len(content), size, err)
		}
	}
}
