package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mappedVariable tells a worker in a user namespace which file descriptor says that its users are mapped.
const mappedVariable = "HUB_PUBLISH_WORKER_MAPPED"

// StartWorker starts c, which executes this program in a role that calls EnterWorker first. The worker gets a mount
// namespace, and a process namespace: when it ends, the kernel ends all that it started. Where we are not root it gets
// a user namespace in which it is: with the users that /etc/subuid and /etc/subgid give to this one, if there are such
// and newuidmap(1) and newgidmap(1) can map them, else with this user alone (see OneUser). c.Env is the whole
// environment: nothing is inherited.
func StartWorker(c *exec.Cmd) error {
	if c.Env == nil {
		c.Env = []string{}
	}
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS | unix.CLONE_NEWPID
	if os.Geteuid() == 0 {
		if err := c.Start(); err != nil {
			return setUpError("start a worker in mount and process namespaces of its own", notAllowed(err, containerNeeds))
		}
		return nil
	}
	c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
	wait, mapped, err := os.Pipe()
	if err != nil {
		return err
	}
	defer wait.Close()
	defer mapped.Close()
	c.Env = append(c.Env, mappedVariable+"="+strconv.Itoa(orderFD+len(c.ExtraFiles)))
	c.ExtraFiles = append(c.ExtraFiles, wait)
	if err := c.Start(); err != nil {
		return setUpError("start a worker in a user namespace of its own", notAllowed(err, "run as root, or allow this user to make namespaces; "+
			"in a container, that takes --security-opt seccomp=unconfined --security-opt apparmor=unconfined"))
	}
	err = mapUsers(c.Process.Pid)
	if err == nil {
		_, err = mapped.Write([]byte{1})
	}
	if err != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		return setUpError("map the worker's users", err)
	}
	return nil
}

// EnterWorker makes a process that StartWorker started a worker: call it before anything else in its role. It may
// execute this program again: a user namespace's capabilities come with an execution after the users are mapped.
// What it returned nil for cannot be looked into by others of its user.
func EnterWorker() error {
	if fd, ok := os.LookupEnv(mappedVariable); ok {
		return becomeMapped(fd)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return setUpError("hide this process", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return setUpError("keep mounts apart from the machine's", err)
	}
	// The machine's /proc does not know this process by the number that it has here.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return setUpError("mount /proc", notAllowed(err, "where parts of the machine's are hidden, as in a container, a user other than root may not; "+
			"run as root, or start the container with --security-opt systempaths=unconfined"))
	}
	return nil
}

// becomeMapped waits until this process's users are mapped, and executes this program again as their root. It comes
// back only with an error.
func becomeMapped(fd string) error {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return fmt.Errorf("%s=%s: expected a file descriptor", mappedVariable, fd)
	}
	wait := os.NewFile(uintptr(n), "mapped")
	if _, err := io.ReadFull(wait, make([]byte, 1)); err != nil {
		return setUpError("wait for the worker's users", err)
	}
	if err := errors.Join(wait.Close(), os.Unsetenv(mappedVariable)); err != nil {
		return err
	}
	return setUpError("execute the worker as root of its users", syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// OneUser tells whether this process is in a user namespace with a single user: no file can belong to another one, and
// no process run as another.
func OneUser() (bool, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	fields := strings.Fields(lines[0])
	return len(lines) == 1 && len(fields) == 3 && fields[2] == "1", nil
}
