package worker

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// lent are what the container puts into a root in place that is not the image's, and that a build can change: the network's
// files, and the devices. Each operation must find them as the first one did.
type lent struct {
	files   map[string][]byte // by path, with their content
	devices map[string]device // by path
}

// device is one of the files in /dev.
type device struct {
	mode     uint32
	uid, gid int
	number   int
	target   string // of a link
}

// maxLent is the largest file that is remembered, in bytes: a larger one is none of the network's.
const maxLent = 1 << 20

// notDevices are in /dev, and are the kernel's own.
var notDevices = []string{"/dev/pts"}

// lentBy remembers the files of these paths, and the devices.
func lentBy(paths map[string]bool) (*lent, error) {
	l := &lent{files: map[string][]byte{}}
	for path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxLent {
			continue
		}
		if l.files[path], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	var err error
	l.devices, err = readDevices()
	return l, err
}

func readDevices() (map[string]device, error) {
	devices := map[string]device{}
	err := filepath.WalkDir("/dev", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || path == "/dev":
			return err
		case slices.Contains(notDevices, path):
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		d := device{mode: stat.Mode, uid: int(stat.Uid), gid: int(stat.Gid), number: int(stat.Rdev)}
		if info.Mode()&fs.ModeSymlink != 0 {
			d.target, err = os.Readlink(path)
		}
		devices[path] = d
		return err
	})
	return devices, err
}

// restore makes all as it was, and says which paths were not: files, and devices.
func (l *lent) restore() (files, devices []string, err error) {
	if l == nil {
		return nil, nil, nil
	}
	var errs []error
	for path, content := range l.files {
		now, err := os.ReadFile(path)
		if err == nil && slices.Equal(now, content) {
			continue
		}
		files = append(files, path)
		errs = append(errs, os.WriteFile(path, content, 0o644)) // it is a mount: nothing else can stand in its place
	}
	now, err := readDevices()
	errs = append(errs, err)
	for path, d := range now {
		if was, ok := l.devices[path]; !ok || was != d {
			devices = append(devices, path)
			if err := os.RemoveAll(path); err != nil && !errors.Is(err, unix.EBUSY) {
				errs = append(errs, err)
			}
		}
	}
	// A directory comes before what is in it.
	for _, path := range slices.Sorted(maps.Keys(l.devices)) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			devices = append(devices, path)
			errs = append(errs, l.devices[path].make(path))
		}
	}
	slices.Sort(files)
	slices.Sort(devices)
	return files, slices.Compact(devices), errors.Join(errs...)
}

// make makes the file anew.
func (d device) make(path string) error {
	if d.mode&unix.S_IFMT == unix.S_IFLNK {
		return os.Symlink(d.target, path)
	}
	var err error
	if d.mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.Mkdir(path, d.mode&0o7777)
	} else {
		err = unix.Mknod(path, d.mode, d.number)
	}
	return errors.Join(err, os.Lchown(path, d.uid, d.gid), unix.Chmod(path, d.mode&0o7777))
}
