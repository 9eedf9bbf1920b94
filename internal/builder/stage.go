package builder

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// stage copies a build's context. Files get the permissions that git records (executable or not), this process's user
// as owner and one time, so that the image is made of the commit and not of the checkout. Docker gives what COPY brings
// the owner 0:0; kaniko keeps the context's, which therefore has it.
func stage(from, to string, when time.Time) error {
	var dirs []string
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if below == ".git" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		target := filepath.Join(to, below)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch mode := info.Mode(); {
		case mode.IsDir():
			dirs = append(dirs, target)
			return os.MkdirAll(target, 0o755)
		case mode&fs.ModeSymlink != 0:
			return copyLink(path, target, when)
		case mode.IsRegular():
			return copyFile(path, target, mode, when)
		}
		return fmt.Errorf("%s is neither a file, a directory nor a link", path)
	})
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.Chtimes(dir, when, when); err != nil {
			return err
		}
	}
	return nil
}

func copyLink(from, to string, when time.Time) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Symlink(target, to); err != nil {
		return err
	}
	t := unix.NsecToTimespec(when.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

func copyFile(from, to string, mode fs.FileMode, when time.Time) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	permissions := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		permissions = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(to, permissions); err != nil { // whatever the umask is
		return err
	}
	return os.Chtimes(to, when, when)
}
