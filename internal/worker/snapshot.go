package worker

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
)

// snapshot is a file system as an operation left it: what it changed, over another snapshot. It is never written to again.
// A nil snapshot is the empty file system.
type snapshot struct {
	below *snapshot
	// dir holds what was changed, where the place keeps it as a directory.
	dir string
	// plain says that the directory is as a process would see it, without the marks of an overlay.
	plain bool
	// blobs are layer archives, where the place keeps them instead: those of an image, or one.
	blobs []*os.File
}

// stack are the snapshots from the lowest to this one.
func (s *snapshot) stack() []*snapshot {
	var all []*snapshot
	for ; s != nil; s = s.below {
		all = append(all, s)
	}
	slices.Reverse(all)
	return all
}

// over puts a snapshot's layers on top of another's, as COPY --link does.
func (s *snapshot) over(below *snapshot) *snapshot {
	for _, layer := range s.stack() {
		below = &snapshot{below: below, dir: layer.dir, plain: layer.plain, blobs: layer.blobs}
	}
	return below
}

// place is where file systems are: directories that an overlay puts over each other, or one root.
type place interface {
	// addImage takes in a base image, whose layers come as compressed blobs, the lowest first.
	addImage(ctx context.Context, digest string, layers []io.Reader) (*snapshot, error)
	// findImage is a base image that an earlier run left; nil if there is none.
	findImage(digest string) (*snapshot, error)
	// newDir is a directory of a build for files of its own, such as a context.
	newDir(build string) (string, error)
	// newFile is a file without a name.
	newFile() (*os.File, error)
	// change lets do work on the file system that a snapshot describes. The snapshot of the result is that of a new
	// layer. do can be told to work on a root that is the machine's own.
	change(ctx context.Context, build string, below *snapshot, do func(root string) error) (*snapshot, error)
	// skip reports whether a path in a root that change gave is not the image's.
	skip(path string) bool
	// view shows a snapshot's files. They must not be changed, unless what becomes of them does not matter.
	view(ctx context.Context, build string, s *snapshot, forget bool, do func(dir string) error) error
	// archive writes what the snapshot's topmost layer changes.
	archive(s *snapshot, w io.Writer) error
	// run runs a process in a root that change gave.
	run(ctx context.Context, p sandbox.Process) error
	// try lets do start processes in a root that is as a snapshot describes it. Of what they do there nothing stays.
	try(ctx context.Context, build string, s *snapshot, do func(root string, h trial.Host) error) error
	// exceeds reports whether the build takes more of the disk than limit bytes.
	exceeds(build string, limit int64) bool
	// forget removes all that is kept of a build.
	forget(build string) error
	// close ends the work of the place.
	close() error
	// parallel reports whether operations may run at the same time.
	parallel() bool
}
