package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// root is the root of a process while it is put together.
type root struct {
	path string
	fd   int
	// made is the modification time of the mount points that are made; zero: now.
	made time.Time
}

// enterRoot mounts what belongs into the root, and makes it this process's.
func (o order) enterRoot() error {
	tree, err := openTree(unix.AT_FDCWD, o.Root, unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Root, err)
	}
	defer unix.Close(tree)
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, o.Root, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("%s: %w", o.Root, err)
	}
	r := root{path: o.Root, fd: tree, made: o.MountPointTime}
	if err := r.fill(o); err != nil {
		return err
	}
	if o.ReadOnlyRoot {
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make the root read only: %w", err)
		}
	}
	return pivot(tree)
}

// fill mounts what every process has, and then what the order names.
func (r root) fill(o order) error {
	for _, part := range []struct {
		at    string
		mount func() error
	}{
		{"/proc", r.mountProc},
		{"/dev", r.mountDev},
		{"/sys", r.mountSys},
	} {
		if err := part.mount(); err != nil {
			return fmt.Errorf("%s: %w", part.at, err)
		}
	}
	for _, m := range o.Mounts {
		if err := r.mount(m); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Kind, m.Target, err)
		}
	}
	return r.protect()
}

// pivot makes a mount the root and lets the old root go. Both at one place is pivot_root(2)'s way to need no second
// directory.
func pivot(mount int) error {
	if err := unix.Fchdir(mount); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's root: %w", err)
	}
	return os.Chdir("/")
}

// within opens what there is at a path in the root, which must not lead through links.
func (r root) within(path string) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS}
	return unix.Openat2(r.fd, path, how)
}

// point opens a mount point, and makes it with its parents if it is missing: a directory or an empty file. Links are
// followed as in the root, also where they lead to nothing yet: many images have /etc/resolv.conf as such a link.
func (r root) point(path string, dir bool) (int, error) {
	resolved, err := securejoin.SecureJoin(r.path, path)
	if err != nil {
		return -1, err
	}
	below, err := filepath.Rel(r.path, resolved)
	if err != nil {
		return -1, err
	}
	at, err := unix.FcntlInt(uintptr(r.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil || below == "." {
		return at, err
	}
	names := strings.Split(below, "/")
	for i, name := range names {
		next, err := r.step(at, name, dir || i < len(names)-1)
		unix.Close(at)
		if err != nil {
			return -1, fmt.Errorf("/%s: %w", strings.Join(names[:i+1], "/"), err)
		}
		at = next
	}
	return at, nil
}

// step goes from a directory to one of its entries. If it must be made, the directory keeps its modification time: it
// is in the image, and nothing in it changes when the mount point is removed again.
func (r root) step(parent int, name string, dir bool) (int, error) {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH}
	fd, err := unix.Openat2(parent, name, how)
	if err != unix.ENOENT {
		return fd, err
	}
	var before unix.Stat_t
	if err := unix.Fstat(parent, &before); err != nil {
		return -1, err
	}
	if dir {
		err = unix.Mkdirat(parent, name, 0o755)
	} else {
		err = unix.Mknodat(parent, name, unix.S_IFREG|0o755, 0) // runc's mode (createMountpoint)
	}
	if err != nil {
		return -1, err
	}
	if !r.made.IsZero() {
		at := unix.NsecToTimespec(r.made.UnixNano())
		if err := unix.UtimesNanoAt(parent, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return -1, err
		}
	}
	if err := unix.UtimesNanoAt(parent, ".", []unix.Timespec{before.Atim, before.Mtim}, 0); err != nil {
		return -1, err
	}
	return unix.Openat2(parent, name, how)
}
