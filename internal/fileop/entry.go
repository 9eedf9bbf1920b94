package fileop

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"
)

// create makes the entry at path, where nothing is, or a directory for a directory.
func (u *unpacker) create(path string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(path, 0o700); !errors.Is(err, os.ErrExist) {
			return err
		}
		return nil
	case tar.TypeReg:
		return u.writeFile(path, header.Size, content)
	case tar.TypeLink:
		source, err := u.linked(header)
		if err != nil {
			return err
		}
		return os.Link(source, path)
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return makeNode(path, header)
	}
	return fmt.Errorf("entries of type %q are not supported", header.Typeflag)
}

func (u *unpacker) writeFile(path string, size int64, content io.Reader) error {
	if size > u.opt.MaxUnpacked-*u.unpacked {
		return fmt.Errorf("the archive holds more than %d bytes, which is all that may be unpacked here", u.opt.MaxUnpacked)
	}
	*u.unpacked += size
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func makeNode(path string, header *tar.Header) error {
	kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[header.Typeflag]
	mode := uint32(header.Mode&0o7777) | kind
	err := unix.Mknod(path, mode, int(unix.Mkdev(uint32(header.Devmajor), uint32(header.Devminor))))
	if errors.Is(err, unix.EPERM) && kind != unix.S_IFIFO {
		return fmt.Errorf("device %d:%d: %w: a build without root cannot make devices; leave it out of the archive, or build as root", header.Devmajor, header.Devminor, err)
	}
	if err != nil {
		return &os.PathError{Op: "mknod", Path: path, Err: err}
	}
	return nil
}

// linked is the file that a hard link is to. Its name counts from the archive's root; a symbolic link as its last part is
// not followed.
func (u *unpacker) linked(header *tar.Header) (string, error) {
	dir, last := filepath.Split(filepath.Join("/", header.Linkname))
	dir, err := fs.RootPath(u.root, dir)
	return filepath.Join(dir, last), err
}

// dress gives the entry its owner, attributes, mode and time, in the order in which none undoes another.
func (u *unpacker) dress(path string, header *tar.Header) error {
	owner := Owner{header.Uid, header.Gid}
	if u.owner != nil {
		owner = *u.owner
	}
	if err := u.give(path, owner); err != nil {
		return err
	}
	if err := u.setAttributes(path, header); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink == 0 {
		if err := os.Chmod(path, header.FileInfo().Mode()); err != nil {
			return err
		}
	} else if header.Typeflag == tar.TypeLink {
		return nil
	}
	return setModTime(path, bounded64(header.ModTime))
}

func (u *unpacker) give(path string, owner Owner) error {
	u.asked = owner
	return os.Lchown(path, owner.UID, owner.GID)
}

// setAttributes sets extended attributes. One that the file system does not have, or that we must not set, is left out as
// with BuildKit, with a warning.
func (u *unpacker) setAttributes(path string, header *tar.Header) error {
	for _, key := range slices.Sorted(maps.Keys(header.PAXRecords)) {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok {
			continue
		}
		err := unix.Lsetxattr(path, name, []byte(header.PAXRecords[key]), 0)
		if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EPERM) {
			u.opt.Warn(fmt.Sprintf("%s: the attribute %s of %q is not set: %v", describe(u.action), name, header.Name, err))
			continue
		}
		if err != nil {
			return &os.PathError{Op: "lsetxattr " + name, Path: path, Err: err}
		}
	}
	return nil
}

// bounded64 is the time as github.com/moby/go-archive v0.1.0 takes it: 1970 where it does not fit nanoseconds in 64 bits.
func bounded64(t time.Time) time.Time {
	if t.Before(time.Unix(0, 0)) || t.After(time.Unix(0, math.MaxInt64)) {
		return time.Unix(0, 0)
	}
	return t
}
