package fileop

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"
)

// unpack does ADD's unpacking of a local archive. It reports false, and has done nothing, for a file that is none.
func (t *target) unpack(ctx context.Context, sourceRoot, match string, action *pb.FileActionCopy) (bool, error) {
	path, err := fs.RootPath(sourceRoot, match)
	if err != nil {
		return false, err
	}
	if archive, err := isArchive(path); err != nil || !archive {
		return false, err
	}
	dest, err := fs.RootPath(t.dest, cleanPath(action.Dest))
	if err != nil {
		return false, err
	}
	created := t.created(action.Timestamp)
	times := newDirectoryTimes(created)
	times.watchUp(t.dest, dest)
	if _, err := fscopy.MkdirAll(dest, 0o755, t.chowner(false), &created); err != nil {
		return false, err
	}
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	content, err := decompress(file)
	if err != nil {
		return false, err
	}
	defer content.Close()
	return true, (&unpacker{target: t, root: dest, times: times}).run(ctx, content)
}

// unpacker puts the entries of a tar archive below root as github.com/moby/go-archive v0.1.0 does once its root is changed
// to that directory: no name, hard link or symbolic link leads out of it. It changes no root itself, which is not allowed
// everywhere, but follows links entry by entry.
type unpacker struct {
	*target
	root  string
	times *directoryTimes
	// dirs are the directories of the archive. They get their time when nothing is put in them any more.
	dirs []*tar.Header
}

func (u *unpacker) run(ctx context.Context, r io.Reader) error {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := u.entry(header, archive); err != nil {
			return fmt.Errorf("unpack %q: %w", header.Name, err)
		}
	}
	if err := u.times.settle(); err != nil {
		return err
	}
	for _, header := range u.dirs {
		path, err := fs.RootPath(u.root, header.Name)
		if err == nil {
			err = setModTime(path, bounded64(header.ModTime))
		}
		if err != nil {
			return fmt.Errorf("unpack %q: %w", header.Name, err)
		}
	}
	return nil
}

func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	// "." is the directory itself, whose owner and mode stay. "/" and ".." name it too, but theirs are set.
	if filepath.Clean(header.Name) == "." {
		return nil
	}
	name := filepath.Join("/", header.Name)
	parent, err := u.directory(filepath.Dir(name))
	if err != nil {
		return err
	}
	path := filepath.Join(parent, filepath.Base(name))
	u.times.watch(parent)
	if err := u.makeRoom(path, header); err != nil {
		return err
	}
	if err := u.create(path, header, content); err != nil {
		return err
	}
	if header.Typeflag == tar.TypeDir {
		u.dirs = append(u.dirs, header)
	}
	return u.dress(path, header)
}

// directory finds the directory of this name below root, through links, and makes it, root's own with mode 0755, where the
// archive takes it for granted.
func (u *unpacker) directory(name string) (string, error) {
	dir := u.root
	for part := range strings.SplitSeq(strings.Trim(name, "/"), "/") {
		if part == "" {
			break
		}
		next := filepath.Join(dir, part)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, os.ErrNotExist):
			u.times.watch(dir)
			u.times.watch(next)
			if err := u.imply(next); err != nil {
				return "", err
			}
			dir = next
			continue
		case err == nil && info.Mode()&os.ModeSymlink != 0:
			if next, err = fs.RootPath(u.root, strings.TrimPrefix(next, u.root)); err == nil {
				info, err = os.Lstat(next)
			}
		}
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", &os.PathError{Op: "mkdir", Path: next, Err: syscall.ENOTDIR}
		}
		dir = next
	}
	return dir, nil
}

func (u *unpacker) imply(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return err
	}
	return u.give(path, Owner{})
}

// makeRoom removes what is in the entry's place, unless both are directories.
func (u *unpacker) makeRoom(path string, header *tar.Header) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() && header.Typeflag == tar.TypeDir {
		return nil
	}
	if err != nil {
		return err
	}
	if path == u.root {
		return errors.New("it would replace the directory that the archive is unpacked to")
	}
	return os.RemoveAll(path)
}
