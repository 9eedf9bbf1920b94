package history_test

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
)

type files = historytest.Files

const (
	absent   = "3333333333333333333333333333333333333333"
	mergeRef = "refs/pull/7/merge"
)

func TestOpenFromASubdirectory(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	commit := repository.Commit(t, files{"executors/encoders/Foo/manifest.yml": "name: Foo"})
	r, err := history.Open(filepath.Join(repository.Dir, "executors/encoders/Foo"))
	if err != nil {
		t.Fatal(err)
	}
	if dir, err := r.Dir(); err != nil || dir != repository.Dir {
		t.Errorf("the top is %q, %v; want %q", dir, err, repository.Dir)
	}
	if head, err := r.Head(); err != nil || head != commit {
		t.Errorf("the head is %q, %v; want %q", head, err, commit)
	}
}

func TestOpenOutsideOfARepository(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := history.Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error is %v; it should name the directory", err)
	}
}

func TestHeadWithoutACommit(t *testing.T) {
	t.Parallel()
	if head, err := historytest.New(t).Open(t).Head(); err == nil {
		t.Errorf("a repository without a commit has the head %s", head)
	}
}

func TestADetachedHead(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	first := repository.Commit(t, files{"a": "1"})
	repository.Commit(t, files{"a": "2"})
	repository.Checkout(t, first)
	if head, err := repository.Open(t).Head(); err != nil || head != first {
		t.Errorf("the head is %q, %v; want %q", head, err, first)
	}
}

// merged is a pull request's history: main went on from fork to base while the topic branch got to head, and merge is
// what GitHub makes of the two.
type merged struct {
	*historytest.Repository
	fork, base, head, merge string
}

func newMerged(t *testing.T) merged {
	t.Helper()
	r := historytest.New(t)
	m := merged{Repository: r}
	r.Commit(t, files{"a": "0"})
	m.fork = r.Commit(t, files{"a": "1", "b": "1"})
	m.base = r.Commit(t, files{"b": "2"})
	r.Checkout(t, m.fork)
	m.head = r.Commit(t, files{"a": "2"})
	r.Checkout(t, m.base)
	m.merge = r.Commit(t, files{"a": "2"}, m.base, m.head)
	r.SetRef(t, mergeRef, m.merge)
	return m
}

func TestParentsBeyondTheCheckout(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	for name, depth := range map[string]int{"depth 1": 1, "depth 2": 2, "everything": 0} {
		r := m.Fetch(t, mergeRef, depth).Open(t)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := r.Parents(m.merge); err != nil || !slices.Equal(got, []string{m.base, m.head}) {
				t.Errorf("got %q, %v; want %q and %q", got, err, m.base, m.head)
			}
		})
	}
	if _, err := m.Open(t).Parents(absent); !errors.Is(err, history.ErrOutOfReach) {
		t.Errorf("of a commit that is not there: %v; want ErrOutOfReach", err)
	}
}

func TestMergeBase(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	r := m.Open(t)
	for _, c := range []struct{ name, a, b, want string }{
		{"of two branches", m.base, m.head, m.fork},
		{"of a commit and its ancestor", m.fork, m.base, m.fork},
		{"of a branch that was merged", m.head, m.merge, m.head},
		{"of a commit with itself", m.head, m.head, m.head},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := r.MergeBase(c.a, c.b); err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestMergeBaseOutOfReach(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	shallow, deeper := m.Fetch(t, mergeRef, 2).Open(t), m.Fetch(t, mergeRef, 3).Open(t)
	if err := m.Git().Storer.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, "refs/heads/unborn")); err != nil {
		t.Fatal(err)
	}
	unrelated := m.Commit(t, nil)
	for _, c := range []struct {
		name string
		r    *history.Repository
		a, b string
	}{
		{"beyond the edge of a shallow checkout", shallow, m.base, m.head},
		// The walk finds one here, but where history has an edge it cannot know that there is no better one.
		{"within a shallow checkout", deeper, m.base, m.merge},
		{"of a commit that is not there", m.Open(t), absent, m.head},
		{"of histories that have nothing in common", m.Open(t), m.head, unrelated},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := c.r.MergeBase(c.a, c.b); !errors.Is(err, history.ErrOutOfReach) {
				t.Errorf("got %q, %v; want ErrOutOfReach", got, err)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	const text = "long enough to be known again by another name\n"
	cases := []struct {
		name string
		base files
		// then are the commits that follow.
		then []files
		want []history.Change
	}{
		{"nothing", files{"a": "1"}, []files{nil}, nil},
		{"a file is added", files{"a": "1"}, []files{{"d/b": "1"}}, []history.Change{{Path: "d/b"}}},
		{"a file is modified", files{"d/a": "1"}, []files{{"d/a": "2"}}, []history.Change{{Path: "d/a"}}},
		{"a file is removed", files{"a": "1", "d/b": "1"}, []files{{"d/b": historytest.Gone}}, []history.Change{{Path: "d/b", Removed: true}}},
		{"a file is renamed", files{"a": text}, []files{{"a": historytest.Gone, "b": text}}, []history.Change{{Path: "a", Removed: true}, {Path: "b"}}},
		{"a file becomes a directory", files{"a": "1"}, []files{{"a": historytest.Gone}, {"a/b": "1"}}, []history.Change{{Path: "a", Removed: true}, {Path: "a/b"}}},
		{"a file changes and changes back", files{"a": "1"}, []files{{"a": "2"}, {"a": "1"}}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			repository := historytest.New(t)
			base, head := repository.Commit(t, c.base), ""
			for _, change := range c.then {
				head = repository.Commit(t, change)
			}
			got, err := repository.Open(t).Changes(base, head)
			if err != nil || !slices.Equal(sorted(got), c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestChangesOfAMode(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	base := repository.Commit(t, files{"a": "1"})
	if err := os.Chmod(filepath.Join(repository.Dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	head := repository.Commit(t, nil)
	if got, err := repository.Open(t).Changes(base, head); err != nil || !slices.Equal(got, []history.Change{{Path: "a"}}) {
		t.Errorf("got %+v, %v; want the file that became executable", got, err)
	}
}

func sorted(changes []history.Change) []history.Change {
	slices.SortFunc(changes, func(a, b history.Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes
}

func TestChangesWithinReachOnly(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	if got, err := m.Fetch(t, mergeRef, 1).Open(t).Changes(m.base, m.merge); !errors.Is(err, history.ErrOutOfReach) {
		t.Errorf("at depth 1: got %+v, %v; want ErrOutOfReach", got, err)
	}
	if got, err := m.Fetch(t, mergeRef, 2).Open(t).Changes(m.base, m.merge); err != nil || !slices.Equal(got, []history.Change{{Path: "a"}}) {
		t.Errorf("at depth 2: got %+v, %v; want what the pull request changes", got, err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	base := repository.Commit(t, files{"d/a": "1\n", "b": ""})
	repository.Commit(t, files{"d/a": "2\n", "b": historytest.Gone})
	r := repository.Open(t)
	for path, want := range map[string]string{"d/a": "1\n", "b": ""} {
		if got, err := r.File(base, path); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", path, got, err, want)
		}
	}
	for name, path := range map[string]string{
		"absent": "c", "in an absent directory": "e/a", "a directory": "d", "below a file": "b/manifest.yml", "nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := r.File(base, path); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, history.ErrOutOfReach) {
				t.Errorf("got %q, %v; want fs.ErrNotExist", got, err)
			}
		})
	}
}

func TestFileOutOfReach(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	shallow := m.Fetch(t, mergeRef, 1).Open(t)
	if got, err := shallow.File(m.base, "a"); !errors.Is(err, history.ErrOutOfReach) {
		t.Errorf("at a commit that the checkout left behind: got %q, %v; want ErrOutOfReach", got, err)
	}

	// What `filter: blob:none` and `filter: tree:0` leave of older commits.
	for _, lost := range []string{"d/a", "d"} {
		t.Run("without the object of "+lost, func(t *testing.T) {
			t.Parallel()
			partial := historytest.New(t)
			commit := partial.Commit(t, files{"d/a": "1"})
			entry, err := treeOf(t, partial, commit, "").FindEntry(lost)
			if err != nil {
				t.Fatal(err)
			}
			partial.Lose(t, entry.Hash)
			if got, err := partial.Open(t).File(commit, "d/a"); !errors.Is(err, history.ErrOutOfReach) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %q, %v; want ErrOutOfReach: the commit has the file", got, err)
			}
		})
	}
}

func TestUncommitted(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	repository.Commit(t, files{"same": "1", "d/changed": "1", "gone": "1", ".gitignore": "*.pyc\nbuild/\n!kept.pyc\n", "d/deep/file": "1", "mode": "1"})
	r := repository.Open(t)
	if got, err := r.Uncommitted(); err != nil || len(got) > 0 {
		t.Fatalf("right after a commit: got %+v, %v", got, err)
	}
	repository.Write(t, files{
		"d/changed": "2", "gone": historytest.Gone, "e/new": "1", "e/ignored.pyc": "1", "e/kept.pyc": "1", "build/new": "1",
		"e/.gitignore": "new.txt\n", "e/new.txt": "1", "e/f/new.txt": "1", "d/deep/file": historytest.Gone,
	})
	repository.Write(t, files{"d/deep/file/in": "1"})
	if err := os.Chmod(filepath.Join(repository.Dir, "mode"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := []history.Change{
		{Path: "d/changed"}, {Path: "d/deep/file", Removed: true}, {Path: "d/deep/file/in"}, {Path: "e/.gitignore"},
		{Path: "e/kept.pyc"}, {Path: "e/new"}, {Path: "gone", Removed: true}, {Path: "mode"},
	}
	if got, err := r.Uncommitted(); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestUncommittedIsGoGits makes random changes, some of them staged, and compares with what go-git's Status says.
func TestUncommittedIsGoGits(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			name := func() string {
				return fmt.Sprintf("%c/%c/%d", 'a'+rune(random.IntN(3)), 'a'+rune(random.IntN(3)), random.IntN(4))
			}
			repository := historytest.New(t)
			begin := files{".gitignore": "3\n"}
			for range 20 {
				begin[name()] = "1"
			}
			repository.Commit(t, begin)
			opened, err := git.PlainOpen(repository.Dir)
			if err != nil {
				t.Fatal(err)
			}
			worktree, err := opened.Worktree()
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				path := name()
				file := filepath.Join(repository.Dir, path)
				switch random.IntN(4) {
				case 0:
					err = os.RemoveAll(file)
				case 1:
					err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(fmt.Sprint(random.IntN(3))), 0o644))
				case 2:
					_ = os.Chmod(file, 0o755) // it may not be there
				case 3:
					_, _ = worktree.Add(filepath.Dir(path)) // it may not be there
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			status, err := worktree.Status()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for path, s := range status {
				if s.Worktree != git.Unmodified || s.Staging != git.Unmodified {
					want[path] = true
				}
			}
			changes, err := repository.Open(t).Uncommitted()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, c := range changes {
				got[c.Path] = true
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
		})
	}
}

func TestUpstream(t *testing.T) {
	t.Parallel()
	// Each finds what comes before it gone.
	order := []string{"refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master"}
	for i, want := range order {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			repository := historytest.New(t)
			branches := map[string]string{}
			for _, ref := range order[i:] {
				branches[ref] = repository.Commit(t, files{"a": ref})
			}
			if err := repository.Git().Storer.RemoveReference(plumbing.Main); err != nil {
				t.Fatal(err)
			}
			for ref, commit := range branches {
				repository.SetRef(t, ref, commit)
			}
			if got, err := repository.Open(t).Upstream(); err != nil || got != branches[want] {
				t.Errorf("got %q, %v; want %q", got, err, branches[want])
			}
		})
	}
	t.Run("none of them", func(t *testing.T) {
		t.Parallel()
		if got, err := historytest.New(t).Open(t).Upstream(); !errors.Is(err, history.ErrOutOfReach) {
			t.Errorf("got %q, %v; want ErrOutOfReach", got, err)
		}
	})
}

func TestBranch(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	m.SetRef(t, "refs/heads/feat/a", m.head)
	r := m.Fetch(t, mergeRef, 0).Open(t)
	if got, err := r.Branch("feat/a"); err != nil || got != m.head {
		t.Errorf("got %q, %v; want %q", got, err, m.head)
	}
	if got, err := r.Branch("feat/b"); !errors.Is(err, history.ErrOutOfReach) {
		t.Errorf("got %q, %v; want ErrOutOfReach", got, err)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	commit := repository.Commit(t, nil)
	// The first minute of 2024, plus one.
	if got, err := repository.Open(t).Time(commit); err != nil || got != 1704067260 {
		t.Errorf("got %d, %v; want 1704067260", got, err)
	}
}

// bundle writes a directory with everything that git keeps, and what it does not.
func bundle(t *testing.T, repository *historytest.Repository) (dir string) {
	t.Helper()
	dir = filepath.Join(repository.Dir, "bundle")
	repository.Write(t, files{
		"bundle/manifest.yml": "name: Foo\n", "bundle/empty.py": "", "bundle/run.sh": "#!/bin/sh\n",
		// Git sorts a directory as if its name ended in a slash, which is between these.
		"bundle/a/x": "1", "bundle/a.b": "2", "bundle/a0": "3", "bundle/a-b/x": "4",
		"bundle/Ünicode/deep/er/x": "5", "bundle/model.bin": strings.Repeat("\x00\xff\r\n", 1<<15),
	})
	for _, err := range []error{
		os.Chmod(filepath.Join(dir, "run.sh"), 0o755),
		os.Symlink("manifest.yml", filepath.Join(dir, "link")),
		os.Symlink("../nowhere", filepath.Join(dir, "dangling")),
		os.Symlink("a", filepath.Join(dir, "directory")),
		os.MkdirAll(filepath.Join(dir, "nothing/in/here"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func treeOf(t *testing.T, repository *historytest.Repository, commit, dir string) *object.Tree {
	t.Helper()
	c, err := repository.Git().CommitObject(plumbing.NewHash(commit))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.Tree()
	if err == nil && dir != "" {
		tree, err = tree.Tree(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func treeHash(t *testing.T, dir string) string {
	t.Helper()
	hash, err := history.TreeHash(dir)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestTreeHashIsGits(t *testing.T) {
	t.Parallel()
	repository := historytest.New(t)
	dir := bundle(t, repository)
	commit := repository.Commit(t, nil)
	if got, want := treeHash(t, dir), treeOf(t, repository, commit, "bundle").Hash.String(); got != want {
		t.Errorf("the bundle's: got %s, want %s", got, want)
	}
	if got, want := treeHash(t, repository.Dir), treeOf(t, repository, commit, "").Hash.String(); got != want {
		t.Errorf("the repository's, which has a .git: got %s, want %s", got, want)
	}
	// `git hash-object -t tree /dev/null` says this everywhere.
	if got, want := treeHash(t, t.TempDir()), "4b825dc642cb6eb9a060e54bf8d69288fbee4904"; got != want {
		t.Errorf("the empty directory's: got %s, want %s", got, want)
	}
}

func TestTreeHashChanges(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		change  func(dir string) error
		differs bool
	}{
		{"one byte", func(dir string) error { return os.WriteFile(filepath.Join(dir, "empty.py"), []byte("\n"), 0o644) }, true},
		{"a new file that git does not know", func(dir string) error { return os.WriteFile(filepath.Join(dir, "nothing/in/here/x"), nil, 0o644) }, true},
		{"a file less", func(dir string) error { return os.Remove(filepath.Join(dir, "a/x")) }, true},
		{"a new name", func(dir string) error { return os.Rename(filepath.Join(dir, "a0"), filepath.Join(dir, "a1")) }, true},
		{"an executable", func(dir string) error { return os.Chmod(filepath.Join(dir, "a0"), 0o744) }, true},
		{"a link's target", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "link")), os.Symlink("a0", filepath.Join(dir, "link")))
		}, true},
		{"who may read", func(dir string) error { return os.Chmod(filepath.Join(dir, "a0"), 0o600) }, false},
		{"who else may execute", func(dir string) error { return os.Chmod(filepath.Join(dir, "a0"), 0o655) }, false},
		{"an empty directory", func(dir string) error { return os.Mkdir(filepath.Join(dir, "more"), 0o755) }, false},
		{"a .git inside", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "a/.git"), []byte("gitdir: x\n"), 0o644)
		}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := bundle(t, historytest.New(t))
			before := treeHash(t, dir)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			if after := treeHash(t, dir); (after != before) != c.differs {
				t.Errorf("before %s, after %s; should they differ: %t", before, after, c.differs)
			}
		})
	}
}

func TestTreeHashOfNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "absent")
	if _, err := history.TreeHash(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v; want fs.ErrNotExist", err)
	}
}
