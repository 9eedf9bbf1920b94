package fileop

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"
)

// mkdir makes a directory, as WORKDIR does. One that is there stays as it is.
func (t *target) mkdir(action *pb.FileActionMkDir) error {
	path, err := fs.RootPath(t.dest, action.Path)
	if err != nil {
		return err
	}
	created := t.created(action.Timestamp)
	times := newDirectoryTimes(created)
	times.watchUp(t.dest, path)
	mode := os.FileMode(action.Mode) & 0o777
	if action.MakeParents {
		_, err = fscopy.MkdirAll(path, mode, t.chowner(false), &created)
	} else {
		err = t.mkdirOne(path, mode)
	}
	if err != nil {
		return err
	}
	return times.settle()
}

func (t *target) mkdirOne(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	// BuildKit runs without a umask, we may have one.
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return fscopy.Chown(path, nil, t.chowner(false))
}

// mkfile makes a file, as a here-document does. What is at its place is replaced and never opened: it may be a device or a
// named pipe.
func (t *target) mkfile(action *pb.FileActionMkFile) error {
	path, err := fs.RootPath(t.dest, filepath.Join("/", action.Path))
	if err != nil {
		return err
	}
	if path == filepath.Clean(t.dest) {
		return &os.PathError{Op: "mkfile", Path: "/", Err: syscall.EISDIR}
	}
	times := newDirectoryTimes(t.opt.Created)
	times.watch(filepath.Dir(path))
	staged, err := t.stage(filepath.Dir(path), action)
	if err != nil {
		return err
	}
	if err := os.Rename(staged, path); err != nil {
		return errors.Join(&os.PathError{Op: "mkfile", Path: path, Err: linkCause(err)}, os.Remove(staged))
	}
	return times.settle()
}

// stage writes the file next to where it will be.
func (t *target) stage(dir string, action *pb.FileActionMkFile) (name string, err error) {
	file, err := os.CreateTemp(dir, ".mkfile-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(action.Data)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if err := os.Chmod(file.Name(), os.FileMode(action.Mode)&0o777); err != nil {
		return "", err
	}
	if err := fscopy.Chown(file.Name(), nil, t.chowner(false)); err != nil {
		return "", err
	}
	return file.Name(), setModTime(file.Name(), t.created(action.Timestamp))
}

// linkCause is the reason of an error that names two paths.
func linkCause(err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

func (t *target) symlink(action *pb.FileActionSymlink) error {
	path, err := fs.RootPath(t.dest, filepath.Join("/", action.Newpath))
	if err != nil {
		return err
	}
	times := newDirectoryTimes(t.opt.Created)
	times.watch(filepath.Dir(path))
	if err := os.Symlink(action.Oldpath, path); err != nil {
		return &os.PathError{Op: "symlink", Path: path, Err: linkCause(err)}
	}
	if err := fscopy.Chown(path, nil, t.chowner(false)); err != nil {
		return err
	}
	if err := setModTime(path, t.created(action.Timestamp)); err != nil {
		return err
	}
	return times.settle()
}

func (t *target) remove(action *pb.FileActionRm) error {
	paths := []string{action.Path}
	if action.AllowWildcard {
		var err error
		if paths, err = fscopy.ResolveWildcards(t.dest, cleanPath(action.Path), false); err != nil {
			return err
		}
	}
	times := newDirectoryTimes(t.opt.Created)
	for _, path := range paths {
		if err := t.removeOne(times, path, action.AllowNotFound); err != nil {
			return err
		}
	}
	return times.settle()
}

func (t *target) removeOne(times *directoryTimes, path string, allowNotFound bool) error {
	dir, base := filepath.Split(filepath.Join("/", path))
	if base == "" {
		return errors.New("the root itself cannot be removed")
	}
	dir, err := fs.RootPath(t.dest, dir)
	if err != nil {
		return err
	}
	if !allowNotFound {
		// BuildKit follows a link here, and from the machine's root. A link that leads nowhere counts as not there.
		followed, err := fs.RootPath(t.dest, path)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(followed); err != nil {
			return err
		}
	}
	times.watch(dir)
	return os.RemoveAll(filepath.Join(dir, base))
}
