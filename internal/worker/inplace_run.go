package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	continuity "github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/layer"
	"github.com/jina/hub-publish/internal/processes"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
)

// run runs a process in the root as it is. What should be mounted is moved or copied to its place, and taken away again.
func (p *inPlace) run(ctx context.Context, process sandbox.Process) error {
	if process.Root != "/" {
		return errEmptyRoot
	}
	if !process.Network {
		return errors.New("the build cannot have a network of its own here")
	}
	p.ran = &process.MountPointTime
	return p.placed(ctx, process.Mounts, func() error { return p.command(ctx, process) })
}

func (p *inPlace) try(ctx context.Context, build string, s *snapshot, do func(root string, h trial.Host) error) error {
	if s == nil {
		return errEmptyRoot
	}
	if p.tried != s {
		if err := p.checkout(ctx, build, s); err != nil {
			return err
		}
		p.triedState = p.state
	}
	p.current, p.tried = nil, nil // until it is known what the root holds
	kill := func(*sandbox.Running) { p.killAll() }
	err := do("/", trial.Host{Top: func(*sandbox.Running) int { return os.Getpid() }, Kill: kill, Start: func(ctx context.Context, process sandbox.Process) (*sandbox.Running, error) {
		process.Unconfined, process.Hostname = true, ""
		return process.Start(ctx)
	}})
	p.killStrays()
	_, _, restoreErr := p.lent.restore()
	if p.takeBack(ctx) == nil {
		p.tried = s // it need not be laid out once more for the next test
	}
	return errors.Join(err, restoreErr)
}

// takeBack removes what a test has added to the root. Its error says that the root must be laid out once more: something else was
// changed. That directories have other times is of no importance to another test; a build never gets this root.
func (p *inPlace) takeBack(ctx context.Context) error {
	added, only, err := p.triedState.Additions(ctx)
	if err != nil {
		return err
	}
	if !only {
		return errors.New("more than added files")
	}
	for _, path := range added {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	p.triedState, err = layer.Scan(ctx, "/", p.skip)
	return err
}

// errEmptyRoot says that there is no program in an image.
var errEmptyRoot = errors.New("nothing can run in an image that has no file yet")

// placed puts all mounts in their places while do runs.
func (p *inPlace) placed(ctx context.Context, mounts []sandbox.Mount, do func() error) (err error) {
	if len(mounts) == 0 {
		return do()
	}
	undo, err := p.placeMount(ctx, mounts[0])
	if undo != nil {
		defer func() { err = errors.Join(err, undo()) }()
	}
	if err != nil {
		return fmt.Errorf("put %s in its place: %w", mounts[0].Target, err)
	}
	return p.placed(ctx, mounts[1:], do)
}

// command runs a process. What it makes in /dev goes with it, as everywhere; the network's files it may not change.
func (p *inPlace) command(ctx context.Context, process sandbox.Process) error {
	process.Unconfined, process.Mounts, process.Hostname = true, nil, ""
	err := process.Run(ctx)
	p.killStrays()
	files, _, restoreErr := p.lent.restore()
	switch {
	case err != nil:
		return err
	case restoreErr != nil:
		return restoreErr
	case len(files) > 0:
		return notTheImages(files...)
	}
	return nil
}

// killStrays ends what a command left running. Whatever has lost its parent becomes this process's child (becomeReaper).
func (p *inPlace) killStrays() {
	for {
		pids, err := processes.Below(os.Getpid())
		if err != nil || len(pids) == 0 {
			return
		}
		p.killAll()
		for _, pid := range pids {
			_, _ = unix.Wait4(pid, nil, 0, nil) // those that are another's child now are this one's in the next round
		}
	}
}

// killAll kills all that this process has started. Where there is nothing else in the container but its first process, whom
// the kernel spares, that is one call: what starts processes without end would start them faster than they are found.
// Elsewhere they are stopped before any is killed.
func (p *inPlace) killAll() {
	if p.alone {
		_ = unix.Kill(-1, unix.SIGKILL)
		return
	}
	stopped := map[int]bool{}
	for fresh := true; fresh; {
		fresh = false
		pids, _ := processes.Below(os.Getpid())
		for _, pid := range pids {
			if !stopped[pid] {
				fresh, stopped[pid] = true, true
				_ = unix.Kill(pid, unix.SIGSTOP)
			}
		}
	}
	for pid := range stopped {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// becomeReaper makes this process the parent of all that its descendants leave behind.
func becomeReaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// placeMount puts what a mount shows where it is to be seen. What may be written to is moved there and back, what may
// only be read is copied. undo makes all as it was.
func (p *inPlace) placeMount(ctx context.Context, m sandbox.Mount) (undo func() error, err error) {
	target, err := continuity.RootPath("/", m.Target)
	if err != nil {
		return nil, err
	}
	made, err := makeParents(filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	aside := filepath.Join(p.own, "aside-"+strconv.Itoa(p.nextNumber()))
	_, err = os.Lstat(target)
	there := !errors.Is(err, os.ErrNotExist)
	if there {
		if err := os.Rename(target, aside); err != nil {
			return nil, err
		}
	}
	back, err := p.show(ctx, m, target)
	return func() error {
		var errs []error
		if back != nil {
			errs = append(errs, back())
		}
		if there {
			errs = append(errs, os.Rename(aside, target))
		}
		for _, dir := range slices.Backward(made) {
			errs = append(errs, removeEmpty(dir))
		}
		return errors.Join(errs...)
	}, err
}

// show puts a mount's content at a path where there is nothing.
func (p *inPlace) show(ctx context.Context, m sandbox.Mount, target string) (back func() error, err error) {
	remove := func() error { return os.RemoveAll(target) }
	if m.Kind == sandbox.TmpfsMount {
		if err := os.Mkdir(target, 0o700); err != nil {
			return nil, err
		}
		mode := m.Mode
		if mode == 0 {
			mode = 0o777 | os.ModeSticky
		}
		return remove, os.Chmod(target, mode)
	}
	if !m.ReadOnly {
		return func() error { return os.Rename(target, m.Source) }, os.Rename(m.Source, target)
	}
	info, err := os.Stat(m.Source)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if err := copyDirectory(m.Source, target); err != nil {
			return nil, err
		}
		return remove, copyTree(ctx, m.Source, target)
	}
	return remove, copyFile(ctx, m.Source, target)
}

// makeParents makes a directory with those above it, and says which were missing.
func makeParents(dir string) (made []string, err error) {
	for missing := dir; ; missing = filepath.Dir(missing) {
		if _, err := os.Lstat(missing); err == nil {
			break
		}
		made = append(made, missing)
	}
	slices.Reverse(made)
	return made, os.MkdirAll(dir, 0o755)
}

// removeEmpty removes a directory, unless the command put something there.
func removeEmpty(dir string) error {
	if err := os.Remove(dir); !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return nil
}
