// Package beneath is a directory's files as a file system that no link leads out of, as os.Root's is; but where the kernel
// resolves a whole path beneath a directory (openat2, Linux 5.6), in one system call instead of two for each part of it.
package beneath

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// FS is a directory. It implements fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS.
type FS struct {
	dir  string
	root *os.Root
	// whole reports whether the kernel resolves whole paths.
	whole bool
	fd    *os.File
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// Open opens a directory.
func Open(dir string) (*FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	fd, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	f := &FS{dir: dir, root: root, fd: fd}
	// A container's filter of system calls may be older than this one.
	probe, err := f.resolve(".", unix.O_PATH)
	if f.whole = err == nil; f.whole {
		_ = unix.Close(probe)
	}
	return f, nil
}

// Close closes the directory. What was opened in it stays open.
func (f *FS) Close() error { return errors.Join(f.root.Close(), f.fd.Close()) }

func (f *FS) resolve(name string, flags uint64) (int, error) {
	for {
		fd, err := unix.Openat2(int(f.fd.Fd()), name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

// open opens a file as an *os.File.
func (f *FS) open(op, name string, flags uint64) (*os.File, error) {
	// A name need not be UTF-8: git keeps any bytes.
	if !fs.ValidPath(strings.ToValidUTF8(name, "\uFFFD")) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if !f.whole {
		return f.root.Open(name)
	}
	fd, err := f.resolve(name, flags)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(f.dir, name)), nil
}

// Open implements fs.FS.
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.open("open", name, unix.O_RDONLY|unix.O_NONBLOCK) // a named pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	return file, nil
}

// ReadHead is a file's content, up to a number of bytes. A hub's files are small, and many: an os.File would cost twice the
// system calls, since it asks whether it could wait for each.
func (f *FS) ReadHead(name string, limit int) ([]byte, error) {
	if !f.whole || !fs.ValidPath(name) {
		file, err := f.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return io.ReadAll(io.LimitReader(file, int64(limit)))
	}
	fd, err := f.resolve(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	data := make([]byte, 0, min(limit, firstRead))
	for len(data) < limit {
		if len(data) == cap(data) {
			data = slices.Grow(data, len(data))
		}
		n, err := unix.Read(fd, data[len(data):min(cap(data), limit)])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		case n == 0:
			return data, nil
		default:
			data = data[:len(data)+n]
		}
	}
	return data, nil
}

// firstRead is how much of a file is asked for at first: nearly all of a bundle's files are shorter.
const firstRead = 1 << 9

// ReadDir implements fs.ReadDirFS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := f.open("open", name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Stat implements fs.StatFS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if !f.whole {
		return f.root.Stat(name)
	}
	file, err := f.open("stat", name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// Lstat implements fs.ReadLinkFS.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.root.Lstat(name) }

// ReadLink implements fs.ReadLinkFS.
func (f *FS) ReadLink(name string) (string, error) { return f.root.Readlink(name) }
