package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/layer"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
)

// overlays keeps each layer in a directory, and mounts an overlay of them for each operation: what the operation changes
// is in the overlay's upper directory then, and nothing has to be searched.
type overlays struct {
	// flags are the overlay's mount options but for its directories.
	flags  string
	number atomic.Int64
	// usedBefore is diskUsed at the beginning.
	usedBefore int64
	store      *store // nil where base images are of no use afterwards
}

// The worker's directory has short names, since a mount's options must fit into a page of memory: with them an image can
// have some 400 layers. All paths are relative to it.
const (
	imagesDir = "i"
	buildsDir = "b"
	mountsDir = "m"
	emptyDir  = "e"
)

// newOverlays makes the current directory a place. In storeDir, if there is one, base images stay for later runs.
func newOverlays(storeDir string) (*overlays, error) {
	for _, dir := range []string{imagesDir, buildsDir, mountsDir, emptyDir} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		spread(dir)
	}
	// A merged directory is never renamed as a whole, and an inode never refers to another file system: what is in the upper
	// directory must be a layer by itself. volatile leaves out the sync of the whole disk at each unmount (Linux 5.10).
	o := &overlays{usedBefore: diskUsed("."), flags: "redirect_dir=off,metacopy=off,index=off"}
	if userns.RunningInUserNS() {
		o.flags = "userxattr" // implies the others
	}
	if storeDir != "" {
		var err error
		if o.store, err = openStore(storeDir); err != nil {
			return nil, fmt.Errorf("the store of base images: %w", err)
		}
	}
	for _, flags := range []string{o.flags + ",volatile", o.flags} {
		o.flags = flags
		if _, err := o.change(context.Background(), "", nil, func(string) error { return nil }); err == nil {
			return o, o.forget("")
		} else if flags == o.flags && !strings.Contains(flags, "volatile") {
			return nil, err
		}
	}
	return o, nil
}

func (o *overlays) parallel() bool { return true }

func (o *overlays) skip(string) bool { return false }

// next is a path that is not taken yet.
func (o *overlays) next(parts ...string) string {
	return filepath.Join(append(parts, strconv.FormatInt(o.number.Add(1), 36))...)
}

func (o *overlays) addImage(ctx context.Context, digest string, layers []io.Reader) (*snapshot, error) {
	unpackAll := func(dir string) error {
		for _, blob := range layers {
			if err := unpack(ctx, dir, blob, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if o.store != nil {
		dir, err := o.store.add(digest, unpackAll)
		if err != nil {
			return nil, err
		}
		return o.stored(dir)
	}
	s := &snapshot{dir: filepath.Join(imagesDir, rand.Text()[:8]), plain: true} // where ext4 puts it depends on its name
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := unpackAll(s.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (o *overlays) findImage(digest string) (*snapshot, error) {
	if o.store == nil {
		return nil, nil
	}
	if dir, ok := o.store.find(digest); ok {
		return o.stored(dir)
	}
	return nil, nil
}

// stored gives an image in the store a name that is short enough.
func (o *overlays) stored(dir string) (*snapshot, error) {
	name := o.next(imagesDir)
	return &snapshot{dir: name, plain: true}, os.Symlink(dir, name)
}

// unpack applies a compressed layer to a directory.
func unpack(ctx context.Context, dir string, blob io.Reader, skip func(string) bool) error {
	archive, err := layer.Decompress(blob)
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := layer.Apply(ctx, dir, archive, layer.ApplyOptions{Skip: skip}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, blob) // behind the archive's end: padding, which belongs to the digest
	return err
}

func (o *overlays) newDir(build string) (string, error) {
	dir := o.next(buildsDir, build)
	return dir, os.MkdirAll(dir, 0o755)
}

func (o *overlays) newFile() (*os.File, error) { return nameless(".") }

// nameless is a new file that nobody else can open.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "blob-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func (o *overlays) change(ctx context.Context, build string, below *snapshot, do func(root string) error) (*snapshot, error) {
	dir, err := o.newDir(build)
	if err != nil {
		return nil, err
	}
	upper, work := filepath.Join(dir, "u"), filepath.Join(dir, "w")
	s := &snapshot{below: below, dir: upper}
	err = o.mounted(below, upper, work, do)
	if err == nil {
		err = os.RemoveAll(work)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// mounted mounts an overlay while do runs.
func (o *overlays) mounted(below *snapshot, upper, work string, do func(root string) error) (err error) {
	dirs := lower(below)
	if upper == "" && len(dirs) == 1 {
		dirs = append(dirs, emptyDir) // there must be two
	}
	options := "lowerdir=" + strings.Join(dirs, ":")
	if upper != "" {
		if err := makeUpper(upper, below); err != nil {
			return err
		}
		if err := os.Mkdir(work, 0o755); err != nil {
			return err
		}
		options += ",upperdir=" + upper + ",workdir=" + work
	}
	target := o.next(mountsDir)
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	defer os.Remove(target)
	if err := unix.Mount("overlay", target, "overlay", unix.MS_NODEV, options+","+o.flags); err != nil {
		return fmt.Errorf("mount an overlay: %w", err)
	}
	defer func() {
		if unmountErr := unix.Unmount(target, unix.MNT_DETACH); err == nil && unmountErr != nil {
			err = fmt.Errorf("unmount an overlay: %w", unmountErr)
		}
	}()
	root, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	return do(root)
}

// lower are a snapshot's directories, the topmost first.
func lower(s *snapshot) []string {
	var dirs []string
	for ; s != nil; s = s.below {
		dirs = append(dirs, s.dir)
	}
	if len(dirs) == 0 {
		return []string{emptyDir}
	}
	return dirs
}

// makeUpper makes an upper directory. It is the root that the instruction sees, whose owner and mode must not change.
func makeUpper(upper string, below *snapshot) error {
	if err := os.Mkdir(upper, 0o755); err != nil || below == nil {
		return err
	}
	info, err := os.Stat(below.dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(upper, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(upper, info.Mode())
}

func (o *overlays) view(_ context.Context, build string, s *snapshot, forget bool, do func(dir string) error) error {
	switch {
	case forget:
		dir, err := o.newDir(build)
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return o.mounted(s, filepath.Join(dir, "u"), filepath.Join(dir, "w"), do)
	case s == nil || s.below == nil && s.plain:
		dir, err := filepath.EvalSymlinks(lower(s)[0])
		if err != nil {
			return err
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		return do(dir)
	default:
		return o.mounted(s, "", "", do)
	}
}

func (o *overlays) archive(s *snapshot, w io.Writer) error {
	return layer.Upper(w, s.dir, layer.PackOptions{})
}

func (o *overlays) run(ctx context.Context, p sandbox.Process) error {
	p.Mounts = append(networkFiles(), p.Mounts...)
	return p.Run(ctx)
}

func (o *overlays) try(ctx context.Context, build string, s *snapshot, do func(root string, h trial.Host) error) error {
	kill := func(r *sandbox.Running) { _ = r.Signal(unix.SIGKILL) } // and with it its namespace
	host := trial.Host{First: true, Top: (*sandbox.Running).PID, Kill: kill, Start: func(ctx context.Context, p sandbox.Process) (*sandbox.Running, error) {
		p.Mounts = networkFiles()
		return p.Start(ctx)
	}}
	return o.view(ctx, build, s, true, func(root string) error { return do(root, host) })
}

// networkFiles are the machine's, without which no name is found.
func networkFiles() []sandbox.Mount {
	var mounts []sandbox.Mount
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if _, err := os.Stat(file); err == nil {
			mounts = append(mounts, sandbox.Mount{Kind: sandbox.BindMount, Source: file, Target: file, ReadOnly: true})
		}
	}
	return mounts
}

// exceeds adds up the build's files, once the whole disk has grown enough for it to be possible.
func (o *overlays) exceeds(build string, limit int64) bool {
	if diskUsed(".")-o.usedBefore <= limit/2 { // something else may have been removed meanwhile
		return false
	}
	var used int64
	_ = filepath.WalkDir(filepath.Join(buildsDir, build), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			used += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return used+unlinked(filepath.Join(buildsDir, build)+"/") > limit
}

// diskUsed is how many bytes of a directory's file system are used.
func diskUsed(dir string) int64 {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0
	}
	return int64(stat.Blocks-stat.Bfree) * stat.Bsize
}

func (o *overlays) forget(build string) error { return os.RemoveAll(filepath.Join(buildsDir, build)) }

func (o *overlays) close() error {
	if o.store == nil {
		return nil
	}
	return o.store.prune()
}
