package fileop

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"
)

// copy does one COPY or ADD.
func (t *target) copy(ctx context.Context, source Input, action *pb.FileActionCopy) error {
	if !action.CreateDestPath {
		path, err := fs.RootPath(t.dest, filepath.Join("/", action.Dest))
		if err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Dir(path)); err != nil {
			return err
		}
	}
	matches, err := matches(source.Dir, action)
	if err != nil {
		return err
	}
	for _, match := range matches {
		if action.AttemptUnpackDockerCompatibility {
			unpacked, err := t.unpack(ctx, source.Dir, match, action)
			if err != nil {
				return err
			}
			if unpacked {
				continue
			}
		}
		if err := t.copyOne(ctx, source, match, action); err != nil {
			return err
		}
	}
	return nil
}

// matches are the paths below root that the action's source names.
func matches(root string, action *pb.FileActionCopy) ([]string, error) {
	path := cleanPath(action.Src)
	if !action.AllowWildcard {
		return []string{path}, nil
	}
	found, err := fscopy.ResolveWildcards(root, path, action.FollowSymlink)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, &missingError{path}
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && !action.AllowEmptyWildcard {
		return nil, &missingError{path}
	}
	return found, nil
}

func (t *target) copyOne(ctx context.Context, source Input, match string, action *pb.FileActionCopy) error {
	route, err := findRoute(source.Dir, match, t.dest, action)
	if err != nil {
		return err
	}
	times := newDirectoryTimes(t.created(action.Timestamp))
	if err := route.watch(times, t.dest, action); err != nil {
		return err
	}
	required := requiredPaths{route: route, match: match, wanted: action.RequiredPaths}
	if required.linked, err = isLink(source.Dir, match); err != nil {
		return err
	}
	err = fscopy.Copy(ctx, source.Dir, match, t.dest, cleanPath(action.Dest), func(info *fscopy.CopyInfo) {
		info.IncludePatterns, info.ExcludePatterns = action.IncludePatterns, action.ExcludePatterns
		info.CopyDirContents, info.FollowLinks = action.DirCopyContents, action.FollowSymlink
		info.AlwaysReplaceExistingDestPaths = action.AlwaysReplaceExistingDestPaths
		info.Chown = t.chowner(source.OwnedByRoot)
		if action.Timestamp != -1 {
			info.Utime = &times.created
		}
		if info.ModeStr = action.ModeStr; info.ModeStr == "" && action.Mode != -1 {
			mode := int(action.Mode)
			info.Mode = &mode
		}
		info.XAttrErrorHandler = func(dst, _, key string, err error) error {
			t.opt.Warn(withoutRoots(fmt.Sprintf("%s: the attribute %s of %s is not copied: %v", describe(t.action), key, dst, err), t.dest, source.Dir))
			return nil
		}
		if len(action.RequiredPaths) > 0 {
			info.ChangeFunc = required.copied(t.dest)
		}
	})
	if err != nil {
		return err
	}
	if err := required.check(t.skipRequired); err != nil {
		return err
	}
	return times.settle()
}

// route says where a source is and where it goes to, both as paths on this machine without symbolic links above the last
// part.
type route struct {
	from, to string
	info     os.FileInfo
	// parent is the directory that the copying library makes before it looks at the source.
	parent string
}

// findRoute goes the way of fsutil's copy.Copy (its prepareTargetDir): a file goes into a directory that is there under
// its own name, and so does a directory unless only its contents are to be copied.
func findRoute(sourceRoot, match, dest string, action *pb.FileActionCopy) (route, error) {
	var r route
	var err error
	if r.from, err = follow(sourceRoot, match, action.FollowSymlink); err != nil {
		return route{}, err
	}
	if r.info, err = os.Lstat(r.from); errors.Is(err, iofs.ErrNotExist) {
		return route{}, &missingError{filepath.Join("/", match)}
	} else if err != nil {
		return route{}, err
	}
	path := cleanPath(action.Dest)
	parent, last := filepath.Split(path)
	if last == "" || last == "." {
		parent = path
	}
	if r.parent, err = fs.RootPath(dest, parent); err != nil {
		return route{}, err
	}
	if r.to, err = fs.RootPath(dest, filepath.Clean(path)); err != nil {
		return route{}, err
	}
	there, err := os.Lstat(r.to)
	exists := err == nil || r.to == r.parent
	isDir := r.to == r.parent || err == nil && there.IsDir()
	if r.info.IsDir() && exists && !action.DirCopyContents || !r.info.IsDir() && isDir {
		r.to = filepath.Join(r.to, filepath.Base(match))
	}
	return r, nil
}

func follow(root, path string, links bool) (string, error) {
	path = filepath.Join("/", path)
	if path == "/" {
		return root, nil
	}
	if links {
		return fs.RootPath(root, path)
	}
	dir, last := filepath.Split(path)
	dir, err := fs.RootPath(root, dir)
	return filepath.Join(dir, last), err
}

// watch remembers the directories that a copy on this route may change.
func (r route) watch(times *directoryTimes, dest string, action *pb.FileActionCopy) error {
	times.watchUp(dest, r.parent)
	if !r.info.IsDir() {
		times.watchUp(dest, filepath.Dir(r.to))
		return nil
	}
	times.watchUp(dest, r.to)
	times.watch(r.to).set = setTime(r.info, action)
	if len(action.IncludePatterns) == 0 && len(action.ExcludePatterns) == 0 {
		// Each directory gets the time of the source in the end.
		return nil
	}
	// A directory that no pattern names is made for what is in it, and keeps the time at which that was put there.
	return filepath.WalkDir(r.from, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || path == r.from {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		times.watch(filepath.Join(r.to, strings.TrimPrefix(path, r.from))).set = setTime(info, action)
		return nil
	})
}

// setTime is the time that the copy of a directory gets.
func setTime(info os.FileInfo, action *pb.FileActionCopy) *time.Time {
	t := info.ModTime()
	if action.Timestamp != -1 {
		t = time.Unix(action.Timestamp/1e9, action.Timestamp%1e9)
	}
	return &t
}

// cleanPath keeps what a slash, or a slash and a dot, at the end of a path says: that it is a directory.
func cleanPath(path string) string {
	clean := filepath.Join("/", path)
	switch {
	case strings.HasSuffix(path, "/."):
		return strings.TrimSuffix(clean, "/") + "/."
	case strings.HasSuffix(path, "/") && clean != "/":
		return clean + "/"
	}
	return clean
}
