package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/sandbox/seccomp"
)

// The roles in which this program starts itself again, told by its name: an argument could come from a user.
const (
	processRole = "hub-publish-process"
	probeRole   = "hub-publish-probe"
)

// RunChild does the work of a process on its way into a root, where this process is one; otherwise it does nothing.
// Call it first in main.
func RunChild() {
	switch os.Args[0] {
	case processRole:
		runProcess()
	case probeRole:
		if err := runProbe(os.Args[1]); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// runProcess enters the root and becomes the program. It comes back only by ending.
func runProcess() {
	// What follows changes the calling thread alone, and the program is executed from it.
	runtime.LockOSThread()
	answers := os.NewFile(statusFD, "status")
	answer := func(s status) {
		// If nobody listens any more, there is nobody to tell.
		_ = json.NewEncoder(answers).Encode(s)
	}
	o, err := prepare()
	if err == nil {
		err = o.enter()
	}
	if err != nil {
		answer(status{Text: err.Error()})
		os.Exit(1)
	}
	program, code, err := o.find()
	if err == nil {
		answer(status{Ready: true})
		if o.Only {
			os.Exit(0)
		}
		code, err = o.execute(program)
	}
	answer(status{Text: err.Error(), Code: code})
	os.Exit(1)
}

// prepare hides this process from others of its user, reads its order, and keeps its files from the program.
func prepare() (order, error) {
	var o order
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return o, setUpError("hide this process", err)
	}
	if err := unix.CloseRange(orderFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return o, setUpError("close files when the program starts", err)
	}
	orders := os.NewFile(orderFD, "order")
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return o, setUpError("read what to run", err)
	}
	return o, orders.Close()
}

// enter makes the root this process's world, and gives up what a container does not have. The order matters: mounting
// and the filter need capabilities, and groups can be set only by who may still change its user.
func (o order) enter() error {
	unix.Umask(0)
	steps := append(o.ownWorld(), o.ownRights()...)
	for _, step := range steps {
		if err := step.do(); err != nil {
			return setUpError(step.what, err)
		}
	}
	unix.Umask(0o022)
	return nil
}

// step is one thing to do on the way into the root.
type step struct {
	what string
	do   func() error
}

// ownWorld are the steps into a root and namespaces of the process's own.
func (o order) ownWorld() []step {
	if o.Unconfined {
		return nil
	}
	return []step{
		{"make a control group namespace", func() error { return unix.Unshare(unix.CLONE_NEWCGROUP) }},
		{"keep mounts apart from the machine's", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"make the root", o.enterRoot},
		{"name the host", func() error { return unix.Sethostname([]byte(o.Hostname)) }},
		{"bring up the loopback interface", o.startLoopback},
	}
}

// ownRights are the steps that leave the process what a container has.
func (o order) ownRights() []step {
	return []step{
		{"set limits", o.limit},
		{"leave the keyring", leaveKeyring},
		{"hand over input and output", func() error { return handOver(int(o.User.UID)) }},
		{"bound capabilities", boundCapabilities},
		{"filter system calls", o.filter},
		{"give up capabilities", dropCapabilities},
		{"become " + describe(o.User), func() error { return become(o.User) }},
		{"enter the working directory " + o.Dir, func() error { return os.Chdir(o.Dir) }},
	}
}

// filter sets the system call filter. In the worker's own root there is the container engine's already, and this process
// may not set another.
func (o order) filter() error {
	if o.Unconfined {
		return nil
	}
	return seccomp.Load(o.Filter)
}

// namespaces are those that the process is started in.
func (o order) namespaces() (flags uintptr) {
	if o.Unconfined {
		return 0
	}
	flags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if !o.Network {
		flags |= unix.CLONE_NEWNET
	}
	return flags
}

// find looks for the program as its user. code is the exit status if it cannot be executed.
func (o order) find() (program string, code int, err error) {
	os.Clearenv()
	if err := os.Setenv("PATH", o.Path); err != nil {
		return "", 0, err
	}
	program, err = exec.LookPath(o.Args[0])
	switch {
	case err == nil:
		return program, 0, nil
	case errors.Is(err, exec.ErrDot):
		// Found in the working directory by an empty or relative entry of PATH, which Go alone refuses.
		return program, 0, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return "", statusNotFound, err
	}
	return "", statusNotExecutable, err
}

// execute becomes the program.
func (o order) execute(program string) (code int, err error) {
	err = syscall.Exec(program, o.Args, o.Env)
	err = fmt.Errorf("exec %s: %w", program, err)
	if errors.Is(err, os.ErrNotExist) {
		return statusNotFound, err // a script's interpreter, or a program's loader
	}
	return statusNotExecutable, err
}
