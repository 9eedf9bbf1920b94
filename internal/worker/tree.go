package worker

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	fscopy "github.com/tonistiigi/fsutil/copy"
)

// copyTree copies what is in a directory into another, with owners, modes and times.
func copyTree(ctx context.Context, from, to string) error {
	return fscopy.Copy(ctx, from, "/", to, "/", func(c *fscopy.CopyInfo) { c.CopyDirContents = true }, fscopy.AllowXAttrErrors)
}

// copyDirectory makes a directory like another one.
func copyDirectory(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Lchown(to, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(to, info.Mode())
}

// copyFile copies a file to a path where there is nothing.
func copyFile(ctx context.Context, from, to string) error {
	return fscopy.Copy(ctx, filepath.Dir(from), filepath.Base(from), filepath.Dir(to), filepath.Base(to), fscopy.AllowXAttrErrors)
}
