package layer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What Changes sees and Write writes makes of the tree before the tree after, whatever was done to it. No operation waits
// for the clock, so that some come within the same tick as the scan before.
func TestChangesAreExact(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 3))
		dir, copied := t.TempDir(), t.TempDir()
		state, err := Scan(t.Context(), dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 5 {
			if err := mutate(random, dir, 1+random.IntN(40)); err != nil {
				t.Fatal(err)
			}
			after, changes, err := state.Changes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var layer bytes.Buffer
			if err := Write(&layer, dir, changes, PackOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := Apply(t.Context(), copied, &layer, ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			if diff := difference(mustDescribe(t, copied), mustDescribe(t, dir)); diff != "" {
				t.Fatalf("seed %d, round %d, changes %v:\n%s", seed, round, changes, diff)
			}
			state = after
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	before := [][]byte{archiveOf(t,
		file("dir/a", "1"), file("dir/b", "1"), file("file", "1"), file("link", "1"), dirEntry("tree/sub"), file("tree/sub/f", "1"), file("left/alone", "1"),
		file("linked/f", "1"), hardlinkTo("other", "linked/f"),
	)}
	skip := func(path string) bool { return path == "/left" }
	for name, test := range map[string]struct {
		do   func(on func(string) string) error
		want []Change
	}{
		"nothing": {func(func(string) string) error { return nil }, nil},
		"a file is read": {func(on func(string) string) error {
			_, err := os.ReadFile(on("file"))
			return err
		}, nil},
		"same size, same time": {func(on func(string) string) error {
			info, err := os.Stat(on("file"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(on("file"), []byte("2"), 0); err != nil {
				return err
			}
			return os.Chtimes(on("file"), info.ModTime(), info.ModTime())
		}, []Change{{"/file", Modified}}},
		"what is left alone": {func(on func(string) string) error { return os.Remove(on("left/alone")) }, nil},
		"a file is deleted":  {func(on func(string) string) error { return os.Remove(on("dir/a")) }, []Change{{"/dir", Modified}, {"/dir/a", Deleted}}},
		"a tree is deleted":  {func(on func(string) string) error { return os.RemoveAll(on("tree")) }, []Change{{"/tree", Deleted}}},
		"a tree is moved": {func(on func(string) string) error { return os.Rename(on("tree/sub"), on("new")) },
			[]Change{{"/new", Added}, {"/new/f", Added}, {"/tree", Modified}, {"/tree/sub", Deleted}}},
		"a file becomes a directory": {func(on func(string) string) error {
			os.Remove(on("file"))
			return os.MkdirAll(on("file/sub"), 0o755)
		}, []Change{{"/file", Modified}, {"/file/sub", Added}}},
		"a directory becomes a file": {func(on func(string) string) error {
			os.RemoveAll(on("dir"))
			return os.WriteFile(on("dir"), nil, 0o644)
		}, []Change{{"/dir", Modified}}},
		"a directory is made anew": {func(on func(string) string) error {
			os.RemoveAll(on("dir"))
			os.Mkdir(on("dir"), 0o755)
			return os.WriteFile(on("dir/c"), nil, 0o644)
		}, []Change{{"/dir", Modified}, {"/dir/a", Deleted}, {"/dir/b", Deleted}, {"/dir/c", Added}}},
		"a directory with one of two links is moved": {func(on func(string) string) error { return os.Rename(on("linked"), on("moved")) },
			[]Change{{"/linked", Deleted}, {"/moved", Added}, {"/moved/f", Added}, {"/other", Modified}}},
		"a link is made": {func(on func(string) string) error { return os.Link(on("link"), on("tree/link")) },
			[]Change{{"/link", Modified}, {"/tree", Modified}, {"/tree/link", Added}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := applied(t, before...)
			state, err := Scan(t.Context(), dir, skip)
			if err != nil {
				t.Fatal(err)
			}
			if err := test.do(func(name string) string { return filepath.Join(dir, name) }); err != nil {
				t.Fatal(err)
			}
			_, got, err := state.Changes(t.Context())
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %v, %v\nwant %v", got, err, test.want)
			}
		})
	}
}

// A change that comes directly after Scan, of the same size and with the time restored, leaves only the ctime to tell it.
func TestChangesDirectlyAfterScan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for i := range 100 {
		if err := os.WriteFile(path, []byte{byte(i)}, 0o644); err != nil {
			t.Fatal(err)
		}
		state, err := Scan(t.Context(), filepath.Dir(path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte{byte(i + 1)}, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, changes, err := state.Changes(t.Context()); err != nil || len(changes) != 1 {
			t.Fatalf("attempt %d: got %v, %v, want one change", i, changes, err)
		}
	}
}

// Older kernels give all changes within a tick the same ctime.
func TestWaitForTick(t *testing.T) {
	t.Parallel()
	clock := func() int64 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			t.Fatal(err)
		}
		return now.Nano()
	}
	for _, ahead := range []time.Duration{-time.Hour, 0, longestTick} {
		newest := clock() + int64(ahead)
		if err := waitForTick(newest); err != nil || clock() <= newest {
			t.Errorf("%v ahead: the clock is at %d, want it beyond %d: %v", ahead, clock(), newest, err)
		}
	}
	start := time.Now()
	if err := waitForTick(clock() + int64(time.Hour)); err != nil || time.Since(start) > time.Minute {
		t.Errorf("a time of a clock that was set back was waited for: %v", err)
	}
}

func TestScanErrors(t *testing.T) {
	t.Parallel()
	dir := applied(t, archiveOf(t, file("f", "")))
	for _, root := range []string{filepath.Join(dir, "f"), filepath.Join(dir, "gone")} {
		if _, err := Scan(t.Context(), root, nil); err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("got %v, want an error that names %s", err, root)
		}
	}
}

func TestWriteOrderAndParents(t *testing.T) {
	t.Parallel()
	dir := applied(t, archiveOf(t, file("a/b/c", "1"), file("a-b", "1"), file("a/b-c", "1"), file("z/f", "1")))
	var layer bytes.Buffer
	changes := []Change{{"/z/gone", Deleted}, {"/a-b", Modified}, {"/a/b-c", Modified}, {"/a/b/c", Added}, {"/a/b/gone", Deleted}}
	if err := Write(&layer, dir, changes, PackOptions{WhiteoutTime: someTime}); err != nil {
		t.Fatal(err)
	}
	want := []string{"a/", "a/b/", "a/b/c", "a/b/.wh.gone", "a/b-c", "a-b", "z/", "z/.wh.gone"}
	if got := namesIn(t, layer.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestWriteMountPoints: they are empty directories in the layer, whatever is at them.
func TestWriteMountPoints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "dev/shm"), 0o700), os.WriteFile(filepath.Join(dir, "made"), []byte("x"), 0o644)); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	options := PackOptions{MountPoints: []string{"/dev", "/proc"}, MountPointTime: someTime}
	if err := Write(&layer, dir, []Change{{"/made", Added}}, options); err != nil {
		t.Fatal(err)
	}
	to := applied(t, layer.Bytes())
	if got, want := strings.Join(contents(t, to), " "), "dev/ made=x proc/"; got != want {
		t.Errorf("the layer holds %s, want %s", got, want)
	}
	if info, err := os.Stat(filepath.Join(to, "dev")); err != nil || info.Mode().Perm() != 0o755 || !info.ModTime().Equal(someTime) {
		t.Errorf("the mount point is %v, %v", info, err)
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	dir := applied(t, archiveOf(t, file("f", "")))
	for name, change := range map[string]Change{"was deleted since": {"/gone", Modified}, "below a file": {"/f/g", Deleted}, "no kind": {"/f", 0}} {
		if err := Write(&bytes.Buffer{}, dir, []Change{change}, PackOptions{}); err == nil || !strings.Contains(err.Error(), change.Path) {
			t.Errorf("%s: got %v, want an error that names %s", name, err, change.Path)
		}
	}
}
