// Package builder turns a Dockerfile and its context into an image. What the instructions say is done by a worker, a
// process that knows no token and no password; this process converts the Dockerfile, brings base images, and puts the
// layers that come back together.
package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/disposable"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/sibling"
	"github.com/jina/hub-publish/internal/worker"
)

// Isolation is where a build's root is.
type Isolation string

const (
	// Auto takes the strongest isolation that the machine allows.
	Auto Isolation = "auto"
	// Sandbox is a root in namespaces of its own.
	Sandbox Isolation = "sandbox"
	// Sibling is a sandbox in a second container, which the Docker daemon that started this one starts beside it.
	Sibling Isolation = "sibling"
	// InPlace is the action's own container, wiped before each build.
	InPlace Isolation = "in-place"
)

// Options are what all builds of a run share.
type Options struct {
	Isolation Isolation
	// Platform is the platform to build for; nil is the base image's, or this machine's.
	Platform *v1.Platform
	// BuildArgs are KEY=VALUE.
	BuildArgs []string
	// Timeout bounds one build; 0 is no bound.
	Timeout time.Duration
	// Limits bound what an instruction may use.
	Limits worker.Limits
	// Registry reaches the registries of base images and of the cache.
	Registry *registry.Client
	// Store is a directory in which a sandbox keeps base images for later runs; empty for none.
	Store string
	// Cache is where layers of earlier builds are; nil for none.
	Cache *Cache
}

// Builder builds images.
type Builder struct {
	options   Options
	isolation Isolation
	worker    *worker.Client
	// dir is this process's directory on this machine; empty in place.
	dir      string
	bases    *bases
	contexts *os.File
	restore  func() error
}

// RunChild does the work of a child process and ends the process, where this process is one; otherwise it does nothing. Call
// it first in main.
func RunChild() {
	worker.RunChild()
	sandbox.RunChild()
}

// own is where the action's image has its binary: the builds in place leave that directory alone.
const own = "/kaniko"

// siblingProgram is the program in the action's image under the name by which it knows that it is a worker.
const siblingProgram = own + "/" + worker.Role

// ErrNoPlace says that this machine offers no place to build in.
var ErrNoPlace = errors.New("no place to build in")

// New finds a place to build in, and starts a worker there. Close removes what the builder leaves behind.
func New(ctx context.Context, options Options) (*Builder, error) {
	b := &Builder{options: options}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.removeDir())
	}
	var err error
	if b.contexts, err = nameless(b.dir); err != nil {
		return nil, errors.Join(fmt.Errorf("make a file for the builds' contexts: %w", err), b.Close())
	}
	b.bases = newBases(ctx, options.Registry, options.Platform, b.worker)
	return b, nil
}

// start starts a worker in the strongest isolation that the machine allows, or in the one that is asked for.
func (b *Builder) start(ctx context.Context) error {
	var refused []error
	for _, place := range []struct {
		isolation Isolation
		start     func(context.Context) error
	}{{Sandbox, b.startSandbox}, {Sibling, b.startSibling}, {InPlace, b.startInPlace}} {
		if b.options.Isolation != Auto && b.options.Isolation != place.isolation {
			continue
		}
		err := place.start(ctx)
		if err == nil {
			b.isolation = place.isolation
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		refused = append(refused, fmt.Errorf("%s: %w", place.isolation, err))
	}
	return fmt.Errorf("%w: %w; run it as root, allow user namespaces (`sysctl kernel.apparmor_restrict_unprivileged_userns=0` on Ubuntu, "+
		"`--security-opt seccomp=unconfined --cap-add SYS_ADMIN` and a volume at /tmp in a container), or run the action's image", ErrNoPlace, errors.Join(refused...))
}

func (b *Builder) startSandbox(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp(workDir(), "hub-publish-"); err != nil {
		return fmt.Errorf("make a directory to build in: %w", err)
	}
	dir := filepath.Join(b.dir, "worker")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	b.worker, err = worker.Start(ctx, worker.Overlays, dir, b.options.Store)
	if err != nil {
		err = errors.Join(err, b.removeDir())
	}
	return err
}

func (b *Builder) startSibling(ctx context.Context) error {
	// The socket is the daemon's, and the daemon the machine's: where the program is not in its own image, it is somebody's.
	if _, err := os.Stat(siblingProgram); err != nil {
		return errors.New("this is not the action's image")
	}
	s, err := sibling.Start(ctx, worker.Command(siblingProgram, worker.Overlays, sibling.Dir, ""), worker.Environ())
	if err != nil {
		return err
	}
	b.worker, err = worker.Connect(ctx, s.Conn, s.Wait)
	return err
}

// workDir is a directory for temporary files; in the action's image, whose root holds none, the action's own.
func workDir() string {
	if info, err := os.Stat(os.TempDir()); err == nil && info.IsDir() {
		return ""
	}
	return own
}

func (b *Builder) startInPlace(ctx context.Context) (err error) {
	if err := disposable.Check("/", own); err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	if b.restore, err = protectCommandFiles(); err != nil {
		return err
	}
	b.worker, err = worker.Start(ctx, worker.InPlace, own, "")
	return err
}

// Isolation is where this builder builds.
func (b *Builder) Isolation() Isolation { return b.isolation }

// Close ends the worker, and removes the builder's files.
func (b *Builder) Close() error {
	var errs []error
	if b.contexts != nil {
		errs = append(errs, b.contexts.Close())
	}
	if b.worker != nil {
		errs = append(errs, b.worker.Close())
	}
	return errors.Join(append(errs, b.removeDir())...)
}

func (b *Builder) removeDir() error {
	dir := b.dir
	if dir == "" {
		return nil
	}
	b.dir = ""
	return os.RemoveAll(dir)
}

// Progress is told of what a build does, in order.
type Progress interface {
	// Step begins an instruction of the Dockerfile.
	Step(line int, instruction string)
	// Output is what the running instruction prints.
	Output(text []byte)
}

// FailedError says which instruction of a Dockerfile failed, and how.
type FailedError struct {
	// Line is the instruction's first line in the Dockerfile.
	Line int
	// Instruction is its text.
	Instruction string
	// Output is the end of what it printed.
	Output string
	// Reason is why it failed.
	Reason string
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("Dockerfile line %d: %s: %s", e.Line, e.Instruction, e.Reason)
}
