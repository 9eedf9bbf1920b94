package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/sandbox"
)

// The entries of the builder's own directory.
const (
	binaryName    = "hub-publish"
	certsDir      = "ssl"
	basesDir      = "bases"
	contextDir    = "context"
	imageDir      = "image"
	dockerfileRef = "Dockerfile"
)

// tailSize is how much of an instruction's output an error keeps, in bytes; GitHub cuts an annotation's message at 4096
// characters.
const tailSize = 3000

// Build builds an image. The image's layers are read from the builder's directory: they are gone with the next Build.
// Its error is a *FailedError where an instruction of the Dockerfile failed.
func (b *Builder) Build(ctx context.Context, c *Context, progress Progress) (v1.Image, error) {
	if b.options.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, b.options.Timeout, fmt.Errorf("it took longer than the build-timeout of %s", b.options.Timeout))
		defer cancel()
	}
	file, err := dockerfile.Parse(c.recipe)
	if err != nil {
		return nil, failed(err)
	}
	if err := b.pullBases(ctx, file, progress); err != nil {
		return nil, err
	}
	build, err := b.prepare(c)
	if err != nil {
		return nil, err
	}
	if err := build.run(ctx, progress); err != nil {
		return nil, err
	}
	img, err := build.result()
	if err != nil {
		return nil, fmt.Errorf("read the image that was built: %w", err)
	}
	return mutate.CreatedAt(img, v1.Time{Time: c.created.UTC()})
}

// failed gives a Dockerfile's error its line.
func failed(err error) error {
	var syntax *dockerfile.SyntaxError
	if errors.As(err, &syntax) {
		return &FailedError{Line: syntax.Line, Instruction: "Dockerfile", Reason: syntax.Message}
	}
	return err
}

func (b *Builder) pullBases(ctx context.Context, file *dockerfile.File, progress Progress) error {
	images, err := file.Images(b.options.BuildArgs)
	if err != nil {
		return failed(err)
	}
	for _, image := range images {
		if b.bases.has(image.Name) {
			continue
		}
		progress.Step(image.Line, "pull "+image.Name)
		if err := b.bases.pull(ctx, image.Name); err != nil {
			return &FailedError{Line: image.Line, Instruction: "pull " + image.Name,
				Reason: fmt.Sprintf("the image cannot be pulled (%v); check its name and tag, and whether it is public", err)}
		}
	}
	return nil
}

// build is one build's files.
type build struct {
	isolation Isolation
	// own is the builder's directory as this process sees it, and inside as the child does; root is the directory that
	// the child sees as / in a sandbox.
	own, inside, root string
	bases             string
	order             order
}

// prepare lays out the build's directory: a copy of the context, which the build may spoil as it likes.
func (b *Builder) prepare(c *Context) (*build, error) {
	b.builds++
	build := &build{isolation: b.options.Isolation, own: ownInPlace, inside: ownInPlace, bases: b.bases.dir}
	build.order = order{
		Isolation: b.options.Isolation,
		BuildArgs: b.options.BuildArgs,
		Wipe:      b.options.Isolation == InPlace && b.builds > 1,
		Bases:     b.bases.pulled,
	}
	if b.options.Platform != nil {
		build.order.Platform = b.options.Platform.String()
	}
	if b.options.Isolation == Sandbox {
		dir := filepath.Join(b.dir, "build")
		if err := removeAll(dir); err != nil {
			return nil, fmt.Errorf("remove the build before: %w", err)
		}
		build.own, build.inside, build.root = filepath.Join(dir, "own"), ownInside, filepath.Join(dir, "root")
		build.order.Root, build.order.Binds = build.root, build.binds()
		for _, dir := range []string{build.own, build.root} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
		}
	} else if err := clear(build.own); err != nil {
		return nil, fmt.Errorf("remove the build before: %w", err)
	}
	if err := c.unpack(filepath.Join(build.own, contextDir)); err != nil {
		return nil, fmt.Errorf("lay out the build's context: %w", err)
	}
	return build, os.WriteFile(filepath.Join(build.own, dockerfileRef), c.recipe, 0o644)
}

// binds are the files of the machine that a sandbox shows.
func (b *build) binds() []sandbox.Bind {
	binds := []sandbox.Bind{{Source: b.own, Target: b.inside}}
	if _, err := os.Stat(b.bases); err == nil {
		binds = append(binds, sandbox.Bind{Source: b.bases, Target: filepath.Join(b.inside, basesDir), ReadOnly: true})
	}
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if _, err := os.Stat(file); err == nil {
			binds = append(binds, sandbox.Bind{Source: file, Target: file, ReadOnly: true})
		}
	}
	return binds
}

// clear removes from the action's own directory all that a build left there.
func clear(own string) error {
	entries, err := os.ReadDir(own)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch entry.Name() {
		case binaryName, certsDir, basesDir:
		default:
			if err := os.RemoveAll(filepath.Join(own, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// run starts the child and follows it to its end.
func (b *build) run(ctx context.Context, progress Progress) (err error) {
	events, childEvents, err := os.Pipe()
	if err != nil {
		return err
	}
	defer events.Close()
	c := child(ctx, childName, b.inside)
	if b.isolation == Sandbox {
		c.SysProcAttr = sandbox.Attributes()
	} else {
		restore, err := protectCommandFiles()
		if err != nil {
			return err
		}
		defer func() {
			if restoreErr := restore(); restoreErr != nil {
				err = restoreErr // whatever became of the build: nothing may be handed over to later steps now
			}
		}()
	}
	orders, err := json.Marshal(b.order)
	if err != nil {
		return err
	}
	var complaint tail
	c.Stdin, c.Stdout, c.Stderr, c.ExtraFiles = bytes.NewReader(orders), &complaint, &complaint, []*os.File{childEvents}
	if err := c.Start(); err != nil {
		childEvents.Close()
		return fmt.Errorf("start the builder: %w", err)
	}
	childEvents.Close()
	last, readErr := follow(events, progress)
	waitErr := c.Wait()
	if b.isolation == InPlace {
		killStrays()
	}
	switch {
	case ctx.Err() != nil:
		return last.failure(fmt.Sprintf("the build was stopped: %v", context.Cause(ctx)))
	case last.failed != "":
		return last.failure(last.failed)
	case waitErr != nil:
		return fmt.Errorf("the builder died: %w\n%s", waitErr, complaint.String())
	case readErr != nil:
		return fmt.Errorf("follow the builder: %w", readErr)
	}
	return nil
}

// result is the image that the child left.
func (b *build) result() (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(filepath.Join(b.own, imageDir))
	if err != nil {
		return nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(list.Manifests) != 1 {
		return nil, fmt.Errorf("the builder left %d images instead of one", len(list.Manifests))
	}
	return index.Image(list.Manifests[0].Digest)
}

// state is what is known of a build's running instruction.
type state struct {
	line        int
	instruction string
	output      tail
	failed      string
}

func (s *state) failure(reason string) error {
	return &FailedError{Line: max(1, s.line), Instruction: s.instruction, Output: s.output.String(), Reason: reason}
}

// follow reads the child's events to their end.
func follow(events io.Reader, progress Progress) (*state, error) {
	s := &state{}
	decoder := json.NewDecoder(events)
	for {
		var e message
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return s, err
		}
		switch {
		case e.Failed != "":
			s.failed = e.Failed
		case e.Line > 0:
			// The parser joins continued lines with all their blanks.
			s.line, s.instruction, s.output = e.Line, strings.Join(strings.Fields(e.Instruction), " "), tail{}
			progress.Step(s.line, s.instruction)
		default:
			s.output.Write(e.Output)
			progress.Output(e.Output)
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*tailSize {
		t.data = append([]byte(nil), t.data[len(t.data)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	data := t.data
	if len(data) > tailSize {
		data = data[len(data)-tailSize:]
		if _, rest, ok := bytes.Cut(data, []byte("\n")); ok {
			data = rest // from the first whole line on
		}
	}
	return strings.TrimRight(strings.ToValidUTF8(string(data), "\uFFFD"), "\n")
}

// child is this program again, in the role that a name stands for, without this process's environment. kaniko learns
// the builder's own directory from the variable KANIKO_DIR.
func child(ctx context.Context, role, own string) *exec.Cmd {
	c := exec.CommandContext(ctx, "/proc/self/exe")
	c.Args = []string{role}
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "GODEBUG=netdns=go", "KANIKO_DIR=" + own}
	for _, key := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(key); ok {
			c.Env = append(c.Env, key+"="+value)
		}
	}
	c.WaitDelay = 5 * time.Second
	return c
}
