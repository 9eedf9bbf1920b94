package fileop

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// actionError is an error that speaks of paths as the image has them.
type actionError struct {
	message string
	cause   error
}

func (e *actionError) Error() string { return e.message }
func (e *actionError) Unwrap() error { return e.cause }

// missingError says that a source of a copy is not there.
type missingError struct{ path string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%q is not there; check the path, and that no line of .dockerignore leaves it out", e.path)
}
func (e *missingError) Is(target error) bool { return target == fs.ErrNotExist }

// explain says which action failed, and what to do where the reason is this machine's.
func (t *target) explain(err error, source string) error {
	message := withoutRoots(err.Error(), t.dest, source)
	var path *os.PathError
	if errors.As(err, &path) && path.Op == "lchown" && (errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EPERM)) {
		message += fmt.Sprintf(" (owner %d:%d): this build cannot give files to that owner; without root it has one user and one group only. Build as root, or leave the owner out", t.asked.UID, t.asked.GID)
	}
	return &actionError{fmt.Sprintf("%s: %s", describe(t.action), message), err}
}

func withoutRoots(message string, roots ...string) string {
	// A root inside of another one goes first.
	slices.SortFunc(roots, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, root := range roots {
		if root = filepath.Clean(root); root != "/" && root != "." {
			message = strings.ReplaceAll(message, root+"/", "/")
			message = strings.ReplaceAll(message, root, "/")
		}
	}
	return message
}
