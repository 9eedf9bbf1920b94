// Package layer turns the layer archives of images into directories, and the changes of directories into layer archives,
// as the OCI image specification's layer.md describes them and containerd v2.4.2's pkg/archive reads and writes them.
package layer

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// readAhead is how many bytes of an archive are asked for at once.
const readAhead = 128 << 10

// ApplyOptions says how an archive is applied. The zero value is the usual way.
type ApplyOptions struct {
	// Skip says which absolute paths in the root ("/proc", "/etc/hosts") are left alone: neither made, deleted, replaced
	// nor entered. It is called from several goroutines. With nil none is.
	Skip func(path string) bool
	// Left is told of what the archive has and the directory can not have: devices in a user namespace, and extended
	// attributes that the kernel or the file system refuses or that belong to the machine. It is called from several
	// goroutines.
	Left func(path, reason string)
}

// Apply applies one uncompressed layer archive to dir, which holds the layers before it. What the archive's whiteouts name is
// deleted if it came from an earlier layer; an entry replaces one of another type. No name, symbolic link or hard link in
// the archive leads out of dir. The archive's entry for the root itself is ignored, as containerd does.
//
// Nothing else may change dir meanwhile. After an error dir holds a part of the layer. Nothing is synced to the disk.
func Apply(ctx context.Context, dir string, archive io.Reader, options ApplyOptions) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("applying a layer: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("applying a layer to %s, which must be a directory: %w", dir, err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstatat(fd, ".", &stat, 0); err != nil {
		return fmt.Errorf("applying a layer to %s: %w", dir, err)
	}
	a := &applier{
		fd: fd, dir: dir, skip: options.Skip, left: options.Left,
		root:   &node{kind: directory, times: timesOf(&stat)},
		mapped: userns.RunningInUserNS(),
		uid:    os.Geteuid(), gid: os.Getegid(),
	}
	a.pool = startPool(a.writeFile)
	err = a.entries(ctx, tar.NewReader(bufio.NewReaderSize(archive, readAhead)))
	// Once a worker has failed, what the reader stumbled over is most often a consequence.
	if failed := a.pool.close(); failed != nil {
		err = failed
	}
	if err == nil {
		err = a.setTimes(a.root)
	}
	if err != nil {
		return fmt.Errorf("applying a layer: %w", err)
	}
	return nil
}

// An applier applies one layer. The goroutine that reads the archive owns the tree and makes everything but regular
// files, which the pool's workers make.
type applier struct {
	fd       int // the root, for the system calls that take a directory
	dir      string
	skip     func(string) bool
	left     func(path, reason string)
	root     *node
	mapped   bool // in a user namespace: it has no devices, and seldom every id
	uid, gid int  // of this process, which are those of what it makes
	pool     *pool
}

func (a *applier) entries(ctx context.Context, archive *tar.Reader) error {
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := a.pool.failed(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		// Insecure names are an error only if a build of Go asks for it; here they can do no harm.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return fmt.Errorf("reading the archive: %w", err)
		}
		if err := a.entry(ctx, header, archive); err != nil && !errors.Is(err, errSkipped) {
			return err
		}
	}
}

// entry applies one entry of the archive.
func (a *applier) entry(ctx context.Context, header *tar.Header, content io.Reader) error {
	// A rooted path that is clean has no "..": like containerd, "../x" is taken for "x".
	name := path.Clean("/" + header.Name)[1:]
	if name == "" || header.Typeflag == tar.TypeXGlobalHeader || isMetadata(name) {
		return nil
	}
	if err := checkHeader(header); err != nil {
		return err
	}
	parentName, base := path.Split(name)
	parent, err := a.directory(parentName, header)
	if err != nil {
		return err
	}
	if base == opaqueWhiteout {
		return a.empty(parent)
	}
	if deleted, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		return a.whiteout(parent, deleted, header.Name)
	}
	to := &node{parent: parent, path: join(parent.path, base), written: true}
	if a.skips(to.path) {
		return errSkipped
	}
	return a.create(ctx, to, base, header, content)
}

// checkHeader refuses what no system call can be given as it stands.
func checkHeader(header *tar.Header) error {
	const most = 1<<32 - 2 // 1<<32 - 1 is chown's "leave as it is"
	if header.Uid < 0 || header.Uid > most || header.Gid < 0 || header.Gid > most {
		return fmt.Errorf("%s: the owner %d:%d is not a user and a group of Linux", header.Name, header.Uid, header.Gid)
	}
	if header.Devmajor < 0 || header.Devmajor > 1<<32-1 || header.Devminor < 0 || header.Devminor > 1<<32-1 {
		return fmt.Errorf("%s: %d:%d is not the number of a device of Linux", header.Name, header.Devmajor, header.Devminor)
	}
	return nil
}

func (a *applier) skips(name string) bool {
	return a.skip != nil && a.skip("/"+name)
}

func (a *applier) leave(name, reason string, values ...any) {
	if a.left != nil {
		a.left("/"+name, fmt.Sprintf(reason, values...))
	}
}

// join is path.Join for a clean directory and one name.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
