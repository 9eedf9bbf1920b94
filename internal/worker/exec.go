package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	continuity "github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"

	"github.com/jina/hub-publish/internal/graph"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/user"
)

// defaultPath is what BuildKit sets where an image has none (util/system, DefaultPathEnvUnix).
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// exec does what RUN stands for.
func (b *build) exec(ctx context.Context, e graph.Edge, op *pb.ExecOp, inputs []*snapshot) (*snapshot, error) {
	if op.Security != pb.SecurityMode_SANDBOX || op.Network == pb.NetMode_HOST {
		return nil, errors.New("RUN with further rights is not supported")
	}
	unlock, err := b.lockCaches(ctx, op.Mounts)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return b.place.change(ctx, b.id, b.below(e, inputs), func(root string) error {
		return b.mounts(ctx, op.Mounts, inputs, nil, func(mounts []sandbox.Mount) error {
			return b.process(ctx, e.Vertex, op, root, mounts)
		})
	})
}

func (b *build) process(ctx context.Context, v *graph.Vertex, op *pb.ExecOp, root string, mounts []sandbox.Mount) error {
	identity, err := user.Lookup(root, op.Meta.User)
	if err != nil {
		return err
	}
	if err := makeWorkingDirectory(root, op.Meta.Cwd, b.order.Created); err != nil {
		return err
	}
	out := &output{build: b, vertex: v.Digest, left: b.order.Limits.Output}
	defer out.close()
	return b.place.run(ctx, sandbox.Process{
		Root: root, Args: op.Meta.Args, Env: environment(op.Meta), Dir: op.Meta.Cwd, User: identity, Hostname: op.Meta.Hostname,
		Mounts: mounts, Network: op.Network != pb.NetMode_NONE, MountPointTime: b.order.Created, Stdout: out, Stderr: out,
	})
}

// makeWorkingDirectory makes a directory that an instruction before has removed, as runc does.
func makeWorkingDirectory(root, dir string, created time.Time) error {
	path, err := continuity.RootPath(root, dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	_, err = fscopy.MkdirAll(path, 0o755, nil, &created)
	return err
}

// environment is an operation's, with what BuildKit adds: a PATH, and the proxies that were given as build arguments.
func environment(meta *pb.Meta) []string {
	env := slices.Clone(meta.Env)
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		env = append(env, defaultPath)
	}
	if p := meta.ProxyEnv; p != nil {
		for _, proxy := range []struct{ name, value string }{
			{"HTTP_PROXY", p.HttpProxy}, {"HTTPS_PROXY", p.HttpsProxy}, {"FTP_PROXY", p.FtpProxy}, {"NO_PROXY", p.NoProxy}, {"ALL_PROXY", p.AllProxy},
		} {
			if proxy.value != "" {
				env = append(env, proxy.name+"="+proxy.value, strings.ToLower(proxy.name)+"="+proxy.value)
			}
		}
	}
	return env
}

// mounts makes ready what RUN --mount asks for while do runs.
func (b *build) mounts(ctx context.Context, wanted []*pb.Mount, inputs []*snapshot, have []sandbox.Mount, do func([]sandbox.Mount) error) error {
	if len(wanted) == 0 {
		return do(have)
	}
	m, rest := wanted[0], wanted[1:]
	next := func(mount ...sandbox.Mount) error {
		return b.mounts(ctx, rest, inputs, append(have, mount...), do)
	}
	var input *snapshot
	if m.Input >= 0 && int(m.Input) < len(inputs) {
		input = inputs[m.Input]
	}
	switch m.MountType {
	case pb.MountType_TMPFS:
		return next(sandbox.Mount{Kind: sandbox.TmpfsMount, Target: m.Dest, Size: m.TmpfsOpt.GetSize()})
	case pb.MountType_SECRET:
		if !m.SecretOpt.GetOptional() {
			return fmt.Errorf("there is no secret %q: builds of a hub have none", m.SecretOpt.GetID())
		}
		return next()
	case pb.MountType_CACHE:
		return b.cacheMount(ctx, m, input, next)
	case pb.MountType_BIND:
		if m.Dest == pb.RootMount {
			return next()
		}
		return b.place.view(ctx, b.id, input, !m.Readonly, func(dir string) error {
			source, err := selected(dir, m.Selector)
			if err != nil {
				return err
			}
			return next(sandbox.Mount{Kind: sandbox.BindMount, Source: source, Target: m.Dest, ReadOnly: m.Readonly})
		})
	default:
		return fmt.Errorf("RUN --mount=type=%s is not supported", strings.ToLower(m.MountType.String()))
	}
}

// selected is a path in a view.
func selected(dir, selector string) (string, error) {
	path, err := continuity.RootPath(dir, selector)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); err != nil {
		return "", fmt.Errorf("there is no %s to mount: %w", filepath.Join("/", selector), errors.Unwrap(err))
	}
	return path, nil
}

// cache is a directory that stays from one RUN of a build to the next. Another bundle's build has its own: what it finds
// there must not come from a stranger.
type cache struct {
	// turn holds a value while an instruction has the cache.
	turn chan struct{}
	dir  string
}

// lockCaches waits for all caches that an instruction mounts, in one order for all instructions, so that no two wait for
// each other. Who shares a cache waits as well: few tools stand another one beside them, and no result depends on it.
func (b *build) lockCaches(ctx context.Context, mounts []*pb.Mount) (unlock func(), err error) {
	var ids []string
	for _, m := range mounts {
		if m.MountType == pb.MountType_CACHE {
			ids = append(ids, m.CacheOpt.GetID())
		}
	}
	slices.Sort(ids)
	var held []*cache
	unlock = func() {
		for _, c := range held {
			<-c.turn
		}
	}
	for _, id := range slices.Compact(ids) { // one instruction can show a cache at two places
		b.mutex.Lock()
		c := b.caches[id]
		if c == nil {
			c = &cache{turn: make(chan struct{}, 1)}
			b.caches[id] = c
		}
		b.mutex.Unlock()
		select {
		case c.turn <- struct{}{}:
			held = append(held, c)
		case <-ctx.Done():
			unlock()
			return nil, context.Cause(ctx)
		}
	}
	return unlock, nil
}

func (b *build) cacheMount(ctx context.Context, m *pb.Mount, input *snapshot, next func(...sandbox.Mount) error) error {
	b.mutex.Lock()
	c := b.caches[m.CacheOpt.GetID()] // lockCaches made it
	b.mutex.Unlock()
	if c.dir == "" {
		dir, err := b.place.newDir(b.id)
		if err != nil {
			return err
		}
		if err := b.place.view(ctx, b.id, input, false, func(from string) error { return copyTree(ctx, from, dir) }); err != nil {
			return err
		}
		if c.dir, err = filepath.Abs(dir); err != nil {
			return err
		}
	}
	source, err := selected(c.dir, m.Selector)
	if err != nil {
		return err
	}
	return next(sandbox.Mount{Kind: sandbox.BindMount, Source: source, Target: m.Dest, ReadOnly: m.Readonly})
}

// output passes on what an instruction prints, up to a limit.
type output struct {
	build   *build
	vertex  string
	left    int64
	dropped int64
	mutex   sync.Mutex
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	passed := p
	if o.build.order.Limits.Output > 0 {
		passed = p[:min(int64(len(p)), o.left)]
		o.left -= int64(len(passed))
		o.dropped += int64(len(p) - len(passed))
	}
	if len(passed) > 0 {
		o.build.send(Event{Output: &Output{o.vertex, slices.Clone(passed)}})
	}
	return len(p), nil
}

// close says how much was left out.
func (o *output) close() {
	if o.dropped > 0 {
		o.build.send(Event{Output: &Output{o.vertex, fmt.Appendf(nil, "\n[%d more bytes of output are left out]\n", o.dropped)}})
	}
}

var _ io.Writer = (*output)(nil)
