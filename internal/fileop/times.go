package fileop

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// directoryTimes gives directories that an action changes times that do not depend on when it ran: the time it had to a
// directory that was there, and the action's time to a new one. A time that the action itself has set stays.
type directoryTimes struct {
	created time.Time
	watched map[string]*directory
}

type directory struct {
	// before is nil if it was not there.
	before *time.Time
	// set is the time that the action gives it in the end, if it gives it one.
	set *time.Time
}

func newDirectoryTimes(created time.Time) *directoryTimes {
	return &directoryTimes{created: created, watched: map[string]*directory{}}
}

// watch remembers one directory, which need not be there, before anything is done in it.
func (d *directoryTimes) watch(path string) *directory {
	if known := d.watched[path]; known != nil {
		return known
	}
	entry := &directory{}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		before := info.ModTime()
		entry.before = &before
	}
	d.watched[path] = entry
	return entry
}

// watchUp remembers path and what is above it, up to root.
func (d *directoryTimes) watchUp(root, path string) {
	for d.watch(path); path != root && path != filepath.Dir(path); d.watch(path) {
		path = filepath.Dir(path)
	}
}

// settle sets the times. It does not touch a directory that the action left alone: on an overlay that would copy it up.
func (d *directoryTimes) settle() error {
	for path, entry := range d.watched {
		info, err := os.Lstat(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && !info.IsDir() {
			continue
		}
		if err != nil {
			return err
		}
		now, wanted := info.ModTime(), d.created
		if entry.before != nil {
			wanted = *entry.before
		}
		if now.Equal(wanted) || entry.set != nil && now.Equal(*entry.set) {
			continue
		}
		if err := setModTime(path, wanted); err != nil {
			return err
		}
	}
	return nil
}

// setModTime sets the modification time of path, which may be a symbolic link, and leaves the time of its last access.
func setModTime(path string, t time.Time) error {
	modified, err := unix.TimeToTimespec(t)
	if err != nil {
		return &os.PathError{Op: "utimensat", Path: path, Err: err}
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: path, Err: err}
	}
	return nil
}
