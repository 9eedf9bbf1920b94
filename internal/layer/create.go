package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// create makes one entry, in place of what lies there.
func (a *applier) create(ctx context.Context, to *node, base string, header *tar.Header, content io.Reader) error {
	to.parent.changed = true
	known := to.parent.children[base]
	if header.Typeflag == tar.TypeDir {
		return a.createDirectory(to, base, header)
	}
	if header.Typeflag == tar.TypeLink {
		return a.createLink(to, base, header)
	}
	if known != nil {
		if err := a.replace(known, base); err != nil {
			return err
		}
	}
	mode := uint32(header.Mode) & 0o7777
	device := int(unix.Mkdev(uint32(header.Devmajor), uint32(header.Devminor)))
	switch header.Typeflag {
	case tar.TypeReg:
		to.kind = other
		to.parent.add(base, to)
		return a.pool.file(ctx, to, header, content)
	case tar.TypeSymlink:
		to.kind, to.target = symlink, header.Linkname
		return a.createSpecial(to, base, header, func() error { return unix.Symlinkat(header.Linkname, a.fd, to.path) })
	case tar.TypeFifo:
		to.kind = other
		return a.createSpecial(to, base, header, func() error { return unix.Mknodat(a.fd, to.path, unix.S_IFIFO|mode, 0) })
	case tar.TypeChar:
		to.kind = other
		return a.createDevice(to, base, header, unix.S_IFCHR|mode, device)
	case tar.TypeBlock:
		to.kind = other
		return a.createDevice(to, base, header, unix.S_IFBLK|mode, device)
	}
	return fmt.Errorf("%s: an entry of the type %q, which is none of a layer's", header.Name, header.Typeflag)
}

// createSpecial makes what is neither a file nor a directory.
func (a *applier) createSpecial(to *node, base string, header *tar.Header, create func() error) error {
	if err := a.makeRoom(to.path, create); err != nil {
		return fmt.Errorf("making /%s: %w", to.path, err)
	}
	to.parent.add(base, to)
	return a.setAttributes(to.path, header, to.kind == symlink)
}

// createDevice makes a device. A user namespace can have none; containerd leaves them out there as well.
func (a *applier) createDevice(to *node, base string, header *tar.Header, mode uint32, device int) error {
	if a.mapped {
		a.leave(to.path, "a device, which a user namespace can not have")
		return nil
	}
	err := a.createSpecial(to, base, header, func() error { return unix.Mknodat(a.fd, to.path, mode, device) })
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: making devices needs the capability CAP_MKNOD", err)
	}
	return err
}

// createDirectory makes a directory, or gives the one that is there the entry's attributes.
func (a *applier) createDirectory(to *node, base string, header *tar.Header) error {
	known := to.parent.children[base]
	if known != nil && known.kind != directory {
		if err := a.replace(known, base); err != nil {
			return err
		}
		known = nil
	}
	existed := known != nil
	if known == nil {
		var err error
		if existed, err = a.makeDirectory(to); err != nil {
			return err
		}
		known = to
		to.kind = directory
	}
	known.written, known.changed, known.times = true, true, headerTimes(header)
	to.parent.add(base, known)
	if existed {
		if err := a.clearXattrs(to.path); err != nil {
			return err
		}
	}
	return a.setAttributes(to.path, header, false)
}

// makeDirectory makes a directory at a path of which nothing is known, and tells whether it was there before.
func (a *applier) makeDirectory(to *node) (existed bool, err error) {
	err = a.makeRoom(to.path, func() error {
		err := unix.Mkdirat(a.fd, to.path, 0o700)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Fstatat(a.fd, to.path, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if kindOf(stat.Mode) != directory {
			return unix.EEXIST
		}
		existed = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("making the directory /%s: %w", to.path, err)
	}
	return existed, nil
}

// createLink makes a hard link. Its owner, mode and times are set too, as containerd does: they are the file's own.
func (a *applier) createLink(to *node, base string, header *tar.Header) error {
	target, err := a.linkTarget(header)
	if err == nil && target == to.path {
		err = errors.New("it is linked to itself")
	}
	if err != nil {
		return fmt.Errorf("the hard link /%s to %s: %w", to.path, header.Linkname, err)
	}
	if known := to.parent.children[base]; known != nil {
		if err := a.replace(known, base); err != nil {
			return err
		}
	}
	err = a.makeRoom(to.path, func() error { return unix.Linkat(a.fd, target, a.fd, to.path, 0) })
	if err != nil {
		return fmt.Errorf("the hard link /%s to %s: %w", to.path, header.Linkname, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstatat(a.fd, to.path, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("the hard link /%s: %w", to.path, err)
	}
	to.kind = kindOf(stat.Mode)
	to.parent.add(base, to)
	return a.setAttributes(to.path, header, to.kind == symlink)
}

// linkTarget gives the real path of what a hard link names, once it is there.
func (a *applier) linkTarget(header *tar.Header) (string, error) {
	parentName, base := splitRooted(header.Linkname)
	parent, err := a.directory(parentName, nil)
	if errors.Is(err, errSkipped) {
		return "", errors.New("it leads to a path that is left alone")
	}
	if err != nil {
		return "", err
	}
	target := join(parent.path, base)
	if base == "" || a.skips(target) {
		return "", errors.New("it is not a file of the layers")
	}
	if known := parent.children[base]; known != nil {
		if err := a.pool.wait(known); err != nil {
			return "", err
		}
	}
	return target, nil
}

// makeRoom runs create, and once more without what was in its way. That is of an earlier layer: what this one made is
// known, and was replaced before.
func (a *applier) makeRoom(name string, create func() error) error {
	err := create()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	kept, err := a.remove(name, nil)
	if err != nil {
		return err
	}
	if kept {
		return errKept(name)
	}
	return create()
}
