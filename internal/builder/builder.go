// Package builder turns a Dockerfile and its context into an image. The instructions run in a child process that knows
// no token and no password, in a root of its own; this process pulls base images for it and reads back the result.
package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/disposable"
	"github.com/jina/hub-publish/internal/sandbox"
)

// Isolation is where a build's root is.
type Isolation string

const (
	// Auto takes the strongest isolation that the machine allows.
	Auto Isolation = "auto"
	// Sandbox is a root in namespaces of its own.
	Sandbox Isolation = "sandbox"
	// InPlace is the action's own container, wiped before each build.
	InPlace Isolation = "in-place"
)

// Options are what all builds of a run share.
type Options struct {
	Isolation Isolation
	// Platform is the platform to build for; nil is this machine's.
	Platform *v1.Platform
	// BuildArgs are KEY=VALUE.
	BuildArgs []string
	// Timeout bounds one build; 0 is no bound.
	Timeout time.Duration
	// Keychain holds the credentials for base images.
	Keychain authn.Keychain
}

// Builder builds images one after another.
type Builder struct {
	options  Options
	dir      string
	bases    *bases
	contexts *os.File
	builds   int
}

// The directory of the builder's own files in the build's root, which the build leaves alone. In the action's image it
// is where the binary lies; a sandbox has another name for it, so that an image may have a directory /kaniko.
const (
	ownInPlace = "/kaniko"
	ownInside  = "/.hub-publish"
)

// ErrNoPlace says that this machine offers no place to build in.
var ErrNoPlace = errors.New("no place to build in")

// New finds a place to build in. Close removes what the builder leaves behind.
func New(options Options) (*Builder, error) {
	isolation, err := choose(options.Isolation)
	if err != nil {
		return nil, err
	}
	options.Isolation = isolation
	dir := ownInPlace
	if isolation == Sandbox {
		if dir, err = os.MkdirTemp(workDir(), "hub-publish-"); err != nil {
			return nil, fmt.Errorf("make a directory to build in: %w", err)
		}
	} else if err := harden(); err != nil {
		return nil, err
	}
	b := &Builder{options: options, dir: dir, bases: &bases{
		dir: filepath.Join(dir, basesDir), keychain: options.Keychain, platform: options.Platform,
	}}
	if b.contexts, err = nameless(dir); err != nil {
		return nil, fmt.Errorf("make a file for the builds' contexts: %w", err)
	}
	return b, nil
}

// workDir is a directory for temporary files; in the action's image, whose root holds none, the action's own.
func workDir() string {
	if info, err := os.Stat(os.TempDir()); err == nil && info.IsDir() {
		return ""
	}
	return ownInPlace
}

// choose is the isolation to build in.
func choose(wanted Isolation) (Isolation, error) {
	if wanted == InPlace {
		if err := disposable.Check("/", ownInPlace); err != nil {
			return "", err
		}
		return InPlace, nil
	}
	refused := probe()
	if refused == nil {
		return Sandbox, nil
	}
	if wanted == Auto && disposable.Check("/", ownInPlace) == nil {
		return InPlace, nil
	}
	return "", fmt.Errorf("%w: this machine does not let the build have namespaces of its own (%v); "+
		"run it as root, allow user namespaces (`sysctl kernel.apparmor_restrict_unprivileged_userns=0` on Ubuntu, `--security-opt seccomp=unconfined --cap-add SYS_ADMIN` in a container), or run the action's image, which builds in its own root",
		ErrNoPlace, refused)
}

// probe enters a sandbox and leaves it; its error says why that does not work here.
func probe() error {
	dir, err := os.MkdirTemp(workDir(), "hub-publish-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := child(context.Background(), probeName, ownInside)
	c.SysProcAttr = sandbox.Attributes()
	c.Args = append(c.Args, dir)
	if output, err := c.CombinedOutput(); err != nil {
		if len(output) > 0 {
			return errors.New(string(output))
		}
		return err
	}
	return nil
}

// Isolation is where this builder builds.
func (b *Builder) Isolation() Isolation { return b.options.Isolation }

// Close removes the builder's files.
func (b *Builder) Close() error {
	err := b.contexts.Close()
	if b.options.Isolation == InPlace {
		return err // the container's end takes the rest along
	}
	return errors.Join(err, removeAll(b.dir))
}

// removeAll removes a directory with what a build left there. A build is root in its own namespace and reads directories
// that their owner, this user, may not: kaniko makes some of them.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) // before it is read
		}
		return nil
	})
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
