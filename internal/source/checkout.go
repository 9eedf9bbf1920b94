package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
	"golang.org/x/sys/unix"
)

// checkout fetches the repository and writes its files to dir.
func (j *gitJob) checkout(ctx context.Context, request gitRequest, dir string, keep bool) (commit *object.Commit, err error) {
	objects := filepath.Join(dir, ".git")
	if !keep {
		if objects, err = os.MkdirTemp(dir, ".git-objects-"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(objects)) }()
	}
	storage := j.openStorage(objects)
	want, known, err := request.byHash()
	if err != nil {
		return nil, err
	}
	if !known {
		references, err := j.list(ctx, storage)
		if err != nil {
			return nil, err
		}
		if want, err = request.byName(references); err != nil {
			return nil, err
		}
	}
	if commit, err = j.fetch(ctx, storage, want); err != nil {
		return nil, err
	}
	if err := request.check(want, commit.Hash); err != nil {
		return nil, err
	}
	files, err := j.write(ctx, storage, commit, dir)
	if err != nil {
		return nil, err
	}
	if !request.skipSubmodules {
		if keep && len(files.submodules) > 0 {
			return nil, errors.New("--keep-git-dir is not supported for a repository with submodules; leave them out with ?submodules=false, or clone it with RUN")
		}
		if err := j.submodules(ctx, files, dir); err != nil {
			return nil, err
		}
	}
	if keep {
		return commit, keepGitDir(storage, j.url, want, commit, files.index)
	}
	return commit, nil
}

// worktree writes the files of a commit.
type worktree struct {
	ctx        context.Context
	root       *os.Root
	storage    *boundedStorage
	attributes *attributes
	made       map[string]bool
	index      []*index.Entry
	submodules map[string]plumbing.Hash
	// modules is the content of .gitmodules.
	modules []byte
}

func (j *gitJob) write(ctx context.Context, storage *boundedStorage, commit *object.Commit, dir string) (*worktree, error) {
	tree, err := commit.Tree()
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", commit.Hash, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := &worktree{ctx: ctx, root: root, storage: storage, attributes: newAttributes(), made: map[string]bool{".": true}, submodules: map[string]plumbing.Hash{}}
	return w, w.tree(tree, ".")
}

// tree writes one directory. Git has no empty ones: a directory is made for the first file in it.
func (w *worktree) tree(tree *object.Tree, dir string) error {
	if err := w.readAttributes(tree, dir); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, entry := range tree.Entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		name := path.Join(dir, entry.Name)
		if err := checkName(entry.Name); err != nil || seen[entry.Name] {
			return fmt.Errorf("%q: the repository has a name that Git does not check out", name)
		}
		seen[entry.Name] = true
		if err := w.entry(entry, name); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	return nil
}

// checkName refuses what Git itself refuses (verify_path in its read-cache.c): names that lead out, or into .git.
func checkName(name string) error {
	switch strings.ToLower(name) {
	case "", ".", "..", ".git", "git~1":
		return errors.New("not a name")
	}
	if strings.ContainsAny(name, "/\x00") {
		return errors.New("not a name")
	}
	return nil
}

func (w *worktree) entry(entry object.TreeEntry, name string) error {
	switch entry.Mode {
	case filemode.Dir:
		tree, err := object.GetTree(w.storage, entry.Hash)
		if err != nil {
			return err
		}
		return w.tree(tree, name)
	case filemode.Submodule:
		w.submodules[name] = entry.Hash
		w.index = append(w.index, &index.Entry{Name: name, Hash: entry.Hash, Mode: filemode.Submodule})
		return w.mkdir(name)
	}
	blob, err := object.GetBlob(w.storage, entry.Hash)
	if err != nil {
		return err
	}
	if err := spend(w.storage.left, blob.Size, w.storage.most); err != nil {
		return err
	}
	if err := w.mkdir(path.Dir(name)); err != nil {
		return err
	}
	// Without a size, Git compares the file's content.
	w.index = append(w.index, &index.Entry{Name: name, Hash: entry.Hash, Mode: entry.Mode})
	content, err := blob.Reader()
	if err != nil {
		return err
	}
	defer content.Close()
	if entry.Mode == filemode.Symlink {
		target, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		return w.root.Symlink(string(target), name)
	}
	return w.file(name, entry, content)
}

func (w *worktree) file(name string, entry object.TreeEntry, content io.Reader) error {
	content, err := w.attributes.convert(name, content)
	if err != nil {
		return err
	}
	// Git knows one bit of a file's mode, and BuildKit checks out with the umask 0022.
	mode := fs.FileMode(0o644)
	if entry.Mode == filemode.Executable {
		mode = 0o755
	}
	file, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

func (w *worktree) mkdir(name string) error {
	if w.made[name] {
		return nil
	}
	if err := w.mkdir(path.Dir(name)); err != nil {
		return err
	}
	w.made[name] = true
	if err := w.root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return w.root.Chmod(name, 0o755)
}

// setTimes gives dir and all in it a time.
func setTimes(dir string, when time.Time) error {
	times := make([]unix.Timespec, 2)
	times[0] = unix.NsecToTimespec(when.UnixNano())
	times[1] = times[0]
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}
