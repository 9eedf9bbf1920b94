package history

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/sync/errgroup"
)

// Uncommitted are the paths that differ between the commit that is checked out and the files in the workspace, sorted.
//
// go-git's Status reads every file and every tree for it, which takes 15 s on 60,000 files. As git does, this believes the
// index: a file whose size, time and mode are those that the index knows is as it was, and a directory whose tree the index
// has noted is what that tree says.
func (r *Repository) Uncommitted() ([]Change, error) {
	changes, err := r.uncommitted()
	if err != nil {
		return nil, fmt.Errorf("look for uncommitted changes: %w", err)
	}
	return changes, nil
}

func (r *Repository) uncommitted() ([]Change, error) {
	dir, err := r.Dir()
	if err != nil {
		return nil, err
	}
	idx, err := r.git.Storer.Index()
	if err != nil {
		return nil, err
	}
	head, err := r.Head()
	if err != nil {
		return nil, err
	}
	tree, err := r.tree(head)
	if err != nil {
		return nil, err
	}
	staged := staging{repository: r, index: idx, noted: notedTrees(idx.Cache), changes: map[string]bool{}}
	if err := staged.compare("", tree.Hash, idx.Entries); err != nil {
		return nil, err
	}
	w := &worktree{dir: dir, index: idx, entries: map[string]*index.Entry{}, dirs: map[string]bool{}, changes: staged.changes}
	if err := w.compare(); err != nil {
		return nil, err
	}
	var all []Change
	for _, p := range slices.Sorted(maps.Keys(w.changes)) {
		all = append(all, Change{Path: p, Removed: w.changes[p]})
	}
	return all, nil
}

// notedTrees are the trees of directories that the index knows to be what it holds of them.
func notedTrees(cache *index.Tree) map[string]plumbing.Hash {
	noted := map[string]plumbing.Hash{}
	if cache == nil {
		return noted
	}
	rest := cache.Entries
	var read func(above string)
	read = func(above string) {
		if len(rest) == 0 {
			return
		}
		entry := rest[0]
		rest = rest[1:]
		dir := path.Join(above, entry.Path)
		if entry.Entries >= 0 {
			noted[dir] = entry.Hash
		}
		for range entry.Trees {
			read(dir)
		}
	}
	read("")
	return noted
}

// staging finds what differs between a commit's tree and the index.
type staging struct {
	repository *Repository
	index      *index.Index
	noted      map[string]plumbing.Hash
	changes    map[string]bool // whether the path is gone
}

// compare compares a directory's tree with its entries of the index, which are sorted by path.
func (s *staging) compare(dir string, hash plumbing.Hash, entries []*index.Entry) error {
	if noted, ok := s.noted[dir]; ok && noted == hash {
		return nil
	}
	tree := &object.Tree{}
	if !hash.IsZero() {
		var err error
		if tree, err = s.repository.git.TreeObject(hash); err != nil {
			return outOfReach(err)
		}
	}
	below := map[string][]*index.Entry{}
	for _, e := range entries {
		name, _, _ := strings.Cut(strings.TrimPrefix(e.Name, prefix(dir)), "/")
		below[name] = append(below[name], e)
	}
	for _, t := range tree.Entries {
		at := path.Join(dir, t.Name)
		here := below[t.Name]
		delete(below, t.Name)
		isFile := len(here) == 1 && here[0].Name == at
		switch {
		case t.Mode == filemode.Dir && !isFile:
			if err := s.compare(at, t.Hash, here); err != nil {
				return err
			}
		case t.Mode == filemode.Dir || len(here) == 0:
			s.changes[at] = true
		case !isFile || here[0].Hash != t.Hash || here[0].Mode != t.Mode:
			s.changes[at] = false
		}
	}
	for _, added := range below {
		for _, e := range added {
			s.changes[e.Name] = false
		}
	}
	return nil
}

func prefix(dir string) string {
	if dir == "" {
		return ""
	}
	return dir + "/"
}

// worktree finds what differs between the index and the files.
type worktree struct {
	dir     string
	index   *index.Index
	entries map[string]*index.Entry
	dirs    map[string]bool // those of the entries

	group   errgroup.Group
	mutex   sync.Mutex
	ignored []gitignore.Pattern
	changes map[string]bool
}

func (w *worktree) compare() error {
	for _, e := range w.index.Entries {
		w.entries[e.Name] = e
		for d := path.Dir(e.Name); d != "." && !w.dirs[d]; d = path.Dir(d) {
			w.dirs[d] = true
		}
	}
	w.readIgnored()
	w.group.SetLimit(2 * runtime.GOMAXPROCS(0))
	if err := errors.Join(w.look(""), w.group.Wait()); err != nil {
		return err
	}
	for name, e := range w.entries { // those that are left were not met
		if !e.SkipWorktree && e.Mode != filemode.Submodule {
			w.changes[name] = true
		}
	}
	return nil
}

// readIgnored reads the patterns that hold for the whole repository. A configuration that cannot be read ignores nothing.
func (w *worktree) readIgnored() {
	system, _ := gitignore.LoadSystemPatterns(osfs.New("/"))
	global, _ := gitignore.LoadGlobalPatterns(osfs.New("/"))
	w.ignored = slices.Concat(system, global, patternsOf(filepath.Join(w.dir, ".git", "info", "exclude"), nil))
}

// patternsOf are those of a file with one a line (gitignore(5)), for what lies in a directory.
func patternsOf(file string, dir []string) []gitignore.Pattern {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var patterns []gitignore.Pattern
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, gitignore.ParsePattern(line, dir))
		}
	}
	return patterns
}

// look compares one directory, and those below it.
func (w *worktree) look(dir string) error {
	entries, err := os.ReadDir(filepath.Join(w.dir, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == ".gitignore" }) {
		var parts []string
		if dir != "" {
			parts = strings.Split(dir, "/")
		}
		patterns := patternsOf(filepath.Join(w.dir, dir, ".gitignore"), parts)
		w.mutex.Lock()
		w.ignored = append(w.ignored, patterns...)
		w.mutex.Unlock()
	}
	for _, e := range entries {
		below := prefix(dir) + e.Name()
		switch {
		case e.Name() == ".git":
		case w.take(below, e):
		case e.IsDir():
			if !w.dirs[below] && w.ignores(below, true) {
				continue
			}
			if !w.group.TryGo(func() error { return w.look(below) }) {
				if err := w.look(below); err != nil {
					return err
				}
			}
		case !w.ignores(below, false):
			w.note(below, false)
		}
	}
	return nil
}

// take compares what is met at a path with its entry in the index, and reports whether there is one.
func (w *worktree) take(name string, met fs.DirEntry) bool {
	w.mutex.Lock()
	e := w.entries[name]
	if e != nil && (e.Mode == filemode.Submodule || !met.IsDir()) {
		delete(w.entries, name)
	}
	w.mutex.Unlock()
	switch {
	case e == nil || met.IsDir() && e.Mode != filemode.Submodule:
		return false // of a file that became a directory the entry is left
	case e.Mode != filemode.Submodule && !w.same(name, e, met):
		w.note(name, false)
	}
	return true
}

func (w *worktree) note(name string, removed bool) {
	w.mutex.Lock()
	w.changes[name] = removed
	w.mutex.Unlock()
}

// ignores reports whether a path that git does not know is one that it is told to pass over.
func (w *worktree) ignores(name string, isDir bool) bool {
	w.mutex.Lock()
	patterns := w.ignored // a directory's come behind those above it, and go before them
	w.mutex.Unlock()
	return gitignore.NewMatcher(patterns).Match(strings.Split(name, "/"), isDir)
}

// same reports whether a file is what its entry says.
func (w *worktree) same(name string, e *index.Entry, met fs.DirEntry) bool {
	info, err := met.Info()
	if err != nil {
		return false
	}
	// A file that was written when the index was, or later, may have been changed since without a trace.
	if info.ModTime().Equal(e.ModifiedAt) && uint32(info.Size()) == e.Size && e.ModifiedAt.Before(w.index.ModTime) && fileMode(info.Mode()) == e.Mode {
		return true
	}
	now, ok, err := treeEntry(filepath.Join(w.dir, filepath.Dir(name)), met)
	return err == nil && ok && now.Mode == e.Mode && now.Hash == e.Hash
}
