package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mutate does random operations below a root, as a RUN instruction could do them.
func mutate(random *rand.Rand, root string, operations int) error {
	m := &mutator{random, root}
	for range operations {
		err := m.operate()
		// What a random operation can not do is no error: a directory over a file, a rename into itself, a rename that an
		// overlay without redirect_dir refuses.
		ignored := []error{fs.ErrNotExist, fs.ErrExist, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EINVAL, unix.EXDEV, unix.ELOOP, unix.EBUSY}
		for _, ignore := range ignored {
			if errors.Is(err, ignore) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("a random operation: %w", err)
		}
	}
	return nil
}

type mutator struct {
	*rand.Rand
	root string
}

// existing picks a path below the root, and new one that may or may not be there.
func (m *mutator) existing() string {
	var paths []string
	filepath.WalkDir(m.root, func(path string, _ fs.DirEntry, _ error) error {
		if path != m.root {
			paths = append(paths, path)
		}
		return nil
	})
	if len(paths) == 0 {
		return filepath.Join(m.root, "nothing")
	}
	return paths[m.IntN(len(paths))]
}

func (m *mutator) new() string {
	dir := m.root
	if m.IntN(2) == 0 {
		dir = m.existing()
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			dir = filepath.Dir(dir)
		}
	}
	return filepath.Join(dir, string(rune('a'+m.IntN(12))))
}

func (m *mutator) operate() error {
	switch m.IntN(16) {
	case 0, 1:
		return m.write(m.new())
	case 2:
		return m.write(m.existing())
	case 3:
		return os.Mkdir(m.new(), 0o700|fs.FileMode(m.IntN(0o100)))
	case 4:
		return m.chmod(m.existing())
	case 5:
		if os.Geteuid() != 0 {
			return nil
		}
		return os.Lchown(m.existing(), m.IntN(3), m.IntN(3))
	case 6:
		return os.Rename(m.existing(), m.new())
	case 7:
		from := m.existing()
		if info, err := os.Lstat(from); err != nil || info.IsDir() {
			return err
		}
		return os.Link(from, m.new())
	case 8:
		return os.Symlink([]string{"a", "../b", "/c", "gone"}[m.IntN(4)], m.new())
	case 9:
		return os.Remove(m.existing())
	case 10:
		return os.RemoveAll(m.existing())
	case 11:
		return m.rewrite(m.existing())
	case 12:
		return m.replaceType(m.existing())
	case 13:
		return os.Chtimes(m.existing(), someTime, someTime.Add(time.Duration(m.IntN(1e6))*time.Second))
	case 14:
		return m.setCapability(m.existing())
	default:
		return unix.Mkfifo(m.new(), 0o640)
	}
}

func (m *mutator) write(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	return os.WriteFile(path, []byte(strings.Repeat(string(rune('a'+m.IntN(26))), m.IntN(9000))), 0o600|fs.FileMode(m.IntN(0o200)))
}

func (m *mutator) chmod(path string) error {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return err
	}
	return unix.Chmod(path, uint32(0o700|m.IntN(0o7777)))
}

// rewrite changes a file's content and leaves its size and time as they were.
func (m *mutator) rewrite(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := os.WriteFile(path, []byte(strings.Repeat(string(rune('A'+m.IntN(26))), int(info.Size()))), 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}

func (m *mutator) replaceType(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if !info.IsDir() || m.IntN(3) == 0 { // a directory is made anew as well
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		return m.write(filepath.Join(path, "a"))
	}
	return m.write(path)
}

func (m *mutator) setCapability(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || os.Geteuid() != 0 {
		return err
	}
	value := []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	value[5] = byte(m.IntN(16))
	return unix.Lsetxattr(path, capability, value, 0)
}
