package sandbox

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// openTree is a copy of the mounts at a path, with attributes (MOUNT_ATTR_*) added to all of them; it is not yet
// anywhere.
func openTree(dir int, path string, attributes uint64) (int, error) {
	tree, err := unix.OpenTree(dir, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes}); err != nil {
		unix.Close(tree)
		return -1, fmt.Errorf("restrict: %w", err)
	}
	return tree, nil
}

// option is one of a file system's, such as size=64m.
type option struct{ name, value string }

// newFileSystem is a fresh file system that is not yet anywhere.
func newFileSystem(kind string, attributes int, options ...option) (int, error) {
	context, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	for _, o := range append([]option{{"source", kind}}, options...) {
		set := func() error { return unix.FsconfigSetString(context, o.name, o.value) }
		if o.value == "" {
			set = func() error { return unix.FsconfigSetFlag(context, o.name) }
		}
		if err := set(); err != nil {
			return -1, fmt.Errorf("%s=%s: %w", o.name, o.value, err)
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, attributes)
}

// attach puts a mount that is not yet anywhere onto a mount point. It closes both.
func attach(mount, point int) error {
	defer unix.Close(mount)
	defer unix.Close(point)
	return unix.MoveMount(mount, "", point, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// put attaches a mount at a path in the root.
func (r root) put(mount int, path string, dir bool) error {
	point, err := r.point(path, dir)
	if err != nil {
		unix.Close(mount)
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(point, &stat); err == nil && (stat.Mode&unix.S_IFMT == unix.S_IFDIR) != dir {
		unix.Close(mount)
		unix.Close(point)
		return errors.New("the one is a directory, the other is not")
	}
	return attach(mount, point)
}

// putNew attaches a fresh file system at a directory in the root.
func (r root) putNew(path, kind string, attributes int, options ...option) error {
	mount, err := newFileSystem(kind, attributes, options...)
	if err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	return r.put(mount, path, true)
}

// mount makes one of an order's mounts.
func (r root) mount(m Mount) error {
	attributes := uint64(unix.MOUNT_ATTR_NODEV)
	if m.ReadOnly {
		attributes |= unix.MOUNT_ATTR_RDONLY
	}
	if m.Kind == TmpfsMount {
		mode := m.Mode.Perm()
		if m.Mode == 0 {
			mode = 0o1777
		}
		options := []option{{"mode", strconv.FormatUint(uint64(mode), 8)}}
		if m.Size > 0 {
			options = append(options, option{"size", strconv.FormatInt(m.Size, 10)})
		}
		return r.putNew(m.Target, "tmpfs", int(attributes)|unix.MOUNT_ATTR_NOSUID, options...)
	}
	tree, err := openTree(unix.AT_FDCWD, m.Source, attributes)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Source, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(tree, &stat); err != nil {
		unix.Close(tree)
		return err
	}
	return r.put(tree, m.Target, stat.Mode&unix.S_IFMT == unix.S_IFDIR)
}
