package history_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/needs"
)

// fork is a history whose main and topic branches both go on from a commit that has the directory d.
type fork struct {
	*historytest.Repository
	root string
}

func newFork(t *testing.T) fork {
	t.Helper()
	r := historytest.New(t)
	return fork{r, r.Commit(t, files{"d/a": "1", "d/deep/b": "1", "other": "1"})}
}

// on commits on top of another commit.
func (f fork) on(t *testing.T, parent string, change files) string {
	t.Helper()
	f.Checkout(t, parent)
	return f.Commit(t, change)
}

// merge merges the second commit into the first; what the first does not have yet is the change.
func (f fork) merge(t *testing.T, first, second string, change files) string {
	t.Helper()
	f.Checkout(t, first)
	return f.Commit(t, change, first, second)
}

func TestLastChange(t *testing.T) {
	t.Parallel()
	const path = "d"
	for name, build := range map[string]func(*testing.T, fork) (head, want string){
		"the first commit": func(_ *testing.T, f fork) (string, string) { return f.root, f.root },
		"a commit": func(t *testing.T, f fork) (string, string) {
			c := f.on(t, f.root, files{"d/a": "2"})
			return c, c
		},
		"a commit below": func(t *testing.T, f fork) (string, string) {
			c := f.on(t, f.root, files{"d/deep/b": "2"})
			return f.on(t, c, files{"other": "2"}), c
		},
		"before commits that change something else": func(t *testing.T, f fork) (string, string) {
			c := f.on(t, f.root, files{"d/a": "2"})
			return f.on(t, f.on(t, f.on(t, c, files{"other": "2"}), nil), files{"d2/a": "1"}), c
		},
		"a commit that a merge brought": func(t *testing.T, f fork) (string, string) {
			main := f.on(t, f.root, files{"other": "2"})
			topic := f.on(t, f.root, files{"d/a": "2"})
			return f.merge(t, main, f.on(t, topic, files{"more": "1"}), files{"d/a": "2", "more": "1"}), topic
		},
		"a commit before a merge that brought something else": func(t *testing.T, f fork) (string, string) {
			main := f.on(t, f.root, files{"d/a": "2"})
			topic := f.on(t, f.root, files{"other": "2"})
			return f.merge(t, main, topic, files{"other": "2"}), main
		},
		"the first parent's of two that did the same": func(t *testing.T, f fork) (string, string) {
			main := f.on(t, f.root, files{"d/a": "2"})
			topic := f.on(t, f.root, files{"d/a": "2", "other": "2"})
			return f.merge(t, main, topic, files{"other": "2"}), main
		},
		"a squash": func(t *testing.T, f fork) (string, string) {
			f.on(t, f.on(t, f.root, files{"d/a": "2"}), files{"d/a": "3"})
			squash := f.on(t, f.root, files{"d/a": "3"})
			return f.on(t, squash, files{"other": "3"}), squash
		},
		"a merge that has some of both": func(t *testing.T, f fork) (string, string) {
			main := f.on(t, f.root, files{"d/a": "2"})
			topic := f.on(t, f.root, files{"d/deep/b": "2"})
			merge := f.merge(t, main, topic, files{"d/deep/b": "2"})
			return merge, merge
		},
		"a merge that changes what neither branch did": func(t *testing.T, f fork) (string, string) {
			merge := f.merge(t, f.on(t, f.root, files{"other": "2"}), f.on(t, f.root, files{"more": "2"}), files{"d/a": "evil", "more": "2"})
			return f.on(t, merge, files{"other": "3"}), merge
		},
		"a merge that leaves the topic's change out": func(t *testing.T, f fork) (string, string) {
			return f.merge(t, f.on(t, f.root, files{"other": "2"}), f.on(t, f.root, files{"d/a": "2"}), nil), f.root
		},
		"of three parents": func(t *testing.T, f fork) (string, string) {
			one, two, three := f.on(t, f.root, files{"one": "1"}), f.on(t, f.root, files{"two": "1"}), f.on(t, f.root, files{"d/a": "2"})
			f.Checkout(t, one)
			return f.Commit(t, files{"two": "1", "d/a": "2"}, one, two, three), three
		},
		"a revert to what was there before": func(t *testing.T, f fork) (string, string) {
			revert := f.on(t, f.on(t, f.root, files{"d/a": "2"}), files{"d/a": "1"})
			return f.on(t, revert, files{"other": "2"}), revert
		},
		"a removal and its revert": func(t *testing.T, f fork) (string, string) {
			back := f.on(t, f.on(t, f.root, files{"d/a": historytest.Gone, "d/deep/b": historytest.Gone}), files{"d/a": "1", "d/deep/b": "1"})
			return f.on(t, back, nil), back
		},
		"a file that was a directory before": func(t *testing.T, f fork) (string, string) {
			if err := os.RemoveAll(filepath.Join(f.Dir, "d")); err != nil {
				t.Fatal(err)
			}
			f.Commit(t, nil)
			file := f.Commit(t, files{"d": "a file"})
			return f.on(t, file, files{"other": "2"}), file
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFork(t)
			head, want := build(t, f)
			got, complete, err := f.Open(t).LastChange(head, path)
			if got != want || !complete || err != nil {
				t.Errorf("got %s, complete %t, %v; want %s", got, complete, err, want)
			}
			if known, ok := logged(t, f.Dir, head, path); ok && known != want {
				t.Errorf("git says %s", known)
			}
		})
	}
}

func TestLastChangeOfAPath(t *testing.T) {
	t.Parallel()
	f := newFork(t)
	deep := f.on(t, f.root, files{"d/deep/b": "2"})
	other := f.on(t, deep, files{"other": "2"})
	if err := os.Chmod(filepath.Join(f.Dir, "d/a"), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := f.Commit(t, nil)
	head := f.Commit(t, nil)
	r := f.Open(t)
	for path, want := range map[string]string{
		"d/a": mode, "d": mode, "d/deep/b": deep, "d/deep": deep, "d/deep/": deep, "./d/deep": deep, "other": other, ".": mode, "": mode,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			if got, complete, err := r.LastChange(head, path); got != want || !complete || err != nil {
				t.Errorf("got %s, complete %t, %v; want %s", got, complete, err, want)
			}
		})
	}
}

func TestLastChangeOfAnAbsentPath(t *testing.T) {
	t.Parallel()
	f := newFork(t)
	head := f.on(t, f.root, files{"d/deep/b": historytest.Gone})
	r := f.Open(t)
	for name, path := range map[string]string{
		"never there": "e", "in a directory that is not there": "e/a", "not there any more": "d/deep", "below a file": "d/a/b", "outside": "../d", "from the root": "/d",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, complete, err := r.LastChange(head, path)
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), head[:10]) || got != "" || complete {
				t.Errorf("got %q, complete %t, %v; the error should name the path and the commit", got, complete, err)
			}
		})
	}
	if got, complete, err := r.LastChange(absent, "d"); !errors.Is(err, history.ErrOutOfReach) || got != "" || complete {
		t.Errorf("at a commit that is not there: got %q, complete %t, %v; want ErrOutOfReach", got, complete, err)
	}
}

func TestLastChangeInAShallowCheckout(t *testing.T) {
	t.Parallel()
	f := newFork(t)
	changed := f.on(t, f.root, files{"d/a": "2"})
	then := f.on(t, changed, files{"other": "2"})
	main := f.on(t, then, files{"other": "3"})
	topic := f.on(t, then, files{"d/deep/b": "2"})
	merge := f.merge(t, main, topic, files{"d/deep/b": "2"})
	f.SetRef(t, "refs/heads/main", main)
	f.SetRef(t, "refs/heads/merged", merge)
	for _, c := range []struct {
		ref, path string
		depth     int
		want      string
		complete  bool
	}{
		{"main", "d", 1, main, false},
		{"main", "d", 2, then, false},
		{"main", "d", 3, changed, false}, // its parent could have the same
		{"main", "d", 4, changed, true},
		{"main", "d/deep", 3, changed, false},
		{"main", "d/deep", 4, f.root, true},
		{"main", "d/deep", 0, f.root, true},
		{"merged", "d", 1, merge, false},
		{"merged", "d", 2, topic, false},
		{"merged", "d", 3, topic, true},
		{"merged", "other", 2, main, false},
		{"merged", "other", 3, main, true},
	} {
		t.Run(fmt.Sprintf("%s of %s at depth %d", c.path, c.ref, c.depth), func(t *testing.T) {
			t.Parallel()
			checkout := f.Fetch(t, "refs/heads/"+c.ref, c.depth).Open(t)
			head, err := checkout.Head()
			if err != nil {
				t.Fatal(err)
			}
			if got, complete, err := checkout.LastChange(head, c.path); got != c.want || complete != c.complete || err != nil {
				t.Errorf("got %s, complete %t, %v; want %s, %t", got, complete, err, c.want, c.complete)
			}
		})
	}
}

// TestLastChangeWithoutAParent has one of a merge's parents missing, or the trees of one, as a partial clone leaves them out.
func TestLastChangeWithoutAParent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lose     func(t *testing.T, f fork, main, topic string) plumbing.Hash
		path     string
		want     string
		complete bool
	}{
		"the first, and the second has the same": {func(_ *testing.T, _ fork, main, _ string) plumbing.Hash { return plumbing.NewHash(main) }, "d", "topic", true},
		"the first, and the second has another":  {func(_ *testing.T, _ fork, main, _ string) plumbing.Hash { return plumbing.NewHash(main) }, "other", "merge", false},
		"the second, and the first has the same": {func(_ *testing.T, _ fork, _, topic string) plumbing.Hash { return plumbing.NewHash(topic) }, "other", "main", true},
		"the second, and the first has another":  {func(_ *testing.T, _ fork, _, topic string) plumbing.Hash { return plumbing.NewHash(topic) }, "d", "merge", false},
		"the second's tree, and the first's another": {func(t *testing.T, f fork, _, topic string) plumbing.Hash {
			return treeOf(t, f.Repository, topic, "").Hash
		}, "d", "merge", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFork(t)
			commits := map[string]string{"main": f.on(t, f.root, files{"other": "2"}), "topic": f.on(t, f.root, files{"d/a": "2"})}
			commits["merge"] = f.merge(t, commits["main"], commits["topic"], files{"d/a": "2"})
			f.Lose(t, c.lose(t, f, commits["main"], commits["topic"]))
			got, complete, err := f.Open(t).LastChange(commits["merge"], c.path)
			if got != commits[c.want] || complete != c.complete || err != nil {
				t.Errorf("got %s, complete %t, %v; want %s of %v, %t", got, complete, err, c.want, commits, c.complete)
			}
		})
	}
}

func TestLastChangeWithoutTheHeadsTree(t *testing.T) {
	t.Parallel()
	f := newFork(t)
	f.Lose(t, treeOf(t, f.Repository, f.root, "d").Hash)
	r := f.Open(t)
	if got, complete, err := r.LastChange(f.root, "d/a"); !errors.Is(err, history.ErrOutOfReach) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %q, complete %t, %v; want ErrOutOfReach", got, complete, err)
	}
	if got, complete, err := r.LastChange(f.root, "d"); got != f.root || !complete || err != nil {
		t.Errorf("of what needs no such tree: got %q, complete %t, %v", got, complete, err)
	}
}

// TestLastChangeIsGits makes random histories, with merges that take what they like from where they like, and compares with
// what git says of every path.
func TestLastChangeIsGits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		needs.Missing(t, "needs git")
	}
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			repository := historytest.New(t)
			paths := []string{"d/a", "d/b", "d/e/a", "e/a"}
			commits := []string{repository.Commit(t, files{"d/a": "1", "d/e/a": "1", "keep": "1"})}
			holds := map[string]files{commits[0]: {"d/a": "1", "d/e/a": "1"}}
			for range 12 {
				parents := []string{commits[len(commits)-1-random.IntN(min(3, len(commits)))]}
				if random.IntN(2) == 0 {
					if other := commits[random.IntN(len(commits))]; other != parents[0] {
						parents = append(parents, other)
					}
				}
				repository.Checkout(t, parents[0])
				now, change := files{}, files{}
				for _, path := range paths {
					before, from := holds[parents[0]][path], holds[parents[random.IntN(len(parents))]][path]
					if random.IntN(5) == 0 {
						from = []string{"", "1", "2"}[random.IntN(3)]
					}
					switch {
					case from != "":
						now[path], change[path] = from, from
					case before != "":
						change[path] = historytest.Gone
					}
				}
				commit := repository.Commit(t, change, parents...)
				commits = append(commits, commit)
				holds[commit] = now
			}
			r := repository.Open(t)
			head := commits[len(commits)-1]
			there := map[string]bool{".": true}
			for path := range holds[head] {
				for ; path != "."; path = filepath.Dir(path) {
					there[path] = true
				}
			}
			for path := range there {
				want, _ := logged(t, repository.Dir, head, path)
				if got, complete, err := r.LastChange(head, path); got != want || !complete || err != nil {
					t.Errorf("%s: got %s, complete %t, %v; git says %s", path, got, complete, err, want)
				}
			}
		})
	}
}

// logged is the last commit that changed a path as git says, where there is one.
func logged(t *testing.T, dir, head, path string) (commit string, ok bool) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		return "", false
	}
	command := exec.Command("git", "log", "-1", "--format=%H", head, "--", path)
	command.Dir = dir
	command.Env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "PATH=" + os.Getenv("PATH")}
	output, err := command.Output()
	if err != nil {
		t.Fatal(command, err)
	}
	return strings.TrimSpace(string(output)), true
}
