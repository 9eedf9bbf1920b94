package layer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The names of the OCI image specification, layer.md, "Whiteouts".
const (
	whiteoutPrefix     = ".wh."
	metadataPrefix     = whiteoutPrefix + whiteoutPrefix
	opaqueWhiteout     = metadataPrefix + ".opq"
	errInvalidWhiteout = "%q is no whiteout: it names no entry of its directory"
)

// isMetadata tells whether a path is, or lies in, one of the directories in which AUFS kept its own files (".wh..wh.plnk"),
// which some old images still have and which were never part of their file systems.
func isMetadata(name string) bool {
	for component := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(component, metadataPrefix) && component != opaqueWhiteout {
			return true
		}
	}
	return false
}

// whiteout deletes what earlier layers have under a name. What this layer has there stays: "whiteout files MUST only apply to
// resources in lower/parent layers".
func (a *applier) whiteout(parent *node, name, entry string) error {
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf(errInvalidWhiteout, entry)
	}
	child := parent.children[name]
	if err := a.settle(child); err != nil {
		return err
	}
	parent.changed = true
	kept, err := a.remove(join(parent.path, name), child)
	if err == nil && !kept {
		delete(parent.children, name)
	}
	return err
}

// empty deletes what earlier layers have in a directory, for its opaque whiteout.
func (a *applier) empty(dir *node) error {
	if err := a.settle(dir); err != nil {
		return err
	}
	dir.changed = true
	_, err := a.removeChildren(dir.path, dir)
	return err
}

// replace makes room for an entry where something is known to lie, of this layer or of an earlier one.
func (a *applier) replace(n *node, name string) error {
	if err := a.settle(n); err != nil {
		return err
	}
	kept, err := a.remove(n.path, nil)
	if err != nil {
		return err
	}
	if kept {
		return errKept(n.path)
	}
	delete(n.parent.children, name)
	return nil
}

func errKept(name string) error {
	return fmt.Errorf("/%s can not be replaced: it is, or holds, a path that is left alone", name)
}

// settle waits until no worker is busy at or below a path.
func (a *applier) settle(n *node) error {
	switch {
	case n == nil:
		return nil
	case n.below:
		return a.pool.drain()
	default:
		return a.pool.wait(n)
	}
}

// remove deletes a path and everything below it, but not what is left alone and, where the path's node is given, not
// what this layer made. It tells whether anything stayed.
func (a *applier) remove(name string, n *node) (kept bool, err error) {
	if a.skips(name) {
		return true, nil
	}
	if n != nil && n.written && n.kind != directory {
		return true, nil
	}
	err = unix.Unlinkat(a.fd, name, 0)
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return false, nil
	case !errors.Is(err, unix.EISDIR):
		return false, fmt.Errorf("deleting /%s: %w", name, err)
	}
	kept, err = a.removeChildren(name, n)
	if err != nil || kept || n != nil && n.written {
		return true, err
	}
	if err := unix.Unlinkat(a.fd, name, unix.AT_REMOVEDIR); err != nil {
		return false, fmt.Errorf("deleting /%s: %w", name, err)
	}
	return false, nil
}

func (a *applier) removeChildren(name string, n *node) (kept bool, err error) {
	names, err := a.list(name)
	if err != nil {
		return false, fmt.Errorf("deleting /%s: %w", name, err)
	}
	for _, base := range names {
		var child *node
		if n != nil {
			child = n.children[base]
		}
		stays, err := a.remove(join(name, base), child)
		if err != nil {
			return false, err
		}
		if stays {
			kept = true
		} else if n != nil {
			delete(n.children, base)
		}
	}
	if n != nil {
		n.changed = true
	}
	return kept, nil
}

// list gives the names in a directory, which must not be a symbolic link.
func (a *applier) list(name string) ([]string, error) {
	if name == "" {
		name = "."
	}
	fd, err := unix.Openat(a.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	return dir.Readdirnames(-1)
}
