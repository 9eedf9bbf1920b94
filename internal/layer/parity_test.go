package layer

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/archive"
	continuity "github.com/containerd/continuity/fs"
)

// Apply must make of layers what containerd makes of them, which is what BuildKit uses.
func TestApplyAsContainerd(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		ours, theirs := t.TempDir(), t.TempDir()
		for range 4 {
			layer := archiveOf(t, randomLayer(random)...)
			ourErr := Apply(t.Context(), ours, bytes.NewReader(layer), ApplyOptions{})
			_, theirErr := archive.Apply(t.Context(), theirs, bytes.NewReader(layer))
			// containerd fails at the end if a directory of the layer was replaced later in it.
			if theirErr != nil {
				break
			}
			if ourErr != nil {
				t.Fatalf("seed %d: containerd has no error, we say %v", seed, ourErr)
			}
			if diff := difference(withoutTimes(mustDescribe(t, ours)), withoutTimes(mustDescribe(t, theirs))); diff != "" {
				t.Fatalf("seed %d: ours is not containerd's:\n%s", seed, diff)
			}
		}
	}
}

// withoutTimes takes away the times of directories: containerd leaves those that have no entry with the time of the day.
func withoutTimes(lines map[string]string) map[string]string {
	for name, line := range lines {
		if fields := strings.Fields(line); strings.HasPrefix(line, "4") {
			lines[name] = strings.Join(slices.Delete(fields, 2, 3), " ")
		}
	}
	return lines
}

// randomLayer gives entries with few names, so that they meet. Whiteouts come first: containerd lets later ones delete what
// is of their own layer.
func randomLayer(random *rand.Rand) []entry {
	names := []string{"a", "b", "a/c", "a/d", "b/c", "a/c/e", "b/c/e", "s", "s/c", "s/d"}
	pick := func() string { return names[random.IntN(len(names))] }
	var entries []entry
	for range random.IntN(3) {
		dir, base := filepath.Split(pick())
		if dir == "" {
			entries = append(entries, file(whiteoutPrefix+base, ""))
		}
	}
	entries = append(entries, dirEntry("a"), dirEntry("b"))
	for range 1 + random.IntN(12) {
		e := entry{name: pick(), uid: random.IntN(3), gid: random.IntN(3), mode: int64(1 + random.IntN(0o7777))}
		switch random.IntN(6) {
		case 0, 1:
			e.content = strings.Repeat("x", random.IntN(3)*5000)
		case 2:
			e.kind, e.link = '2', []string{"a", "/b", "../s", "gone"}[random.IntN(4)]
		case 3:
			e.kind, e.link = '1', pick()
		default:
			e.kind = '5'
		}
		if e.name == "a" || e.name == "b" {
			e.kind, e.link, e.content = '5', "", ""
		}
		entries = append(entries, e)
	}
	return entries
}

// Upper must write the bytes that containerd writes for the same directory.
func TestUpperAsContainerd(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	for seed := range uint64(20) {
		dir := t.TempDir()
		random := rand.New(rand.NewPCG(seed, 2))
		if err := mutate(random, dir, 60); err != nil {
			t.Fatal(err)
		}
		var ours, theirs bytes.Buffer
		if err := Upper(&ours, dir, PackOptions{}); err != nil {
			t.Fatal(err)
		}
		w := archive.NewChangeWriter(&theirs, dir)
		err := filepath.Walk(dir, func(path string, info fs.FileInfo, err error) error {
			if err != nil || path == dir {
				return err
			}
			return w.HandleChange(continuity.ChangeKindAdd, strings.TrimPrefix(path, dir), info, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.HandleChange(continuity.ChangeKindDelete, "/zz-deleted", nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		ours.Truncate(ours.Len() - 1024) // the end of the archive, to append the whiteout
		p := newPacker(&ours, dir, PackOptions{})
		if err := p.whiteout("zz-deleted"); err != nil {
			t.Fatal(err)
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours.Bytes(), theirs.Bytes()) {
			t.Fatalf("seed %d: %d bytes are not containerd's %d", seed, ours.Len(), theirs.Len())
		}
	}
}

func TestMutateIsWorthIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := mutate(rand.New(rand.NewPCG(1, 1)), dir, 300); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 3 {
		t.Errorf("300 operations left %d entries, %v: too few for the tests that use them", len(entries), fmt.Sprint(err))
	}
}
