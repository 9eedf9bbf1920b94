package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

func notExist(path string) error { return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist} }

// TreeHash is the git tree hash of a directory's files as they are on disk: what `git rev-parse HEAD:dir` prints when
// the directory is committed unchanged. It tells the truth about what an image is made from, whatever git knows. A
// directory .git is left out, and directories without files, which git does not keep.
func TreeHash(dir string) (string, error) {
	hash, _, err := treeHash(dir)
	if err != nil {
		return "", fmt.Errorf("hash the files of %s: %w", dir, err)
	}
	return hash.String(), nil
}

func treeHash(dir string) (hash plumbing.Hash, empty bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return hash, false, err
	}
	var tree object.Tree
	for _, entry := range entries {
		if entry.Name() == ".git" {
			continue
		}
		e, ok, err := treeEntry(dir, entry)
		if err != nil {
			return hash, false, err
		}
		if ok {
			tree.Entries = append(tree.Entries, e)
		}
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	var encoded plumbing.MemoryObject
	if err := tree.Encode(&encoded); err != nil {
		return hash, false, err
	}
	return encoded.Hash(), len(tree.Entries) == 0, nil
}

// treeEntry is one name of a directory as git records it; not ok for what git does not keep.
func treeEntry(dir string, entry fs.DirEntry) (e object.TreeEntry, ok bool, err error) {
	path := filepath.Join(dir, entry.Name())
	e.Name = entry.Name()
	info, err := entry.Info()
	if err != nil {
		return e, false, err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		var empty bool
		e.Mode = filemode.Dir
		e.Hash, empty, err = treeHash(path)
		return e, !empty, err
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		e.Mode, e.Hash = filemode.Symlink, plumbing.ComputeHash(plumbing.BlobObject, []byte(target))
		return e, true, err
	case mode.IsRegular():
		e.Mode = fileMode(mode)
		e.Hash, err = blobHash(path, info.Size())
		return e, true, err
	}
	return e, false, errors.New(path + " is neither a file, a directory nor a link")
}

// fileMode is what git records of a file's or link's mode.
func fileMode(mode fs.FileMode) filemode.FileMode {
	switch {
	case mode&fs.ModeSymlink != 0:
		return filemode.Symlink
	case mode&0o100 != 0:
		return filemode.Executable
	}
	return filemode.Regular
}

func blobHash(path string, size int64) (plumbing.Hash, error) {
	f, err := os.Open(path)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer f.Close()
	hasher := plumbing.NewHasher(plumbing.BlobObject, size)
	if n, err := io.Copy(hasher, f); err != nil {
		return plumbing.ZeroHash, err
	} else if n != size {
		return plumbing.ZeroHash, errors.New(path + " changed while it was read")
	}
	return hasher.Sum(), nil
}
