package fileop

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tonistiigi/fsutil"
)

// requiredPaths tells whether a copy met all paths that it must meet: those that COPY --parents names without a wildcard.
// BuildKit v0.34.2 looks for them in cache/contenthash.
type requiredPaths struct {
	route  route
	match  string
	wanted []string
	met    []string
	// linked says that the source itself is a symbolic link. BuildKit follows it to copy, but finds no path below it.
	linked bool
}

func isLink(root, path string) (bool, error) {
	path, err := follow(root, path, false)
	if err != nil {
		return false, err
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0, err
}

// copied takes what the copying library reports, which are paths below dest.
func (r *requiredPaths) copied(dest string) fsutil.ChangeFunc {
	return func(_ fsutil.ChangeKind, path string, _ os.FileInfo, _ error) error {
		relative, err := filepath.Rel(r.route.to, filepath.Join(dest, path))
		if err != nil {
			return err
		}
		if relative != "." || !r.route.info.IsDir() {
			r.met = append(r.met, filepath.Join("/", r.match, relative))
		}
		return nil
	}
}

func (r *requiredPaths) check(skip bool) error {
	if skip {
		return nil
	}
	for _, wanted := range r.wanted {
		found := false
		for _, path := range r.met {
			found = found || !r.linked && strings.HasPrefix(path, wanted)
		}
		if !found {
			return &missingError{wanted}
		}
	}
	return nil
}
