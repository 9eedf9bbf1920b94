package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/user"
)

// attempts are what a hostile instruction tries. Each fails with the reason for which it did not get there.
var attempts = map[string]func(args []string) error{
	"mount tmpfs":   func([]string) error { return unix.Mount("x", "/tmp", "tmpfs", 0, "") },
	"remount proc":  func([]string) error { return unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
	"unmount":       func([]string) error { return unix.Unmount("/proc/kcore", unix.MNT_DETACH) },
	"new mount API": func([]string) error { _, err := unix.Fsopen("tmpfs", 0); return err },
	"unshare user":  func([]string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"unshare mount": func([]string) error { return unix.Unshare(unix.CLONE_NEWNS) },
	"clone user":    func([]string) error { return cloneWith(unix.CLONE_NEWUSER) },
	"clone3":        func([]string) error { _, _, e := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0); return e },
	"setns":         func([]string) error { return unix.Setns(0, 0) },
	"keyctl":        func([]string) error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, false); return err },
	"bpf":           func([]string) error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return e },
	"perf":          func([]string) error { _, err := unix.PerfEventOpen(&unix.PerfEventAttr{}, 0, 0, -1, 0); return err },
	"userfaultfd":   func([]string) error { _, _, e := unix.Syscall(unix.SYS_USERFAULTFD, 0, 0, 0); return e },
	"io_uring":      func([]string) error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return e },
	"kexec":         func([]string) error { return unix.KexecFileLoad(0, 0, "", 0) },
	"reboot":        func([]string) error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
	"module":        func([]string) error { return unix.FinitModule(0, "", 0) },
	"clock":         func([]string) error { return unix.Settimeofday(&unix.Timeval{Sec: 1}) },
	"name the host": func([]string) error { return unix.Sethostname([]byte("x")) },
	"swap":          func([]string) error { _, _, e := unix.Syscall(unix.SYS_SWAPON, 0, 0, 0); return e },
	"file handle": func([]string) error {
		_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), 0)
		return err
	},
	"write sysctl":    func([]string) error { return os.WriteFile("/proc/sys/kernel/hostname", []byte("x"), 0) },
	"core pattern":    func([]string) error { return os.WriteFile("/proc/sys/kernel/core_pattern", []byte("|/bin/t"), 0) },
	"sysrq":           func([]string) error { return os.WriteFile("/proc/sysrq-trigger", []byte("h"), 0) },
	"write sys":       func([]string) error { return os.WriteFile("/sys/kernel/uevent_helper", []byte("/bin/t"), 0) },
	"raw disk":        rawDisk,
	"kernel memory":   func([]string) error { return readSome("/proc/kcore") },
	"raw capability":  gainCapabilities,
	"ptrace a parent": func([]string) error { return unix.PtraceAttach(os.Getppid()) },
	"signal a parent": func([]string) error { return noParent(unix.Kill(os.Getppid(), 0)) },
	"signal another":  signalOther,
	"see the host":    seeHost,
	"open files":      openFiles,
	"leave by chroot": func(args []string) error { return leaveByChroot(args[0]) },
	"push input":      func([]string) error { return unix.IoctlSetInt(0, unix.TIOCSTI, 'x') },
	"vsock":           func([]string) error { _, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0); return err },
}

// TestCannot runs what an instruction must not be able to do, as root and as another user.
func TestCannot(t *testing.T) {
	t.Parallel()
	requireSandbox(t)
	const secret = "the worker's secret"
	outside := writeFile(t, filepath.Join(t.TempDir(), "secret"), secret)
	sleeper(t)
	arguments := map[string]string{"leave by chroot": outside}
	for name := range attempts {
		for _, id := range []user.Identity{user.Root(), {UID: 1000, GID: 1000, Groups: []uint32{1000}}} {
			t.Run(fmt.Sprintf("%s as %d", name, id.UID), func(t *testing.T) {
				t.Parallel()
				requireUser(t, id)
				root, _ := newRoot(t)
				p := process(root, name, arguments[name])
				p.User = id
				text, err := output(t, p)
				if err == nil {
					t.Fatalf("it could: %s", text)
				}
				if strings.Contains(text, secret) || strings.Contains(text, "panic") {
					t.Errorf("got %s", text)
				}
				t.Log(strings.TrimSpace(text))
			})
		}
	}
}

func cloneWith(flags uintptr) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.Exit(0)
	}
	return nil
}

func readSome(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if n, err := f.Read(make([]byte, 64)); err != nil || n == 0 {
		return errors.New("there is nothing in it")
	}
	return nil
}

// rawDisk makes device nodes of disks and memory where it can, and opens them.
func rawDisk([]string) error {
	var all error
	for _, dir := range []string{"/tmp", "/dev", "/dev/shm", "/"} {
		for i, dev := range []uint64{unix.Mkdev(254, 0), unix.Mkdev(8, 0), unix.Mkdev(1, 1), unix.Mkdev(1, 11)} {
			path := filepath.Join(dir, "disk"+strconv.Itoa(i))
			kind := uint32(unix.S_IFBLK)
			if i >= 2 {
				kind = unix.S_IFCHR
			}
			if err := unix.Mknod(path, kind|0o666, int(dev)); err != nil {
				all = errors.Join(all, err)
				continue
			}
			f, err := os.Open(path)
			if err == nil {
				f.Close()
				return nil
			}
			all = errors.Join(all, err)
		}
	}
	return all
}

// gainCapabilities looks for more than a container has in every set, and tries to take it.
func gainCapabilities([]string) error {
	const docker = 0xa80425fb
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if set, err := strconv.ParseUint(value, 16, 64); strings.HasPrefix(name, "Cap") && (err != nil || set&^docker != 0) {
			fmt.Println(line)
			return nil
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	return nil
}

// noParent makes an attempt on process 0 count as refused: it means the caller's own group, as there is no parent.
func noParent(err error) error {
	if os.Getppid() == 0 {
		return errors.New("there is no parent to be seen")
	}
	return err
}

// signalOther looks for a process other than this one that a signal reaches: one of the worker's, or another sandbox's.
func signalOther([]string) error {
	for n := 1; n < 1<<15; n++ {
		// A signal to one of its own threads reaches this process.
		if _, err := os.Stat("/proc/self/task/" + strconv.Itoa(n)); err != nil && unix.Kill(n, 0) == nil {
			fmt.Println(n)
			return nil
		}
	}
	return errors.New("there is none")
}

// seeHost looks for processes other than this one.
func seeHost([]string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != os.Getpid() {
			return nil
		}
	}
	if os.Getpid() != 1 {
		return nil
	}
	return errors.New("this process is alone")
}

// openFiles looks for files that were left open: the three, and what Go's runtime opened itself.
func openFiles([]string) error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		fd, _ := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 || strings.HasPrefix(target, "anon_inode:") || strings.HasSuffix(target, "/fd") {
			continue
		}
		fmt.Println(fd, target)
		return nil
	}
	return errors.New("there is none")
}

// leaveByChroot is the classic way out: a root below the working directory, and then upwards.
func leaveByChroot(secret string) error {
	if err := os.Mkdir("/tmp/below", 0o755); err != nil {
		return err
	}
	if err := syscall.Chroot("/tmp/below"); err != nil {
		return err
	}
	for range 64 {
		if err := os.Chdir(".."); err != nil {
			return err
		}
	}
	if err := syscall.Chroot("."); err != nil {
		return err
	}
	text, err := os.ReadFile(secret)
	fmt.Printf("%s", text)
	return err
}
