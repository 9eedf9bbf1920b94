package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/jina/hub-publish/internal/sandbox/seccomp"
)

// drain is how long the output of a process that ended may take to be read, should something outside hold its pipe.
const drain = 10 * time.Second

// drainOthers is the same where what the process leaves behind goes on, and may hold the pipe for ever.
const drainOthers = time.Second

// filter is Docker's profile as a program; it is made once.
var filter = sync.OnceValues(func() (seccomp.Filter, error) { return seccomp.Default(capabilityNames()) })

// Running is a process that was started. Wait must be called.
type Running struct {
	cmd     *exec.Cmd
	ctx     context.Context
	stubs   stubs
	ungroup func()
}

// Start starts the process. When it returns without an error, the program is being executed. An *ExitError says that
// there is no such program or that it cannot be executed; any other error is the sandbox's. When ctx ends, the process
// and all that it started are killed.
func (p Process) Start(ctx context.Context) (*Running, error) {
	o, err := p.order()
	if err != nil {
		return nil, err
	}
	return start(ctx, o, p.Stdout, p.Stderr)
}

func start(ctx context.Context, o order, stdout, stderr io.Writer) (*Running, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	r := &Running{ctx: ctx, stubs: findStubs(o.Root, o.Mounts), ungroup: func() {}}
	err := r.start(o, stdout, stderr)
	if err == nil {
		return r, nil
	}
	if r.cmd.Process != nil {
		_ = r.cmd.Process.Kill() // it may wait for the rest of its order
		_ = r.cmd.Wait()
	}
	err = errors.Join(err, r.cleanUp())
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, err
}

func (r *Running) start(o order, stdout, stderr io.Writer) error {
	r.cmd = exec.CommandContext(r.ctx, "/proc/self/exe")
	r.cmd.Args = []string{processRole}
	r.cmd.Env = []string{}
	r.cmd.WaitDelay = drain
	setOutput(r.cmd, stdout, stderr)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: o.namespaces()}
	if o.Unconfined {
		r.cmd.WaitDelay = drainOthers
	}
	orders, orderWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	defer orders.Close()
	defer orderWriter.Close()
	answers, answerWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answers.Close()
	defer answerWriter.Close()
	r.cmd.ExtraFiles = []*os.File{orderFD - 3: orders, statusFD - 3: answerWriter}
	if err := r.cmd.Start(); err != nil {
		return setUpError("start a process in namespaces of its own", err)
	}
	// Ours must be closed: the other end shall see when the process has gone.
	if err := errors.Join(orders.Close(), answerWriter.Close()); err != nil {
		return err
	}
	if o.Limits.Processes > 0 {
		r.ungroup, o.LimitByUser = limitProcesses(r.cmd.Process.Pid, o.Limits.Processes)
	}
	writeErr := o.write(orderWriter)
	if err := readStatus(answers); err != nil {
		return err
	}
	if writeErr != nil {
		return setUpError("tell the process what to do", writeErr)
	}
	return nil
}

// output hides what a writer is: a file would be handed to the process itself, which could do more than write to it.
type output struct{ io.Writer }

func setOutput(cmd *exec.Cmd, stdout, stderr io.Writer) {
	if stdout != nil {
		cmd.Stdout = &output{stdout}
	}
	if stderr != nil {
		cmd.Stderr = &output{stderr}
		if same(stdout, stderr) {
			cmd.Stderr = cmd.Stdout
		}
	}
}

// same tells whether two writers are one. Values that cannot be compared are not.
func same(a, b io.Writer) bool {
	defer func() { _ = recover() }()
	return a == b
}

// Wait waits until the process and all that it started have ended, and leaves the root without mount points that were
// not there before. It returns nil for the exit status 0, an *ExitError for others, and the context's cause if that
// ended the process.
func (r *Running) Wait() error {
	err := r.cmd.Wait()
	cleanErr := r.cleanUp()
	var exit *exec.ExitError
	switch {
	case err != nil && r.ctx.Err() != nil:
		err = context.Cause(r.ctx)
	case r.cmd.WaitDelay == drainOthers && errors.Is(err, exec.ErrWaitDelay):
		err = nil
	case errors.As(err, &exit):
		err = exitError(exit.Sys().(syscall.WaitStatus))
	case err != nil:
		err = fmt.Errorf("sandbox: the process's output: %w", err)
	}
	if err != nil {
		return err
	}
	return cleanErr
}

func exitError(s syscall.WaitStatus) *ExitError {
	if s.Signaled() {
		return &ExitError{Status: signalled + int(s.Signal()), Signal: s.Signal()}
	}
	return &ExitError{Status: s.ExitStatus()}
}

func (r *Running) cleanUp() error {
	r.ungroup()
	return r.stubs.remove()
}

// Signal sends a signal to the process. One that it has no handler for does nothing, as it is the first of its
// namespace; SIGKILL ends it and all that it started.
func (r *Running) Signal(s os.Signal) error { return r.cmd.Process.Signal(s) }

// PID is the process's number in the worker. Its namespaces are in /proc/PID/ns until Wait returns.
func (r *Running) PID() int { return r.cmd.Process.Pid }
