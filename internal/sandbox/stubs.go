package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// stubs are mount points that a root did not have before a process, the deepest of each first.
type stubs struct {
	root  string
	paths []string // in the root, without links
}

// findStubs are the targets, and their parents, that are missing in the root. Which of them stay is as with BuildKit
// v0.34.2 (executor/stubs.go, for what a Dockerfile's RUN mounts): /proc, /dev and /sys do, the others do not.
func findStubs(root string, mounts []Mount) stubs {
	s := stubs{root: root}
	for _, m := range mounts {
		path, err := securejoin.SecureJoin(root, m.Target)
		if err != nil {
			continue // the process's own attempt will say why
		}
		for path != root {
			_, err := os.Lstat(path)
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
				break
			}
			s.paths = append(s.paths, path)
			path = filepath.Dir(path)
		}
	}
	return s
}

// remove removes those of them that are there and still empty. Their directories keep their times.
func (s stubs) remove() error {
	if len(s.paths) == 0 {
		return nil
	}
	// A process that is started meanwhile would hold our descriptors until it executes, and the root could not be unmounted.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	root, err := unix.Open(s.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("sandbox: remove mount points: %s: %w", s.root, err)
	}
	defer unix.Close(root)
	for _, path := range s.paths {
		below, err := filepath.Rel(s.root, path)
		if err == nil {
			err = removeStub(root, below)
		}
		if err != nil {
			return fmt.Errorf("sandbox: remove the mount point /%s: %w", below, err)
		}
	}
	return nil
}

// removeStub removes an empty file or directory below a directory. The process may have put something else in its
// place or in its parents': links are not followed, and what is not empty stays.
func removeStub(root int, below string) error {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	parent, err := unix.Openat2(root, filepath.Dir(below), how)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	name := filepath.Base(below)
	var before, stat unix.Stat_t
	if err := unix.Fstatat(parent, name, &stat, unix.AT_SYMLINK_NOFOLLOW); errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return err
	}
	if err := unix.Fstat(parent, &before); err != nil {
		return err
	}
	flags := 0
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		flags = unix.AT_REMOVEDIR
	} else if stat.Size != 0 {
		return nil
	}
	if err := unix.Unlinkat(parent, name, flags); errors.Is(err, unix.ENOTEMPTY) {
		return nil
	} else if err != nil {
		return err
	}
	return unix.UtimesNanoAt(parent, ".", []unix.Timespec{before.Atim, before.Mtim}, 0)
}
