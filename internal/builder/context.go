package builder

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/history"
)

// Context is what one image is made of: a directory's files as they were when the Context was made. No build can change
// it: it lies in a file without a name that only this process has open.
type Context struct {
	// Tree is the git tree hash of the files.
	Tree    string
	created time.Time
	recipe  []byte
	archive *io.SectionReader
}

// Context takes in the files of a directory and its recipe, a path on this machine. Make the Contexts of all builds
// before the first one runs: a build in place could reach the directories. The image and the files carry the time
// created.
func (b *Builder) Context(dir, recipe string, created time.Time) (*Context, error) {
	c := &Context{created: created}
	var err error
	if c.recipe, err = os.ReadFile(recipe); err != nil {
		return nil, fmt.Errorf("read the Dockerfile: %w", err)
	}
	if c.Tree, err = history.TreeHash(dir); err != nil {
		return nil, err
	}
	begin, err := b.contexts.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if err := pack(b.contexts, dir, created); err != nil {
		return nil, fmt.Errorf("copy the build's context: %w", err)
	}
	end, err := b.contexts.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	c.archive = io.NewSectionReader(b.contexts, begin, end-begin)
	return c, nil
}

// nameless is a new file that nobody else can open.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "hub-publish-contexts-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// pack writes a directory as a tar archive. Files get the permissions that git records (executable or not) and one
// time, so that the image is made of the commit and not of the checkout.
func pack(to io.Writer, dir string, when time.Time) error {
	w := tar.NewWriter(to)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, path)
		switch {
		case err != nil || below == ".":
			return err
		case below == ".git" && entry.IsDir():
			return fs.SkipDir
		case below == ".git":
			return nil
		}
		return packEntry(w, path, &tar.Header{Name: below, ModTime: when, Format: tar.FormatPAX})
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func packEntry(w *tar.Writer, path string, header *tar.Header) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		header.Typeflag, header.Mode = tar.TypeDir, 0o755
		return w.WriteHeader(header)
	case mode&fs.ModeSymlink != 0:
		header.Typeflag, header.Mode = tar.TypeSymlink, 0o777
		if header.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
		return w.WriteHeader(header)
	case !mode.IsRegular():
		return fmt.Errorf("%s is neither a file, a directory nor a link", path)
	case mode&0o100 != 0:
		header.Mode = 0o755
	default:
		header.Mode = 0o644
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// unpack lays the context out for one build. Docker gives what COPY brings the owner 0:0; kaniko keeps the context's,
// which therefore is this process's.
func (c *Context) unpack(dir string) error {
	if _, err := c.archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	type stamp struct {
		path string
		when time.Time
	}
	var dirs []stamp
	r := tar.NewReader(c.archive)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			dirs = append(dirs, stamp{path, header.ModTime})
			err = os.Mkdir(path, 0o755)
		case tar.TypeSymlink:
			err = unpackLink(path, header)
		default:
			err = unpackFile(path, header, r)
		}
		if err != nil {
			return err
		}
	}
	for _, d := range dirs { // only now: a file that is made in a directory changes its time
		if err := os.Chtimes(d.path, d.when, d.when); err != nil {
			return err
		}
	}
	return nil
}

func unpackLink(path string, header *tar.Header) error {
	if err := os.Symlink(header.Linkname, path); err != nil {
		return err
	}
	when := unix.NsecToTimespec(header.ModTime.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
}

func unpackFile(path string, header *tar.Header, content io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(path, fs.FileMode(header.Mode)); err != nil { // whatever the umask is
		return err
	}
	return os.Chtimes(path, header.ModTime, header.ModTime)
}
