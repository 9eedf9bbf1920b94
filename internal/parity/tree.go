package parity

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// entry is a name in a directory. Names of one file share its inode.
type entry struct {
	*inode
	layer    int               // the layer that has it, counted from the lowest
	children map[string]*entry // of a directory
}

// newDir is a directory of which no layer says how it is: containerd and Docker make it root's, for all to read.
func newDir(layer int) *entry {
	return &entry{inode: &inode{kind: directory, mode: 0o755}, layer: layer, children: map[string]*entry{}}
}

// tree is the files of some layers.
type tree struct {
	root  *entry
	layer int // the one that is being applied
}

// apply does to the files what one more layer does.
func (t *tree) apply(changes []change) error {
	t.layer++
	for _, c := range changes {
		var err error
		if c.deleted || c.emptied {
			err = t.remove(c)
		} else {
			err = t.add(c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
	}
	return nil
}

// remove does a deletion, which concerns the layers below only: what this layer itself has stays, wherever in the layer
// the deletion stands.
func (t *tree) remove(c change) error {
	if c.emptied {
		dir, err := t.resolve(c.path, false)
		if err == nil && dir != nil {
			dir.keep(t.layer)
		}
		return err
	}
	parent, err := t.resolve(path.Dir(c.path), false)
	if err != nil || parent == nil {
		return err
	}
	name := path.Base(c.path)
	if gone := parent.children[name]; gone != nil && !gone.keep(t.layer) {
		delete(parent.children, name)
	}
	return nil
}

// keep removes all below an entry that a lower layer has, and says whether anything is left of the entry.
func (e *entry) keep(layer int) bool {
	left := e.layer == layer
	for name, child := range e.children {
		if child.keep(layer) {
			left = true
		} else {
			delete(e.children, name)
		}
	}
	return left
}

func (t *tree) add(c change) error {
	added := &entry{inode: c.inode, layer: t.layer}
	if c.hardLink != "" {
		target, err := t.find(c.hardLink)
		if err != nil {
			return fmt.Errorf("one more name of %s: %w", c.hardLink, err)
		}
		added.inode = target.inode
	}
	if c.path == "/" {
		if added.kind != directory {
			return fmt.Errorf("the root is a %s", added.kind)
		}
		t.root.inode = added.inode
		return nil
	}
	parent, err := t.resolve(path.Dir(c.path), true)
	if err != nil {
		return err
	}
	name := path.Base(c.path)
	if added.kind == directory {
		added.children = map[string]*entry{}
		if before := parent.children[name]; before != nil && before.kind == directory {
			added.children = before.children
		}
	}
	parent.children[name] = added
	return nil
}

// find is the file of a path, itself not followed where it is a symbolic link.
func (t *tree) find(name string) (*entry, error) {
	parent, err := t.resolve(path.Dir(name), false)
	if err != nil {
		return nil, err
	}
	if parent != nil {
		if found := parent.children[path.Base(name)]; found != nil && found.kind != directory {
			return found, nil
		}
	}
	return nil, errors.New("there is no such file")
}

// maxLinks is how many symbolic links a path may lead through, as in Linux (path_resolution(7)).
const maxLinks = 40

// resolve is the directory of a path, through symbolic links as they lie in the image. One that is not there is made
// where missing is true, as a layer may leave out a directory that it adds to; else it is nil.
func (t *tree) resolve(name string, missing bool) (*entry, error) {
	todo := strings.Split(name, "/")
	at := []*entry{t.root}
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		dir := at[len(at)-1]
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		next := dir.children[part]
		switch {
		case next == nil && !missing:
			return nil, nil
		case next == nil:
			next = newDir(t.layer)
			dir.children[part] = next
		case next.kind == link:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("too many symbolic links in %s", name)
			}
			if path.IsAbs(next.target) {
				at = at[:1]
			}
			todo = append(strings.Split(next.target, "/"), todo...)
			continue
		case next.kind != directory:
			return nil, fmt.Errorf("its parent %s is a %s", part, next.kind)
		}
		at = append(at, next)
	}
	return at[len(at)-1], nil
}
