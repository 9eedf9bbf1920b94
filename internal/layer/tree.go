package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through, as in containerd's continuity/fs.RootPath.
const maxLinks = 255

// errSkipped says that an entry lies in or below a path that is left alone.
var errSkipped = errors.New("left alone")

type kind uint8

const (
	directory kind = iota
	symlink
	other // anything that can not be on the way to another entry
	skipped
)

// A node is what is known of one path below the root: that it was made by this layer, or that it was met on the way to
// an entry. What has no node may or may not exist. Since nothing else changes the root, a node stays true until the layer
// itself changes it, so that a parent is looked up in the file system only once.
type node struct {
	parent   *node
	path     string // real path below the root, without symbolic links; empty for the root
	kind     kind
	target   string // of a symbolic link, once it was read
	children map[string]*node
	written  bool // the layer has an entry for it
	below    bool // the layer has an entry below it
	pending  bool // a worker has it; the pool's lock guards it
	changed  bool // a directory whose times must be set at the end
	times    [2]unix.Timespec
}

// add records a child, and in all above that the layer has an entry there.
func (n *node) add(name string, child *node) {
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	n.children[name] = child
	if !child.written {
		return
	}
	for up := n; up != nil && !up.below; up = up.parent {
		up.below = true
	}
}

// directory gives the directory that name leads to inside the root, following symbolic links as a process would that has
// it as its root. What is missing is made, with the time of the entry that needs it; with a nil header it is an error.
func (a *applier) directory(name string, header *tar.Header) (*node, error) {
	at, links := a.root, 0
	for rest := name; rest != ""; {
		var base string
		base, rest, _ = strings.Cut(rest, "/")
		switch base {
		case "", ".":
			continue
		case "..":
			if at.parent != nil {
				at = at.parent
			}
			continue
		}
		next, err := a.child(at, base, header)
		if err != nil {
			return nil, err
		}
		switch next.kind {
		case directory:
			at = next
		case skipped:
			return nil, errSkipped
		case symlink:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%s: more than %d symbolic links on the way", name, maxLinks)
			}
			if next.target == "" {
				if next.target, err = a.readLink(next.path); err != nil {
					return nil, err
				}
			}
			if strings.HasPrefix(next.target, "/") {
				at = a.root
			}
			rest = next.target + "/" + rest
		default:
			return nil, fmt.Errorf("%s: /%s is in the way, which is not a directory", name, next.path)
		}
	}
	return at, nil
}

// child gives what lies under one name in a directory.
func (a *applier) child(parent *node, name string, header *tar.Header) (*node, error) {
	if known := parent.children[name]; known != nil {
		return known, nil
	}
	found := &node{parent: parent, path: join(parent.path, name)}
	if a.skips(found.path) {
		found.kind = skipped
		parent.add(name, found)
		return found, nil
	}
	var stat unix.Stat_t
	err := unix.Fstatat(a.fd, found.path, &stat, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) && header != nil {
		return found, a.makeParent(found, name, header)
	}
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", found.path, err)
	}
	found.kind = kindOf(stat.Mode)
	found.times = timesOf(&stat)
	parent.add(name, found)
	return found, nil
}

// makeParent makes a directory that an entry lies in and that no layer has an entry for, with the mode that containerd gives
// it.
func (a *applier) makeParent(to *node, name string, header *tar.Header) error {
	to.parent.changed = true
	if err := unix.Mkdirat(a.fd, to.path, 0o755); err != nil {
		return fmt.Errorf("making the directory /%s: %w", to.path, err)
	}
	if err := unix.Fchmodat(a.fd, to.path, 0o755, 0); err != nil {
		return fmt.Errorf("making the directory /%s: %w", to.path, err)
	}
	to.kind, to.times = directory, headerTimes(header)
	// It is as much this layer's as its entry is, so that no whiteout in the layer deletes it.
	to.written, to.changed = true, true
	to.parent.add(name, to)
	return nil
}

func (a *applier) readLink(name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(a.fd, name, buffer)
	if err != nil {
		return "", fmt.Errorf("reading the symbolic link /%s: %w", name, err)
	}
	return string(buffer[:n]), nil
}

// setTimes sets the times of the directories at and below n that the layer has an entry for or changed something in.
// That comes last since making a file changes those of its directory.
func (a *applier) setTimes(n *node) error {
	if n.changed {
		name := n.path
		if name == "" {
			name = "."
		}
		if err := unix.UtimesNanoAt(a.fd, name, n.times[:], unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("setting the times of /%s: %w", n.path, err)
		}
	}
	for _, child := range n.children {
		if child.kind != directory {
			continue
		}
		if err := a.setTimes(child); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(mode uint32) kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return directory
	case unix.S_IFLNK:
		return symlink
	default:
		return other
	}
}
