package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// LastChange is the commit that brought a file or directory to what it is at head, as `git log -1 head -- path` finds it: a
// commit with a parent that has the same there is passed over to that parent, the first of several. It is not complete where
// the checkout ends before that is known; the commit is then the oldest that is there and has the same. Where some parents are
// out of reach, one that is not and has the same will do.
func (r *Repository) LastChange(head, file string) (commit string, complete bool, err error) {
	var names []string
	if clean := path.Clean(file); clean != "." {
		names = strings.Split(clean, "/")
	}
	at, err := r.commit(head)
	if err != nil {
		return "", false, err
	}
	here, err := r.way(at, names, nil)
	if err != nil {
		return "", false, err
	}
	if here == nil {
		return "", false, fmt.Errorf("commit %.10s has no %s: %w; commit it, or correct the path", head, file, fs.ErrNotExist)
	}
	for {
		parent, there, missing, err := r.sameParent(at, names, here)
		if err != nil {
			return "", false, err
		}
		if parent == nil {
			return at.Hash.String(), !missing, nil
		}
		at, here = parent, there
	}
}

// sameParent is the first of a commit's parents that has the same at the end of the way, and the way there; nil where none
// has. A parent is missing that may have it and is out of reach.
func (r *Repository) sameParent(at *object.Commit, names []string, here []object.TreeEntry) (parent *object.Commit, there []object.TreeEntry, missing bool, err error) {
	for _, hash := range at.ParentHashes {
		parent, err := r.git.CommitObject(hash)
		if err == nil {
			there, err = r.way(parent, names, here)
		}
		switch {
		case errors.Is(err, plumbing.ErrObjectNotFound):
			missing = true
		case err != nil:
			return nil, nil, false, err
		case there != nil && there[len(names)] == here[len(names)]:
			return parent, there, false, nil
		}
	}
	return nil, nil, missing, nil
}

// way are the entries of trees on the way to a path, from the commit's own tree on; nil where the commit has no such path. It
// is looked up no further than to where it meets the way of another commit.
func (r *Repository) way(c *object.Commit, names []string, other []object.TreeEntry) ([]object.TreeEntry, error) {
	entry := object.TreeEntry{Mode: filemode.Dir, Hash: c.TreeHash}
	var way []object.TreeEntry
	for i, name := range names {
		if other != nil && entry == other[i] {
			return append(way, other[i:]...), nil
		}
		if entry.Mode != filemode.Dir {
			return nil, nil
		}
		tree, err := r.git.TreeObject(entry.Hash)
		if err != nil {
			return nil, outOfReach(err)
		}
		next, err := tree.FindEntry(name)
		if err != nil { // of one name, it is not there
			return nil, nil
		}
		way = append(way, entry)
		entry = *next
	}
	return append(way, entry), nil
}
