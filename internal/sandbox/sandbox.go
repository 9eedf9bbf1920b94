// Package sandbox gives a build a root of its own: new mount, process, IPC and host name namespaces (and a user
// namespace where we are not root), and a directory as the root in which nothing of the machine is to be seen.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Attributes are those of a process that will call Enter. Without root it gets a user namespace in which it is root
// and its own user is the only one.
func Attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if uid := os.Geteuid(); uid != 0 {
		attributes.Cloneflags |= unix.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attributes
}

// Bind is a file or directory of the machine that is to be seen in the sandbox.
type Bind struct {
	// Source is a path on the machine, Target one below the sandbox's root.
	Source, Target string
	ReadOnly       bool
}

// Enter makes dir this process's root. The process must have been started with Attributes. It also takes from the
// calling thread, which it locks to its goroutine, every capability that a container does not have by default; what
// that thread starts can never get them back.
func Enter(dir string, binds []Bind) error {
	runtime.LockOSThread()
	steps := []struct {
		what string
		do   func() error
	}{
		{"keep mounts apart from the machine's", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount the root", func() error { return bind(Bind{Source: dir, Target: dir}) }},
		{"mount /proc", func() error { return mountProc(dir) }},
		{"mount /dev", func() error { return mountDev(dir) }},
		{"mount /sys", func() error { return mountSys(dir) }},
		{"mount the build's files", func() error { return mountBinds(dir, binds) }},
		{"change the root", func() error { return pivot(dir) }},
		{"protect /proc", protectProc},
		{"name the host", func() error { return unix.Sethostname([]byte("hub-publish")) }},
		{"give up capabilities", dropCapabilities},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("sandbox: %s: %w", step.what, err)
		}
	}
	return nil
}

// bind mounts a path of the machine without set-user-id programs' and devices' powers where it is read only, without
// devices otherwise.
func bind(b Bind) error {
	if err := unix.Mount(b.Source, b.Target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%s: %w", b.Source, err)
	}
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NODEV}
	if b.ReadOnly {
		attributes.Attr_set |= unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, b.Target, unix.AT_RECURSIVE, &attributes); err != nil {
		return fmt.Errorf("restrict %s: %w", b.Source, err)
	}
	return nil
}

func mountBinds(root string, binds []Bind) error {
	for _, b := range binds {
		info, err := os.Stat(b.Source)
		if err != nil {
			return err
		}
		b.Target = filepath.Join(root, b.Target)
		if err := makeMountPoint(b.Target, info.IsDir()); err != nil {
			return err
		}
		if err := bind(b); err != nil {
			return err
		}
	}
	return nil
}

func makeMountPoint(path string, dir bool) error {
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func mountProc(root string) error {
	proc := filepath.Join(root, "proc")
	if err := makeMountPoint(proc, true); err != nil {
		return err
	}
	return unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// devices are those that a container gets: none of them reaches the machine's hardware.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

func mountDev(root string) error {
	dev := filepath.Join(root, "dev")
	if err := makeMountPoint(dev, true); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return err
	}
	for _, name := range devices {
		target := filepath.Join(dev, name)
		if err := makeMountPoint(target, false); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	for name, fs := range map[string]struct{ kind, options string }{
		"shm": {"tmpfs", "mode=1777,size=64m"},
		"pts": {"devpts", "newinstance,ptmxmode=0666,mode=0620"},
	} {
		target := filepath.Join(dev, name)
		if err := makeMountPoint(target, true); err != nil {
			return err
		}
		if err := unix.Mount(fs.kind, target, fs.kind, unix.MS_NOSUID|unix.MS_NOEXEC, fs.options); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	return nil
}

// mountSys shows the machine's /sys, read only. Some machines do not allow that; builds rarely miss it.
func mountSys(root string) error {
	sys := filepath.Join(root, "sys")
	if err := makeMountPoint(sys, true); err != nil {
		return err
	}
	if err := bind(Bind{Source: "/sys", Target: sys, ReadOnly: true}); err != nil {
		if err := unix.Unmount(sys, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return nil
}

// pivot makes dir the root and lets the old root go. Both at one place is pivot_root(2)'s way to need no second
// directory.
func pivot(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}

// The parts of /proc that Docker hides or makes read only, from its default OCI specification (moby, oci/defaults.go).
var (
	hidden   = []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"}
	readOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func protectProc() error {
	for _, path := range hidden {
		if err := unix.Mount("/dev/null", path, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, path := range readOnly {
		if err := bind(Bind{Source: path, Target: path, ReadOnly: true}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
