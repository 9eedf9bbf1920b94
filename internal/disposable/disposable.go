// Package disposable is the guard in front of the builder. kaniko builds in the root of its process: it deletes what is
// there and unpacks base images over it. On a machine's own root that would be the end of the machine.
package disposable

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
)

// marks are the empty files that container engines leave in the roots that they make.
var marks = []string{"/.dockerenv", "/run/.containerenv"}

// NotDisposableError names what a build would destroy.
type NotDisposableError struct {
	// Path is a file in the root that somebody may need.
	Path string
}

func (e *NotDisposableError) Error() string {
	return fmt.Sprintf("this root is not disposable: a build in place would delete %s and everything beside it; builds in place run in the action's own container only, whose root holds nothing; "+
		"ask for `isolation: sandbox`, or run the action's image", e.Path)
}

// Check returns nil where a root holds nothing to lose: no file outside of mounts and of the builder's own directory,
// which is named as seen from the root. It looks for files, not for signs of a container: a container can hold
// somebody's files too. Its error is a *NotDisposableError where the root holds one.
func Check(root, own string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(root))
	if err != nil {
		return fmt.Errorf("cannot tell whether the root is disposable: %w", err)
	}
	mounted := map[string]bool{}
	for _, m := range mounts {
		mounted[m.Mountpoint] = m.Mountpoint != root
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		inside := "/" + rel(root, path)
		switch {
		case inside == own, mounted[path]:
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir(), entry.Type()&fs.ModeSymlink != 0, slices.Contains(marks, inside):
			return nil
		}
		return &NotDisposableError{path}
	})
	var found *NotDisposableError
	if err != nil && !errors.As(err, &found) {
		return fmt.Errorf("cannot tell whether the root is disposable: %w", err)
	}
	return err
}

func rel(root, path string) string {
	r, err := filepath.Rel(root, path)
	if err != nil || r == "." {
		return ""
	}
	return r
}
