package layer

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Write writes changes below a root as an uncompressed layer archive, by the same rules as Upper: what was added or
// modified as it is now, what was deleted as a whiteout, and before each the directories that it lies in, as they are.
// The changes may come in any order.
func Write(w io.Writer, root string, changes []Change, options PackOptions) error {
	changes = slices.Clone(changes)
	slices.SortFunc(changes, func(a, b Change) int { return comparePaths(a.Path, b.Path) })
	p := newPacker(w, root, options)
	if err := p.mountPoints(); err != nil {
		return err
	}
	last := "" // the path of the entry before, of which every directory is written
	for _, change := range changes {
		name := strings.TrimPrefix(path.Clean("/"+change.Path), "/")
		if name == "" || p.skips(name) {
			continue
		}
		if err := p.parents(name, last); err != nil {
			return err
		}
		if err := p.change(name, change.Kind); err != nil {
			return err
		}
		if last = name; change.Kind == Deleted {
			last = path.Dir(name)
		}
	}
	return p.close()
}

func (p *packer) change(name string, kind ChangeKind) error {
	switch kind {
	case Deleted:
		return p.whiteout(name)
	case Added, Modified:
		stat, err := p.lstat(name)
		if err != nil {
			return err
		}
		return p.entry(name, stat)
	}
	return fmt.Errorf("writing /%s into a layer: a change of the kind %d, which is none of this package's", name, kind)
}

// parents writes the directories that name lies in and last does not.
func (p *packer) parents(name, last string) error {
	for i, c := range name {
		if c != '/' || isBelow(last, name[:i]) {
			continue
		}
		stat, err := p.lstat(name[:i])
		if err != nil {
			return err
		}
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			return fmt.Errorf("writing /%s into a layer: /%s is not a directory", name, name[:i])
		}
		if err := p.entry(name[:i], stat); err != nil {
			return err
		}
	}
	return nil
}

// comparePaths orders paths as a walk of the tree meets them: a directory directly before what it holds.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
			continue
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}
