package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	continuity "github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/fileop"
	"github.com/jina/hub-publish/internal/graph"
	"github.com/jina/hub-publish/internal/source"
)

// build evaluates one order.
type build struct {
	id     string
	order  Order
	place  place
	send   func(Event)
	images func(digest string) (*snapshot, error)
	// contextDir is where the context lies.
	contextDir string

	// running is done when no request works for the build any more.
	running sync.WaitGroup

	mutex   sync.Mutex
	results map[string]*result
	caches  map[string]*cache
	layers  *layers
	// image is the file system of the image, once it is built.
	image *snapshot
	// blobs are the finished layers by their digests, in files without a name.
	blobs map[string]*os.File
	// cached are layers of earlier builds, by the vertices whose work they stand for.
	cached map[string]*os.File
}

// result is a vertex that is evaluated, or will be.
type result struct {
	once     sync.Once
	snapshot *snapshot
	err      error
}

// failure is an instruction that failed.
type failure struct {
	vertex *graph.Vertex
	err    error
}

func (f *failure) Error() string { return fmt.Sprintf("line %d: %v", f.vertex.Line, f.err) }
func (f *failure) Unwrap() error { return f.err }

// run evaluates the targets one after another: what a target shares with one before it is there already.
func (b *build) run(ctx context.Context) error {
	targets := make([]graph.Edge, len(b.order.Targets))
	for i, definition := range b.order.Targets {
		var err error
		if targets[i], err = graph.Parse(definition); err != nil {
			return err
		}
	}
	// COPY gives a directory that it makes of the context the context's own time.
	if err := os.Chtimes(b.contextDir, b.order.Created, b.order.Created); err != nil {
		return err
	}
	b.layers = newLayers(ctx, b, targets[len(targets)-1])
	for _, target := range targets {
		var err error
		if b.image, err = b.evaluate(ctx, target); err != nil {
			_ = b.layers.wait() // it is this error that counts
			return err
		}
	}
	return b.layers.wait()
}

// evaluate gives the file system that an edge describes.
func (b *build) evaluate(ctx context.Context, e graph.Edge) (*snapshot, error) {
	if e.Vertex == nil {
		return nil, nil
	}
	b.mutex.Lock()
	r := b.results[e.Vertex.Digest]
	if r == nil {
		r = &result{}
		b.results[e.Vertex.Digest] = r
	}
	b.mutex.Unlock()
	r.once.Do(func() {
		if r.snapshot, r.err = b.vertex(ctx, e); r.err == nil {
			b.layers.ready(e.Vertex, r.snapshot)
		}
	})
	return r.snapshot, r.err
}

// vertex evaluates a vertex, after its inputs.
func (b *build) vertex(ctx context.Context, e graph.Edge) (*snapshot, error) {
	inputs, err := b.inputs(ctx, e)
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	v := e.Vertex
	if merge := v.Op.GetMerge(); merge != nil {
		var merged *snapshot
		for _, input := range inputs {
			merged = input.over(merged)
		}
		return merged, nil
	}
	shown := v.Line > 0 && !isContext(v)
	if shown {
		start := time.Now()
		b.send(Event{Step: &Step{v.Digest, v.Line, v.Name}})
		defer func() { b.send(Event{Done: &Done{v.Digest, time.Since(start).Seconds()}}) }()
	}
	ctx, cancel := b.limited(ctx)
	defer cancel()
	s, err := b.operation(ctx, e, inputs)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // that it was ended, and not how it ended
		}
		return nil, &failure{v, err}
	}
	return s, nil
}

func (b *build) inputs(ctx context.Context, e graph.Edge) ([]*snapshot, error) {
	inputs := make([]*snapshot, len(e.Vertex.Inputs))
	if !b.place.parallel() {
		return inputs, b.inputsInTurn(ctx, e, inputs)
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, input := range e.Vertex.Inputs {
		group.Go(func() (err error) {
			inputs[i], err = b.evaluate(ctx, input)
			return err
		})
	}
	return inputs, group.Wait()
}

// inputsInTurn evaluates what a vertex lies on last: a place with one root has it there then.
func (b *build) inputsInTurn(ctx context.Context, e graph.Edge, inputs []*snapshot) (err error) {
	below := e.Below()
	for _, last := range []bool{false, true} {
		for i, input := range e.Vertex.Inputs {
			if (input == below) != last {
				continue
			}
			if inputs[i], err = b.evaluate(ctx, input); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *build) operation(ctx context.Context, e graph.Edge, inputs []*snapshot) (*snapshot, error) {
	switch op := e.Vertex.Op.Op.(type) {
	case *pb.Op_Source:
		return b.source(ctx, op.Source)
	case *pb.Op_File:
		return b.file(ctx, e, op.File, inputs)
	case *pb.Op_Exec:
		if f := b.cached[e.Vertex.Digest]; f != nil {
			return b.apply(ctx, e, f, inputs)
		}
		return b.exec(ctx, e, op.Exec, inputs)
	default:
		return nil, fmt.Errorf("the builder does not know the operation %T; please report this Dockerfile", op)
	}
}

// isContext reports whether a vertex only stands for the context, which is there before the build begins.
func isContext(v *graph.Vertex) bool {
	return v.Op.GetSource() != nil && strings.HasPrefix(v.Op.GetSource().Identifier, "local://")
}

// source brings what a build starts from.
func (b *build) source(ctx context.Context, op *pb.SourceOp) (*snapshot, error) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "docker-image":
		_, digest, ok := strings.Cut(rest, "@")
		if !ok {
			return nil, fmt.Errorf("the image %s has no digest", rest)
		}
		return b.images(digest)
	case "local":
		if rest != dockerfile.ContextName {
			return nil, fmt.Errorf("there is no build context of the name %q", rest)
		}
		return &snapshot{dir: b.contextDir, plain: true}, nil
	}
	dir, err := b.place.newDir(b.id)
	if err != nil {
		return nil, err
	}
	options := source.Options{Created: b.order.Created, MaxBytes: b.order.Limits.Disk}
	switch scheme {
	case "http", "https":
		_, err = source.HTTP(ctx, op, dir, options)
	case "git":
		_, err = source.Git(ctx, op, dir, options)
	default:
		err = fmt.Errorf("the builder does not know the source %s", op.Identifier)
	}
	return &snapshot{dir: dir, plain: true}, err
}

// file does what COPY, ADD and WORKDIR stand for.
func (b *build) file(ctx context.Context, e graph.Edge, op *pb.FileOp, inputs []*snapshot) (*snapshot, error) {
	shape, err := fileop.ShapeOf(op, len(inputs))
	if err != nil {
		return nil, err
	}
	empty, err := b.place.newDir(b.id)
	if err != nil {
		return nil, err
	}
	defer os.Remove(empty)
	options := fileop.Options{Created: b.order.Created, Empty: empty, MaxUnpacked: b.order.Limits.Disk, Warn: func(message string) {
		b.send(Event{Output: &Output{e.Vertex.Digest, []byte(message + "\n")}})
	}}
	return b.place.change(ctx, b.id, b.below(e, inputs), func(root string) error {
		for _, action := range op.Actions {
			if path, err := continuity.RootPath(root, destination(action)); err == nil && root == "/" && b.place.skip(path) {
				return notTheImages(path)
			}
		}
		return b.views(ctx, inputs, shape.Sources, nil, func(dirs []fileop.Input) error {
			return fileop.Apply(ctx, op, dirs, root, options)
		})
	})
}

// destination is the path that an action writes to.
func destination(action *pb.FileAction) string {
	switch a := action.Action.(type) {
	case *pb.FileAction_Copy:
		return a.Copy.Dest
	case *pb.FileAction_Mkfile:
		return a.Mkfile.Path
	case *pb.FileAction_Mkdir:
		return a.Mkdir.Path
	case *pb.FileAction_Symlink:
		return a.Symlink.Newpath
	case *pb.FileAction_Rm:
		return a.Rm.Path
	}
	return "/"
}

// apply takes an earlier build's layer for what an operation would do.
func (b *build) apply(ctx context.Context, e graph.Edge, blob *os.File, inputs []*snapshot) (*snapshot, error) {
	return b.place.change(ctx, b.id, b.below(e, inputs), func(root string) error {
		return unpack(ctx, root, io.NewSectionReader(blob, 0, 1<<62), b.place.skip)
	})
}

// below is the input that an operation's layer lies on.
func (b *build) below(e graph.Edge, inputs []*snapshot) *snapshot {
	below := e.Below()
	for i, input := range e.Vertex.Inputs {
		if input == below {
			return inputs[i]
		}
	}
	return nil
}

// views shows those inputs that are read; the others have no directory.
func (b *build) views(ctx context.Context, inputs []*snapshot, read []int, shown []fileop.Input, do func([]fileop.Input) error) error {
	switch next := len(shown); {
	case next == len(inputs):
		return do(shown)
	case !slices.Contains(read, next):
		return b.views(ctx, inputs, read, append(shown, fileop.Input{}), do)
	default:
		return b.place.view(ctx, b.id, inputs[next], false, func(dir string) error {
			return b.views(ctx, inputs, read, append(shown, fileop.Input{Dir: dir}), do)
		})
	}
}

// limited bounds an operation in time and space.
func (b *build) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	cancels := []context.CancelFunc{}
	if limit := b.order.Limits.Instruction; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than the instruction-timeout of %s", limit))
		cancels = append(cancels, cancel)
	}
	ctx, stop := context.WithCancelCause(ctx)
	if limit := b.order.Limits.Disk; limit > 0 {
		go b.watchDisk(ctx, stop, limit)
	}
	return ctx, func() {
		stop(nil)
		for _, cancel := range cancels {
			cancel()
		}
	}
}

// watchDisk ends an operation with which the build's directories grow beyond the limit.
func (b *build) watchDisk(ctx context.Context, stop context.CancelCauseFunc, limit int64) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if b.place.exceeds(b.id, limit) {
				stop(fmt.Errorf("the build takes more than the disk-limit of %d MB; remove in the same RUN what it does not need any more, or raise the limit", limit/1e6))
				return
			}
		}
	}
}

// end tells how a build ended.
func end(err error) *End {
	var failed *failure
	switch {
	case err == nil:
		return &End{}
	case errors.As(err, &failed):
		return &End{Vertex: failed.vertex.Digest, Line: failed.vertex.Line, Name: failed.vertex.Name, Reason: reason(failed.err)}
	default:
		return &End{Reason: err.Error(), Internal: true}
	}
}
