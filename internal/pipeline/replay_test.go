// A hundred commits take minutes under the race detector, and nothing in them runs side by side.

//go:build !race

package pipeline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/jina/hub-publish/internal/beneath"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/history/historytest"
	layout "github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/rule"
	"github.com/jina/hub-publish/internal/selection"
)

// moves makes every kind of change that a hub sees, one a commit.
func moves(l *timeline) {
	const foo, bar, baz = "executors/encoders/Foo", "executors/encoders/image/Bar", "executors/indexers/Baz"
	manifest := func(dir, name, version string) func(snapshot) {
		return func(files snapshot) { write(files, dir+"/manifest.yml", written(dir, name, version)) }
	}
	file := func(name, text string) func(snapshot) {
		return func(files snapshot) { write(files, name, text) }
	}
	l.next("a hub without bundles", func(files snapshot) {
		write(files, "README.md", "A hub.\n")
		write(files, "executors/encoders/README.md", "Encoders.\n")
	})
	l.next("two bundles are added", func(files snapshot) { add(files, foo, "Foo0", "0.0.1"); add(files, bar, "Bar0", "0.1.0") })
	l.next("a file changes, and no version", file(foo+"/src/foo0.py", "2"))
	l.next("the next patch", manifest(foo, "Foo0", "0.0.2"))
	l.next("a version is left out", manifest(foo, "Foo0", "0.0.4"))
	l.next("a version goes back", manifest(foo, "Foo0", "0.0.3"))
	l.next("a pre-release", manifest(foo, "Foo0", "1.0.0-rc.1"))
	l.next("another one", manifest(foo, "Foo0", "1.0.0-rc.2"))
	l.next("its release", manifest(foo, "Foo0", "1.0.0"))
	l.next("no version at all", manifest(foo, "Foo0", ""))
	l.next("files above all bundles", func(files snapshot) {
		for _, name := range []string{"README.md", ".github/workflows/hub.yml", "executors/encoders/README.md", "executors/encoders/image/util.py", "Dockerfile", "setup.py"} {
			write(files, name, "new\n")
		}
	})
	l.next("a manifest at the top", file("manifest.yml", written(".", "Top", "0.0.1")))
	l.next("a bundle moves into a group", func(files snapshot) { move(files, foo, "executors/encoders/nlp/Foo") })
	l.next("it moves back, with a new version", func(files snapshot) {
		move(files, "executors/encoders/nlp/Foo", foo)
		write(files, foo+"/manifest.yml", written(foo, "Foo0", "0.0.1"))
	})
	l.next("it gets another name where it stands", manifest(foo, "Fox0", "0.0.1"))
	l.next("it gets another name and moves", func(files snapshot) {
		move(files, foo, "executors/encoders/Fix")
		write(files, "executors/encoders/Fix/manifest.yml", written(foo, "Fix0", "0.0.2"))
	})
	l.next("it moves to another kind", func(files snapshot) { move(files, "executors/encoders/Fix", "executors/rankers/Fix") })
	l.next("it splits", func(files snapshot) {
		add(files, "executors/rankers/FixA", "FixA", "0.0.1")
		add(files, "executors/rankers/FixB", "Fix0", "0.0.3")
		remove(files, "executors/rankers/Fix")
	})
	l.next("two become one", func(files snapshot) {
		move(files, "executors/rankers/FixA/src", "executors/rankers/FixB/lib")
		remove(files, "executors/rankers/FixA")
	})
	l.next("two change places", func(files snapshot) {
		move(files, bar, "executors/.x")
		move(files, "executors/rankers/FixB", bar)
		move(files, "executors/.x", "executors/rankers/FixB")
	})
	l.next("modes", func(files snapshot) { files[bar+"/Dockerfile"] = blob{filemode.Executable, recipe} })
	l.next("a link in a bundle", func(files snapshot) { put(files, bar+"/link", blob{filemode.Symlink, "Dockerfile"}) })
	l.next("a file becomes a directory", func(files snapshot) { write(files, bar+"/link/x", "1") })
	l.next("a directory becomes a file", file(bar+"/src", "1"))
	l.next("a submodule in a bundle", func(files snapshot) { put(files, bar+"/sub", blob{mode: filemode.Submodule}) })
	l.next("a submodule goes", func(files snapshot) { remove(files, bar+"/sub") })
	l.next("a submodule instead of a bundle", func(files snapshot) {
		remove(files, "executors/rankers/FixB")
		put(files, "executors/rankers/FixB", blob{mode: filemode.Submodule})
	})
	l.next("a bundle instead of a submodule", func(files snapshot) { add(files, "executors/rankers/FixB", "FixB", "3.0.0") })
	l.next("a bundle without a manifest", file("executors/crafters/Bare/config.yml", "!Bare"))
	l.next("and one in a group", file("executors/crafters/nlp/Bare/requirements.txt", "numpy"))
	l.next("they get manifests", func(files snapshot) {
		add(files, "executors/crafters/Bare", "Bare0", "0.0.1")
		add(files, "executors/crafters/nlp/Bare", "Bare1", "0.0.1")
	})
	l.next("a manifest goes", func(files snapshot) { remove(files, "executors/crafters/Bare/manifest.yml") })
	l.next("what shows it goes too", func(files snapshot) {
		remove(files, "executors/crafters/Bare/Dockerfile")
		remove(files, "executors/crafters/Bare/config.yml")
	})
	l.next("the rest goes", func(files snapshot) { remove(files, "executors/crafters/Bare") })
	l.next("a bundle in a bundle", func(files snapshot) { add(files, bar+"/Inner", "Inner", "0.0.1") })
	l.next("the outer one goes", func(files snapshot) {
		for name := range files {
			if strings.HasPrefix(name, bar+"/") && !strings.HasPrefix(name, bar+"/Inner/") {
				delete(files, name)
			}
		}
	})
	l.next("a misplaced bundle", func(files snapshot) { add(files, "tools/Lost", "Lost", "0.0.1") })
	l.next("it finds its place", func(files snapshot) { move(files, "tools/Lost", baz) })
	l.next("another tool's manifest, with a Dockerfile", func(files snapshot) {
		write(files, "tools/web/manifest.yml", "services: {}\n")
		write(files, "tools/web/Dockerfile", recipe)
	})
	l.next("both go", func(files snapshot) { remove(files, "tools/web") })
	l.next("a manifest that does not parse", file(baz+"/manifest.yml", "name: [\n"))
	l.next("it parses again", manifest(baz, "Lost", "0.0.9"))
	l.next("hidden directories", func(files snapshot) {
		write(files, ".attic/New/manifest.yml", written(baz, "New0", "3.0.0"))
		write(files, baz+"/.cache/manifest.yml", written(baz, "Cached", "3.0.0"))
	})
	l.next("out of a hidden directory", func(files snapshot) { move(files, ".attic/New", "executors/indexers/New") })
	l.next("everything goes", func(files snapshot) { remove(files, "executors/indexers"); remove(files, "executors/rankers") })
	for back := 2; back < 6; back++ {
		earlier := l.commits[len(l.commits)-back].files
		l.next(fmt.Sprintf("back by %d", back), func(files snapshot) { clear(files); maps.Copy(files, earlier) })
	}
	l.merge("a merge of what changed beside it", manifest("executors/rankers/FixB", "FixB", "3.0.1"), file("README.md", "merged\n"))
	l.merge("a merge of two changes of one bundle", file("executors/rankers/FixB/a.py", "1"), manifest("executors/rankers/FixB", "FixB", "3.1.0"))
	l.merge("a merge of a bundle that moved", func(files snapshot) { move(files, "executors/rankers/FixB", "executors/rankers/nlp/FixB") }, file("executors/rankers/README.md", "1"))
	l.merge("a merge of nothing", func(snapshot) {}, file("README.md", "again\n"))
}

// TestReplay goes through a hub's whole history, and holds what each commit selects against the naive reading of the
// contract: as it was pushed, and, for a merge, as the pull request before it. Its second part is made by chance.
func TestReplay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			repository := historytest.New(t)
			l := newTimeline(t, repository)
			moves(l)
			chance(l, rand.New(rand.NewPCG(seed, 4)), 100)
			told := strings.Join(replay(t, repository, l.commits), "\n")
			for _, words := range []string{": removed", `was ""`, "; version/not-bumped:1", "; version/not-bumped:5", "; version/skipped:5", ", was \"name: Foo0"} {
				if !strings.Contains(told, words) {
					t.Errorf("nothing in this history is %q", words)
				}
			}
		})
	}
}

// chance goes on with commits that change something at random, merges and reverts among them.
func chance(l *timeline, random *rand.Rand, n int) {
	for i := range n {
		name := ""
		step := func(files snapshot) { name = wander(files, random, i) }
		switch {
		case i%10 == 9:
			l.merge("a merge: ", step, func(files snapshot) { write(files, "README.md", fmt.Sprint(i)) })
		case i%17 == 16:
			earlier := l.commits[len(l.commits)-2-random.IntN(5)].files
			l.next("a revert", func(files snapshot) { clear(files); maps.Copy(files, earlier) })
		default:
			l.next("", step)
		}
		l.commits[len(l.commits)-1].name += name
	}
}

// replay holds what a run selects at each commit against what the oracle says, and returns that.
func replay(t *testing.T, repository *historytest.Repository, commits []moment) (told []string) {
	t.Helper()
	for i, m := range commits[1:] {
		hold := func(what, base, head string, e event.Event) {
			repository.Checkout(t, head)
			want := oracle{readWhole(t, repository.Git(), base), readWhole(t, repository.Git(), head)}.answer()
			told = append(told, want...)
			if got := answered(t, repository, e); !slices.Equal(got, want) {
				t.Errorf("commit %d (%s), %s: got\n%s\nwant\n%s", i+1, m.name, what, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		hold("pushed", m.before, m.commit, event.Event{Name: "push", Before: m.before, SHA: m.commit})
		if m.branch != "" {
			hold("as a pull request's merge", m.before, m.commit, event.Event{Name: "pull_request", PullRequest: 1, Base: m.before, Head: m.branch, SHA: m.commit})
			hold("as a pull request's head", m.fork, m.branch, event.Event{Name: "pull_request", PullRequest: 1, Base: m.before, Head: m.branch, SHA: m.commit})
			hold("as a merge group", m.before, m.commit, event.Event{Name: "merge_group", Base: m.before, Head: m.commit, SHA: m.commit})
		}
		if i > 3 {
			earlier := commits[i-2].commit
			hold("pushed with those before it", earlier, m.commit, event.Event{Name: "push", Before: earlier, SHA: m.commit})
		}
	}
	return told
}

// answered is what a run selects, a line a bundle, with what the version rules find.
func answered(t *testing.T, repository *historytest.Repository, e event.Event) []string {
	t.Helper()
	files, err := beneath.Open(repository.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	c, err := compare.Find(t.Context(), e, repository.Open(t), compare.NoAPI{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := layout.Open(files, "", config.Default())
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := selection.Select(t.Context(), h, c, []string{selection.Changed})
	if err != nil {
		t.Fatal(err)
	}
	checker := rule.NewChecker(h, config.Default(), bundles)
	var lines []string
	for _, b := range bundles {
		if b.Removed {
			lines = append(lines, b.Path+": removed")
			continue
		}
		was := ""
		if b.Base != nil {
			was = string(b.Base.Data())
		}
		line := fmt.Sprintf("%s: %d paths changed, was %q", b.Path, len(b.Changed), was)
		for _, f := range checker.Check(b) {
			if strings.HasPrefix(f.Rule, "version/") {
				line += fmt.Sprintf("; %s:%d", f.Rule, f.Line)
			}
		}
		lines = append(lines, line)
	}
	return lines
}
