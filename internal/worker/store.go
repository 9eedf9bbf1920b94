package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// store keeps base images unpacked from one run to the next, on a machine where there is a next one. Each is a directory
// under its digest, with the files in fs; whoever uses one holds a lock on it.
type store struct {
	dir string
	// held are the locks on images in use. The process's end lets go of them.
	held []*os.File
}

const (
	storedFiles = "fs"
	// unused is how long an image stays that nobody uses.
	unused = 14 * 24 * time.Hour
)

// openStore opens the store in a directory, one for each way in which users are mapped: a file has another owner in each.
func openStore(dir string) (*store, error) {
	mapping, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, err
	}
	s := &store{dir: filepath.Join(dir, strings.ReplaceAll(strings.Join(strings.Fields(string(mapping)), "-"), "/", "-"))}
	return s, os.MkdirAll(s.dir, 0o755)
}

// find is the directory with an image's files, if the store has it.
func (s *store) find(digest string) (dir string, ok bool) {
	path := filepath.Join(s.dir, digest)
	lock, err := os.Open(path)
	if err != nil {
		return "", false
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		lock.Close() // it is being removed
		return "", false
	}
	dir = filepath.Join(path, storedFiles)
	if _, err := os.Stat(dir); err != nil {
		lock.Close()
		return "", false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // where that cannot be kept, the image goes earlier than it should
	s.held = append(s.held, lock)
	return dir, true
}

// add unpacks an image. It is there as a whole or not at all, also if another process adds it at the same time.
func (s *store) add(digest string, unpack func(dir string) error) (dir string, err error) {
	fresh, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	files := filepath.Join(fresh, storedFiles)
	if err := os.Mkdir(files, 0o755); err != nil {
		return "", err
	}
	if err := unpack(files); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, filepath.Join(s.dir, digest)); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return "", err
	}
	if dir, ok := s.find(digest); ok {
		return dir, nil
	}
	return "", fmt.Errorf("the base image %s was removed from %s while it was unpacked there", digest, s.dir)
}

// prune removes what nobody has used for a while, and what a process that died left behind.
func (s *store) prune() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, infoErr := entry.Info()
		if infoErr != nil || time.Since(info.ModTime()) < unused {
			continue
		}
		err = errors.Join(err, s.remove(filepath.Join(s.dir, entry.Name())))
	}
	return err
}

func (s *store) remove(path string) error {
	lock, err := os.Open(path)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // somebody uses it
	}
	return os.RemoveAll(path)
}
