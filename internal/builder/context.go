package builder

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

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
	exclude, err := ignored(dir, recipe)
	if err != nil {
		return nil, err
	}
	if err := pack(context.Background(), b.contexts, dir, exclude, created); err != nil {
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
	if dir == "" {
		dir = workDir()
	}
	f, err := os.CreateTemp(dir, "hub-publish-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// ignoreFiles say what a context leaves out; BuildKit takes the first that is there (frontend/dockerui, DockerIgnorePatterns).
func ignoreFiles(dir, recipe string) []string {
	return []string{recipe + ".dockerignore", filepath.Join(dir, ".dockerignore")}
}

func ignored(dir, recipe string) ([]string, error) {
	for _, path := range ignoreFiles(dir, recipe) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer f.Close()
		patterns, err := ignorefile.ReadAll(f)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
		}
		return patterns, nil
	}
	return nil, nil
}

// pack writes a directory as a tar archive, without what its ignore file leaves out. All files get one time and root as
// their owner, so that the image is made of the commit and not of the checkout.
func pack(ctx context.Context, to io.Writer, dir string, exclude []string, when time.Time) error {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return err
	}
	// The checkout's own directory is never of an image: it can hold the token that it was fetched with.
	exclude = append(slices.Clone(exclude), ".git")
	if files, err = fsutil.NewFilterFS(files, &fsutil.FilterOpt{ExcludePatterns: exclude}); err != nil {
		return err
	}
	w := tar.NewWriter(to)
	err = files.Walk(ctx, "", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return packEntry(w, filepath.Join(dir, path), &tar.Header{Name: filepath.ToSlash(path), ModTime: when, Format: tar.FormatPAX})
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
	header.Mode = int64(info.Sys().(*syscall.Stat_t).Mode & 0o7777)
	switch mode := info.Mode(); {
	case mode.IsDir():
		header.Typeflag = tar.TypeDir
		return w.WriteHeader(header)
	case mode&fs.ModeSymlink != 0:
		header.Typeflag = tar.TypeSymlink
		if header.Linkname, err = os.Readlink(path); err != nil {
			return err
		}
		return w.WriteHeader(header)
	case mode&fs.ModeNamedPipe != 0:
		header.Typeflag = tar.TypeFifo
		return w.WriteHeader(header)
	case mode&fs.ModeSocket != 0:
		return nil // no archive can hold it, and nobody listens
	case !mode.IsRegular():
		return fmt.Errorf("%s is a device, which no build may copy", path)
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
