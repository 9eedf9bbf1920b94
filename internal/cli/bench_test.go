package cli_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/memory"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/cli"
)

// BenchmarkCheck is the whole of `hub-publish check`, from the program's start to its end. Beside the time it reports the
// processor's seconds and the peak of the resident memory in MB. The bounds: 102 bundles in 0.15 s; 10,000 bundles of
// 60,000 files in 3 s and 200 MB; one changed among 10,000 in 0.5 s.
func BenchmarkCheck(b *testing.B) {
	for _, bundles := range []int{102, 10_000} {
		dir := grow(b, bundles)
		for name, args := range map[string][]string{"one changed": nil, "all": {"--bundles", "all"}} {
			b.Run(fmt.Sprintf("%d bundles/%s", bundles, name), func(b *testing.B) {
				var seconds, peak float64
				for b.Loop() {
					c := check(b, dir, args...)
					seconds += c.Seconds
					peak = max(peak, float64(c.Peak))
				}
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/op")
				b.ReportMetric(seconds/float64(b.N), "cpu-s/op")
				b.ReportMetric(peak/1e6, "peak-MB")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// TestCheckGrowsLinearly holds the bounds of BenchmarkCheck for a tenth of the large hub, with a lot of room for a machine
// that does something else too, and asks that a hub of four times the size costs at most four times as much. What is
// allocated does not depend on the machine.
func TestCheckGrowsLinearly(t *testing.T) {
	t.Parallel()
	const size, times, room = 1000, 4, 20
	small, large := grow(t, size/times), grow(t, size)
	one, oneOfLarge := check(t, small), check(t, large)
	all, allOfLarge := check(t, small, "--bundles", "all"), check(t, large, "--bundles", "all")
	for name, c := range map[string]struct {
		small, large cost
		seconds      float64
	}{
		"one changed": {one, oneOfLarge, 0.5},
		"all":         {all, allOfLarge, 3},
	} {
		if c.large.Allocations > times*c.small.Allocations {
			t.Errorf("%s: %d bundles take %d allocations, and %d bundles %d", name, size/times, c.small.Allocations, size, c.large.Allocations)
		}
		if bound := room * c.seconds * size / 10_000; c.large.Seconds > bound {
			t.Errorf("%s of %d bundles takes %.2f s of the processor, more than %.1f", name, size, c.large.Seconds, bound)
		}
		if bound := int64(room * 200e6 * size / 10_000); c.large.Heap > bound {
			t.Errorf("%s of %d bundles takes a heap of %d bytes, more than %d", name, size, c.large.Heap, bound)
		}
	}
	// Of a bundle that did not change, no more is asked than whether its files are as they were and its image is its own.
	more := func(small, large cost) uint64 { return (large.Allocations - small.Allocations) / (size - size/times) }
	if unchanged, checked := more(one, oneOfLarge), more(all, allOfLarge); unchanged > checked/3 {
		t.Errorf("a bundle that did not change takes %d allocations, and one that is checked %d", unchanged, checked)
	}
}

// cost is what a run took.
type cost struct {
	// Seconds are the processor's.
	Seconds float64
	// Peak is the most memory that was resident, and Heap what the Go heap had of the system, in bytes.
	Peak, Heap  int64
	Allocations uint64
	// Last is the last line that the run printed.
	Last string
}

// measured is the variable that makes the test's program the one that is measured: a process of its own has a peak of
// its own.
const measured = "HUB_PUBLISH_TEST_MEASURED"

func init() {
	if os.Getenv(measured) == "" {
		return
	}
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	status := cli.Run(context.Background(), os.Args[1:], cli.Environment{Dir: dir, Getenv: os.Getenv, Out: &out, Err: os.Stderr})
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	c := cost{
		Seconds: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds(), Peak: peak(), Heap: int64(memory.HeapSys),
		Allocations: memory.Mallocs, Last: lines[len(lines)-1],
	}
	if err := json.NewEncoder(os.Stdout).Encode(c); err != nil {
		panic(err)
	}
	os.Exit(status)
}

// peak is the most memory of this process that was resident, in bytes. That of getrusage is no less than its parent's.
func peak() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	var kilobytes int64
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes)
	}
	return kilobytes * 1024
}

// check runs `hub-publish check` on a hub in which nothing is wrong.
func check(tb testing.TB, dir string, args ...string) cost {
	tb.Helper()
	program, err := os.Executable()
	must(tb, err)
	c := exec.Command(program, append([]string{"check"}, args...)...)
	c.Dir, c.Stderr = dir, os.Stderr
	c.Env = []string{measured + "=1", "HOME=" + tb.TempDir()}
	out, err := c.Output()
	must(tb, err)
	var took cost
	must(tb, json.Unmarshal(out, &took))
	want := "1 bundle: 0 errors, 0 warnings"
	if len(args) > 0 {
		entries, err := filepath.Glob(filepath.Join(dir, "executors/*/*/*"))
		must(tb, err)
		want = fmt.Sprintf("%d bundles: 0 errors, 0 warnings", len(entries))
	}
	if took.Last != want {
		tb.Fatalf("the run ends with %q, not %q", took.Last, want)
	}
	return took
}

// grow makes a repository with a number of bundles of six files each on its branch main, and a branch, which is checked
// out, that changes two files of one of them. It is as git leaves a clone: one pack, and an index that has noted the
// directories' trees. go-git's own worktree takes minutes for so many files.
func grow(tb testing.TB, bundles int) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	r, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/topic"}})
	must(tb, err)
	made := repository{objects: memory.NewStorage()}
	files := map[string]string{}
	for i := range bundles {
		addBundle(files, i)
	}
	base := made.commit(tb, files)
	const changed = "executors/encoders/g0/Bundle2/"
	files[changed+"manifest.yml"] = strings.Replace(files[changed+"manifest.yml"], "0.0.1", "0.0.2", 1)
	files[changed+"__init__.py"] += "# more\n"
	topic := made.commit(tb, files, base)
	for name, text := range files {
		file := filepath.Join(dir, name)
		must(tb, os.MkdirAll(filepath.Dir(file), 0o755))
		must(tb, os.WriteFile(file, []byte(text), 0o644))
	}
	pack, err := r.Storer.(storer.PackfileWriter).PackfileWriter()
	must(tb, err)
	_, err = packfile.NewEncoder(pack, made.objects, false).Encode(slices.Collect(maps.Keys(made.objects.Objects)), 0)
	must(tb, err)
	must(tb, pack.Close())
	must(tb, r.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", base)))
	must(tb, r.Storer.SetReference(plumbing.NewHashReference("refs/heads/topic", topic)))
	made.writeIndex(tb, dir)
	return dir
}

// addBundle adds the files of a bundle as real ones are, with nothing wrong in them.
func addBundle(files map[string]string, i int) {
	kinds := []string{"classifier", "crafter", "encoder", "evaluator", "indexer", "ranker", "segmenter", "trainer"}
	kind := kinds[i%len(kinds)]
	dir := fmt.Sprintf("executors/%ss/g%d/Bundle%d/", kind, i/500, i)
	files[dir+"manifest.yml"] = fmt.Sprintf(`manifest_version: 1
name: Bundle%d
kind: %s
type: pod
description: encodes things of the number %d
author: Jina AI Dev-Team (dev-team@jina.ai)
url: https://jina.ai
vendor: Jina AI Limited
documentation: https://github.com/jina-ai/jina-hub
version: 0.0.1
license: apache-2.0
avatar: None
platform:
  - linux/amd64
keywords: [encoder, example]
`, i, kind, i)
	files[dir+"Dockerfile"] = `FROM jinaai/jina:1.0 AS base
COPY . /workspace
WORKDIR /workspace
RUN pip install -r requirements.txt
FROM base
RUN pytest -v -s
FROM base
ENTRYPOINT ["jina", "pod", "--uses", "config.yml"]
`
	files[dir+"README.md"] = strings.Repeat(fmt.Sprintf("# Bundle%d\n", i), 20)
	files[dir+"__init__.py"] = strings.Repeat(fmt.Sprintf("# code %d\n", i), 50)
	files[dir+"requirements.txt"] = "numpy==1.19.5\nscipy>=1.5\n"
	files[dir+"tests/test_it.py"] = fmt.Sprintf("def test_%d(): pass\n", i)
}

// repository is what grow makes for one.
type repository struct {
	objects *memory.Storage
	// entries and noted are the index's for the last commit: its files, and its trees.
	entries []*index.Entry
	noted   []byte
}

// commit makes a commit of files.
func (r *repository) commit(tb testing.TB, files map[string]string, parents ...plumbing.Hash) plumbing.Hash {
	tb.Helper()
	top := &folder{}
	r.entries = nil
	for _, name := range slices.Sorted(maps.Keys(files)) {
		blob := r.objects.NewEncodedObject()
		blob.SetType(plumbing.BlobObject)
		w, err := blob.Writer()
		must(tb, err)
		_, err = io.WriteString(w, files[name])
		must(tb, err)
		hash, err := r.objects.SetEncodedObject(blob)
		must(tb, err)
		top.put(name, hash)
		r.entries = append(r.entries, &index.Entry{Name: name, Hash: hash, Mode: filemode.Regular})
	}
	tree, _, noted := r.tree(tb, "", top)
	r.noted = noted
	author := object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9, 0)}
	return r.store(tb, &object.Commit{
		Author: author, Committer: author, Message: "feat: change", TreeHash: tree, ParentHashes: parents,
	})
}

// store stores an object.
func (r *repository) store(tb testing.TB, o interface {
	Encode(plumbing.EncodedObject) error
}) plumbing.Hash {
	tb.Helper()
	encoded := r.objects.NewEncodedObject()
	must(tb, o.Encode(encoded))
	hash, err := r.objects.SetEncodedObject(encoded)
	must(tb, err)
	return hash
}

// tree stores a directory, and returns how many files are in it and what an index notes of it (gitformat-index(5), "Cache
// tree").
func (r *repository) tree(tb testing.TB, name string, f *folder) (hash plumbing.Hash, files int, noted []byte) {
	tb.Helper()
	tree := &object.Tree{}
	for name, blob := range f.files {
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob})
	}
	files = len(f.files)
	var below []byte
	for _, name := range slices.Sorted(maps.Keys(f.folders)) {
		subtree, n, notedBelow := r.tree(tb, name, f.folders[name])
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: subtree})
		files, below = files+n, append(below, notedBelow...)
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	hash = r.store(tb, tree)
	noted = fmt.Appendf(nil, "%s\x00%d %d\n%s", name, files, len(f.folders), hash[:])
	return hash, files, append(noted, below...)
}

// writeIndex writes the index of the last commit's files as they are in a directory.
func (r *repository) writeIndex(tb testing.TB, dir string) {
	tb.Helper()
	for _, e := range r.entries {
		info, err := os.Lstat(filepath.Join(dir, e.Name))
		must(tb, err)
		e.ModifiedAt, e.Size = info.ModTime(), uint32(info.Size())
	}
	var encoded bytes.Buffer
	must(tb, index.NewEncoder(&encoded).Encode(&index.Index{Version: 2, Entries: r.entries}))
	encoded.Truncate(encoded.Len() - sha1.Size) // go-git writes no extensions
	encoded.WriteString("TREE")
	encoded.Write(binary.BigEndian.AppendUint32(nil, uint32(len(r.noted))))
	encoded.Write(r.noted)
	sum := sha1.Sum(encoded.Bytes())
	encoded.Write(sum[:])
	must(tb, os.WriteFile(filepath.Join(dir, ".git/index"), encoded.Bytes(), 0o644))
}

// folder is a directory of a commit.
type folder struct {
	files   map[string]plumbing.Hash
	folders map[string]*folder
}

func (f *folder) put(name string, blob plumbing.Hash) {
	if f.files == nil {
		f.files, f.folders = map[string]plumbing.Hash{}, map[string]*folder{}
	}
	above, rest, inside := strings.Cut(name, "/")
	if !inside {
		f.files[name] = blob
		return
	}
	if f.folders[above] == nil {
		f.folders[above] = &folder{}
	}
	f.folders[above].put(rest, blob)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
