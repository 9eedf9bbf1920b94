// Package sandbox runs a process in a root file system of its own as a container engine does: in new mount, process,
// IPC, host name, control group and (where asked) network namespaces, with Docker's default capabilities, system call
// filter and devices, and with nothing of the machine to be seen.
//
// The caller is a worker: a process that has a mount namespace of its own, and a user namespace where it is not root
// (StartWorker, EnterWorker). It mounts a root and runs Processes in it.
package sandbox

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/jina/hub-publish/internal/user"
)

// Hostname is the name of the machine that a process sees if none is given: BuildKit's (executor/oci/spec.go).
const Hostname = "buildkitsandbox"

// Process is what runs in a root. It is the first process of its process namespace: whatever it leaves behind ends
// with it, and signals that it has no handler for do not reach it, but SIGKILL from outside.
type Process struct {
	// Root is a mounted file system, by its absolute path. /proc, /dev and /sys are made there if they are missing, and
	// stay, as with BuildKit; other mount points that were missing are removed afterwards, with their parents, if empty.
	Root         string
	ReadOnlyRoot bool
	// Unconfined runs the process in the worker's own root and namespaces, where a build cannot have others: Root is "/",
	// and nothing is mounted. It has no more capabilities than elsewhere, but what it leaves behind stays.
	Unconfined bool
	// Args are the program and its arguments. A name without a slash is looked for in the PATH of Env.
	Args []string
	// Env is the environment, "NAME=value"; of two with one name the last holds. HOME is added if it is missing: the
	// user's by the root's /etc/passwd, as runc does.
	Env []string
	// Dir is the working directory, an absolute path in the root that must exist; "/" if empty.
	Dir  string
	User user.Identity
	// Mounts are made in their order, after /proc, /dev and /sys.
	Mounts []Mount
	// Network gives the process the worker's network. Without it there is a loopback interface and nothing else.
	Network bool
	// Hostname is Hostname if empty.
	Hostname string
	Limits   Limits
	// MountPointTime is the modification time of the mount points that are made; zero: when they are made.
	MountPointTime time.Time
	// Stdout and Stderr get what the process prints, through pipes of its user; nil: nothing. The same value for both
	// keeps the order of what is printed.
	Stdout, Stderr io.Writer
}

// Kind tells what is mounted.
type Kind string

const (
	// BindMount shows a file or directory of the worker.
	BindMount Kind = "bind"
	// TmpfsMount is an empty directory in memory.
	TmpfsMount Kind = "tmpfs"
)

// Mount is something to be seen in the root. Devices and, on a tmpfs, set-user-ID programs have no power there.
type Mount struct {
	Kind Kind
	// Source is the worker's path of a BindMount.
	Source string
	// Target is an absolute path in the root, whose links never lead out of it; it is made if it is missing. It cannot
	// be / or in /proc.
	Target   string
	ReadOnly bool
	// Size is the most that a TmpfsMount holds, in bytes; 0: the kernel's default, half of the memory.
	Size int64
	// Mode is a TmpfsMount's mode; 0: 1777.
	Mode fs.FileMode
}

// Limits are what a process may use. Zero is no limit but the one named.
type Limits struct {
	// FileSize is the largest file that can be written, in bytes (RLIMIT_FSIZE).
	FileSize uint64
	// OpenFiles is the most files that are open at once in one process (RLIMIT_NOFILE); zero: Docker's 1048576. It is
	// never more than the worker may give: without root, the worker's own hard limit.
	OpenFiles uint64
	// Processes is the most processes and threads at once. It holds by a control group (pids controller, version 1 or
	// 2) where the worker can make one, which takes root and a writable /sys/fs/cgroup. Elsewhere RLIMIT_NPROC is set,
	// which counts by user: in a worker without root it holds, and counts all of the worker's user's processes; for a
	// user other than root it holds; for root itself, in a worker that is root, the kernel does not apply it.
	Processes int64
}

// Run starts the process and waits for its end; see Start and Running.Wait.
func (p Process) Run(ctx context.Context) error {
	running, err := p.Start(ctx)
	if err != nil {
		return err
	}
	return running.Wait()
}
