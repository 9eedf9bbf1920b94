//go:build !race

package pipeline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/history/historytest"
)

// timeline writes a hub's history.
type timeline struct {
	t       *testing.T
	git     *git.Repository
	count   int
	commits []moment
}

// moment is one commit, and what led to it.
type moment struct {
	name, commit, before string
	// branch is the other parent of a merge, and fork where it left.
	branch, fork string
	files        snapshot
}

// commit makes a commit of files.
func (l *timeline) commit(files snapshot, parents ...string) string {
	l.t.Helper()
	l.count++
	author := object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9+int64(l.count), 0)}
	c := &object.Commit{Author: author, Committer: author, Message: "feat: a change", TreeHash: l.tree(files)}
	for _, p := range parents {
		c.ParentHashes = append(c.ParentHashes, plumbing.NewHash(p))
	}
	return l.store(plumbing.CommitObject, c.Encode).String()
}

// tree stores files as a tree.
func (l *timeline) tree(files snapshot) plumbing.Hash {
	below := map[string]snapshot{}
	var tree object.Tree
	for name, b := range files {
		first, rest, deeper := strings.Cut(name, "/")
		switch {
		case deeper && below[first] == nil:
			below[first] = snapshot{rest: b}
		case deeper:
			below[first][rest] = b
		case b.mode == filemode.Submodule:
			tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: b.mode, Hash: plumbing.NewHash(strings.Repeat("1", 40))})
		default:
			hash := l.store(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
				w, err := o.Writer()
				if err == nil {
					_, err = w.Write([]byte(b.text))
				}
				return err
			})
			tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: b.mode, Hash: hash})
		}
	}
	for name, files := range below {
		tree.Entries = append(tree.Entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: l.tree(files)})
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	return l.store(plumbing.TreeObject, tree.Encode)
}

func (l *timeline) store(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) plumbing.Hash {
	l.t.Helper()
	o := l.git.Storer.NewEncodedObject()
	o.SetType(kind)
	err := encode(o)
	var hash plumbing.Hash
	if err == nil {
		hash, err = l.git.Storer.SetEncodedObject(o)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return hash
}

// next goes on from the newest commit.
func (l *timeline) next(name string, change func(snapshot)) {
	files, before := snapshot{}, ""
	var parents []string
	if n := len(l.commits); n > 0 {
		files, before = maps.Clone(l.commits[n-1].files), l.commits[n-1].commit
		parents = []string{before}
	}
	change(files)
	l.commits = append(l.commits, moment{name: name, commit: l.commit(files, parents...), before: before, files: files})
}

// merge makes changes on a branch, others beside it, and a merge that has both.
func (l *timeline) merge(name string, on, beside func(snapshot)) {
	fork := l.commits[len(l.commits)-1]
	branch := maps.Clone(fork.files)
	on(branch)
	tip := l.commit(branch, fork.commit)
	l.next("beside "+name, beside)
	main := l.commits[len(l.commits)-1]
	both := maps.Clone(main.files)
	for _, file := range (oracle{fork.files, branch}).changed() {
		if b, ok := branch[file]; ok {
			put(both, file, b)
		} else {
			delete(both, file)
		}
	}
	l.commits = append(l.commits, moment{name: name, commit: l.commit(both, main.commit, tip), before: main.commit, branch: tip, fork: fork.commit, files: both})
}

// put writes a file. What stands where its directories, or its own, must be is gone then.
func put(files snapshot, file string, b blob) {
	for _, dir := range above(file) {
		delete(files, dir)
	}
	remove(files, file)
	files[file] = b
}

func write(files snapshot, file, text string) { put(files, file, blob{filemode.Regular, text}) }

// remove takes away a file or a directory.
func remove(files snapshot, name string) {
	maps.DeleteFunc(files, func(file string, _ blob) bool { return file == name || strings.HasPrefix(file, name+"/") })
}

// move takes a directory elsewhere.
func move(files snapshot, from, to string) {
	taken := snapshot{}
	for file, b := range files {
		if rest, ok := strings.CutPrefix(file, from+"/"); ok {
			taken[to+"/"+rest] = b
		}
	}
	remove(files, from)
	for file, b := range taken {
		put(files, file, b)
	}
}

// written is a manifest.
func written(dir, name, version string) string {
	kind := "encoder"
	if parts := strings.Split(dir, "/"); len(parts) > 1 {
		kind = strings.TrimSuffix(parts[1], "s")
	}
	text := "name: " + name + "\nkind: " + kind + "\ntype: pod\ndescription: It was made for " + dir + "\n"
	if version != "" {
		text += "version: " + version + "\n"
	}
	return text
}

// add makes a bundle.
func add(files snapshot, dir, name, version string) {
	write(files, dir+"/manifest.yml", written(dir, name, version))
	write(files, dir+"/Dockerfile", recipe)
	write(files, dir+"/src/"+strings.ToLower(name)+".py", "print("+name+")\n")
}

// bundlesIn are the directories that hold a manifest or a Dockerfile, sorted.
func bundlesIn(files snapshot) []string {
	found := map[string]bool{}
	for file := range files {
		if base := path.Base(file); (base == "manifest.yml" || base == "Dockerfile") && path.Dir(file) != "." && !hiddenDir(path.Dir(file)) {
			found[path.Dir(file)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// newTimeline is an empty history.
func newTimeline(t *testing.T, r *historytest.Repository) *timeline {
	return &timeline{t: t, git: r.Git()}
}

// wander changes something at random.
func wander(files snapshot, r *rand.Rand, serial int) string {
	kinds, groups := []string{"encoders", "indexer", "crafters", "rankers"}, []string{"", "nlp/", "image/"}
	place := func() string {
		return fmt.Sprintf("executors/%s/%sB%d", kinds[r.IntN(len(kinds))], groups[r.IntN(len(groups))], r.IntN(12))
	}
	version := func() string {
		return []string{"0.0.1", "0.0.2", "0.1.0", "0.1.1", "0.3.0", "1.0.0", "1.0.0-rc.1", "1.0.0-rc.2", "2.0.0", ""}[r.IntN(10)]
	}
	name := fmt.Sprintf("Name%d", r.IntN(14))
	all := bundlesIn(files)
	if len(all) < 3 {
		dir := place()
		add(files, dir, name, version())
		return "add " + dir
	}
	some, other := all[r.IntN(len(all))], all[r.IntN(len(all))]
	text := fmt.Sprintf("# %d\n", serial)
	switch r.IntN(22) {
	case 0, 1:
		write(files, some+"/src/more.py", text)
		return "a file of " + some
	case 2, 3, 4:
		write(files, some+"/manifest.yml", written(some, name, version()))
		return "a version of " + some
	case 5:
		write(files, some+"/manifest.yml", written(some, strings.ToUpper(name), version()))
		write(files, some+"/run", text)
		return "the manifest and a file of " + some
	case 6, 7:
		to := place()
		move(files, some, to)
		return "move " + some + " to " + to
	case 8, 9:
		dir := place()
		add(files, dir, name, version())
		return "add " + dir
	case 10:
		remove(files, some)
		return "remove " + some
	case 11:
		remove(files, some+"/manifest.yml")
		return "remove the manifest of " + some
	case 12:
		remove(files, some+"/Dockerfile")
		return "remove the Dockerfile of " + some
	case 13:
		for _, file := range []string{"README.md", "executors/encoders/README.md", "executors/crafters/nlp/util.py", "Dockerfile", "manifest.yml"} {
			write(files, file, text)
		}
		return "above all"
	case 14:
		for file, b := range files {
			if strings.HasPrefix(file, some+"/") && b.mode == filemode.Regular {
				files[file] = blob{filemode.Executable, b.text}
			}
		}
		return "modes in " + some
	case 15:
		if strings.HasPrefix(some, other+"/") || strings.HasPrefix(other, some+"/") || some == other {
			return "nothing"
		}
		move(files, some, "executors/.swap")
		move(files, other, some)
		move(files, "executors/.swap", other)
		return "swap " + some + " and " + other
	case 16:
		dir := []string{"tools/Lost", "Lost", "executors/Lost", "docs/a/b/Lost"}[r.IntN(4)]
		move(files, some, dir)
		return "misplace " + some + " at " + dir
	case 17:
		put(files, some+"/sub", blob{mode: filemode.Submodule})
		return "a submodule in " + some
	case 18:
		write(files, some+"/manifest.yml", "name: [\n"+text)
		return "break " + some
	case 19:
		write(files, "tools/web/manifest.yml", "services: {}\n"+text)
		write(files, ".github/template/manifest.yml", written("executors/encoders/T", "T", version())+text)
		write(files, some+"/.hidden/manifest.yml", text)
		return "what is no bundle"
	case 20:
		dir := place()
		write(files, dir+"/"+[]string{"config.yml", "requirements.txt", "Dockerfile", "other.py"}[r.IntN(4)], text)
		return "a file at " + dir
	default:
		add(files, some+"/Inner", name, version())
		return "nest one in " + some
	}
}
