package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// copyBuffer is how many bytes of a file are read at once.
	copyBuffer = 128 << 10
	// capability is the only extended attribute that layers carry, as containerd's ChangeWriter does it and so BuildKit.
	capability = "security.capability"
	// maxXattrNames and maxXattr are the kernel's limits, XATTR_LIST_MAX and XATTR_SIZE_MAX of xattr(7), in bytes.
	maxXattrNames, maxXattr = 64 << 10, 64 << 10
)

// PackOptions says how a layer is written. The zero value is the usual way.
type PackOptions struct {
	// WhiteoutTime is the time of the entries that delete. With the zero value it is the epoch, as in containerd.
	WhiteoutTime time.Time
	// MountPoints are absolute paths that become empty directories of root's, whatever is at them, and MountPointTime is the
	// time that these get.
	MountPoints    []string
	MountPointTime time.Time
	// Skip says which absolute paths in the root are left out, with all that is below them. With nil none is.
	Skip func(path string) bool
}

// A packer writes the files of a directory as entries of a layer. As containerd's, these have numeric owners only and times of
// whole seconds, so that they are small and the digest is the same after the layer was applied.
type packer struct {
	archive *tar.Writer
	dir     string
	options PackOptions
	// links has the first name of each inode with several, without those that have no other to come.
	links  map[inode]*linked
	buffer []byte
}

type inode struct{ device, number uint64 }

type linked struct {
	name string
	left uint64 // names that may still come
}

func newPacker(w io.Writer, dir string, options PackOptions) *packer {
	if options.WhiteoutTime.IsZero() {
		options.WhiteoutTime = time.Unix(0, 0)
	}
	return &packer{
		archive: tar.NewWriter(w), dir: dir, options: options,
		links: make(map[inode]*linked), buffer: make([]byte, copyBuffer),
	}
}

func (p *packer) skips(name string) bool {
	return p.options.Skip != nil && p.options.Skip("/"+name)
}

func (p *packer) on(name string) string { return filepath.Join(p.dir, name) }

func (p *packer) lstat(name string) (*unix.Stat_t, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(p.on(name), &stat); err != nil {
		return nil, fmt.Errorf("writing /%s into a layer: %w", name, err)
	}
	return &stat, nil
}

// whiteout writes that a path was deleted.
func (p *packer) whiteout(name string) error {
	dir, base := path.Split(name)
	return p.writeWhiteout(dir + whiteoutPrefix + base)
}

func (p *packer) writeWhiteout(name string) error {
	// A whiteout has neither mode nor owner, as containerd writes it.
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, ModTime: p.options.WhiteoutTime.Truncate(time.Second), Format: tar.FormatPAX}
	return p.writeHeader(header)
}

// mountPoints writes the directories that something is mounted on.
func (p *packer) mountPoints() error {
	for _, path := range p.options.MountPoints {
		name := strings.TrimPrefix(path, "/") + "/"
		header := &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: p.options.MountPointTime.Truncate(time.Second), Format: tar.FormatPAX}
		if err := p.writeHeader(header); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) writeHeader(header *tar.Header) error {
	if err := p.archive.WriteHeader(header); err != nil {
		return fmt.Errorf("writing %s into a layer: %w", header.Name, err)
	}
	return nil
}

// entry writes one file as it is, without what is below it. Sockets are left out: they are nothing without their process.
func (p *packer) entry(name string, stat *unix.Stat_t) error {
	if stat.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return nil
	}
	header, err := p.header(name, stat)
	if err != nil {
		return err
	}
	if err := p.addCapability(name, header); err != nil {
		return err
	}
	if err := p.writeHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg || header.Size == 0 {
		return nil
	}
	return p.content(name, header.Size)
}

func (p *packer) header(name string, stat *unix.Stat_t) (*tar.Header, error) {
	header := &tar.Header{
		Name: name, Mode: int64(stat.Mode & 0o7777), Uid: int(stat.Uid), Gid: int(stat.Gid),
		ModTime: time.Unix(stat.Mtim.Unix()).Truncate(time.Second), Format: tar.FormatPAX,
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		header.Typeflag, header.Size = tar.TypeReg, stat.Size
	case unix.S_IFDIR:
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
	case unix.S_IFLNK:
		target, err := os.Readlink(p.on(name))
		if err != nil {
			return nil, fmt.Errorf("writing /%s into a layer: %w", name, err)
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, target
	case unix.S_IFIFO:
		header.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		header.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		header.Typeflag = tar.TypeBlock
	default:
		return nil, fmt.Errorf("writing /%s into a layer: a file of the type %#o, which is none of Linux", name, stat.Mode&unix.S_IFMT)
	}
	if header.Typeflag == tar.TypeChar || header.Typeflag == tar.TypeBlock {
		header.Devmajor, header.Devminor = int64(unix.Major(stat.Rdev)), int64(unix.Minor(stat.Rdev))
	}
	if first := p.firstLink(name, stat); first != "" {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
	}
	return header, nil
}

// firstLink gives the name under which the layer already has the file. Only what is in the layer is linked, to the first
// name in its order.
func (p *packer) firstLink(name string, stat *unix.Stat_t) string {
	if stat.Nlink < 2 || stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return ""
	}
	key := inode{stat.Dev, stat.Ino}
	first := p.links[key]
	if first == nil {
		p.links[key] = &linked{name: name, left: uint64(stat.Nlink) - 1}
		return ""
	}
	if first.left--; first.left == 0 {
		delete(p.links, key)
	}
	return first.name
}

func (p *packer) addCapability(name string, header *tar.Header) error {
	value, err := p.xattr(name, capability)
	if err == nil && len(value) > 0 {
		header.PAXRecords = map[string]string{xattrRecord + capability: string(value)}
	}
	return err
}

// xattr gives an extended attribute of a file, nil if it has none of the name. It uses the copy buffer.
func (p *packer) xattr(name, key string) ([]byte, error) {
	n, err := unix.Lgetxattr(p.on(name), key, p.buffer[:maxXattr])
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the attribute %s of /%s: %w", key, name, err)
	}
	return p.buffer[:n], nil
}

// content copies a file of the given size into the archive.
func (p *packer) content(name string, size int64) error {
	// The other flags do no harm to the regular file that was met, and keep out what may have replaced it since.
	fd, err := unix.Open(p.on(name), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("writing /%s into a layer: %w", name, err)
	}
	defer unix.Close(fd)
	for left := size; ; {
		n, err := unix.Read(fd, p.buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("writing /%s into a layer: %w", name, err)
		}
		if int64(n) > left || n == 0 && left > 0 {
			return fmt.Errorf("writing /%s into a layer: its size was changed meanwhile, it was %d bytes", name, size)
		}
		if n == 0 {
			return nil
		}
		left -= int64(n)
		if _, err := p.archive.Write(p.buffer[:n]); err != nil {
			return fmt.Errorf("writing /%s into a layer: %w", name, err)
		}
	}
}

func (p *packer) close() error {
	if err := p.archive.Close(); err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	return nil
}

// isBelow tells whether a path is dir or lies in it.
func isBelow(name, dir string) bool {
	return strings.HasPrefix(name, dir) && (len(name) == len(dir) || name[len(dir)] == '/')
}
