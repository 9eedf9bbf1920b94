package builder_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attempt does in an image what a stranger's program could do there, and ends the process: with 0 where it was refused or
// did what it is for, with 1 where it got through.
func attempt(what string, args []string) {
	do, ok := attempts[what]
	if !ok {
		fmt.Println("there is no attempt", what)
		os.Exit(3)
	}
	if err := do(args); err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// refused turns the kernel's refusal, or that there is no such thing, into success, and all else into an error.
func refused(err error) error {
	for _, fine := range []error{unix.EPERM, unix.EACCES, unix.EROFS, unix.ENOENT} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	return fmt.Errorf("it got through, or was stopped by something else: %v", err)
}

var attempts = map[string]func(args []string) error{
	"mount":   func([]string) error { return refused(unix.Mount("x", "/tmp", "tmpfs", 0, "")) },
	"remount": func([]string) error { return refused(unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "")) },
	"unshare": func([]string) error {
		for _, flag := range []int{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWPID} {
			if err := refused(unix.Unshare(flag)); err != nil {
				return err
			}
		}
		return nil
	},
	"listen":        listen,
	"ignore":        ignore,
	"fork":          fork,
	"rubbish":       rubbish,
	"name the host": func([]string) error { return refused(unix.Sethostname([]byte("x"))) },
	"write":         func(args []string) error { return refused(os.WriteFile(args[0], []byte("x"), 0)) },
	"disk":          func([]string) error { return readDisks() },
	"find":          func(args []string) error { return findSecret(args[0]) },
	"alone":         func([]string) error { return alone() },
	// Without a process namespace, this would end the worker, the tests and more.
	"kill all": func([]string) error {
		if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		return nil
	},
	"symlink": func(args []string) error { return os.Symlink(args[0], args[1]) },
	"stay":    stay,
	"sleep":   func([]string) error { time.Sleep(time.Hour); return nil },
	"pause":   func([]string) error { time.Sleep(50 * time.Millisecond); return nil },
	"print": func(args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(bytes.Repeat([]byte("x"), n))
		return err
	},
	"print for ever": func([]string) error {
		for {
			if _, err := os.Stdout.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return err
			}
		}
	},
	"fill":                func([]string) error { return fill("/full", false) },
	"fill a removed file": func([]string) error { return fill("/full", true) },
	"mode": func(args []string) error {
		info, err := os.Lstat(args[0])
		if err == nil && info.Mode().String() != args[1] {
			err = fmt.Errorf("%s has the mode %s, not %s", args[0], info.Mode(), args[1])
		}
		return err
	},
}

// readDisks makes device nodes of disks and memory where it may, and reads from them.
func readDisks() error {
	for i, dev := range []struct{ kind, major, minor uint32 }{{unix.S_IFBLK, 254, 0}, {unix.S_IFBLK, 253, 0}, {unix.S_IFBLK, 259, 0}, {unix.S_IFBLK, 8, 0}, {unix.S_IFBLK, 7, 0}, {unix.S_IFCHR, 1, 1}} {
		for _, dir := range []string{"/", "/tmp", "/dev", "/dev/shm"} {
			path := filepath.Join(dir, "disk"+strconv.Itoa(i))
			err := unix.Mknod(path, dev.kind|0o666, int(unix.Mkdev(dev.major, dev.minor)))
			if err == nil {
				var f *os.File
				if f, err = os.Open(path); err == nil {
					_, err = f.Read(make([]byte, 1))
				}
				os.Remove(path)
			}
			if err := refused(err); err != nil {
				return fmt.Errorf("%s of %d:%d: %w", path, dev.major, dev.minor, err)
			}
		}
	}
	return nil
}

// findSecret looks for a text in all environments, command lines, and open files' names, but for its own arguments.
func findSecret(text string) error {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("nothing to look at: %v", err)
	}
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(text)) {
			return fmt.Errorf("%s has it", path)
		}
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, path := range fds {
		if target, err := os.Readlink(path); err == nil && bytes.Contains([]byte(target), []byte(text)) {
			return fmt.Errorf("%s is %s", path, target)
		}
	}
	return nil
}

// alone looks for processes but for the RUN's shell and this one.
func alone() error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if n, _ := strconv.Atoi(filepath.Base(dir)); n != 1 && n != os.Getpid() {
			return fmt.Errorf("there is %s", dir)
		}
	}
	if os.Getppid() != 1 && os.Getpid() != 1 {
		return errors.New("its parent is not the first process")
	}
	return nil
}

// stay starts a daemon in a session of its own, which ignores signals, and comes back.
func stay(args []string) error {
	if len(args) == 2 {
		time.Sleep(time.Hour)
	}
	c := exec.Command("/proc/self/exe")
	c.Args = []string{hostileAttempt, "stay", args[0], "on"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c.Start()
}

// fill writes until it is ended: not as fast as it could, so that it ends before the tests' disk does.
func fill(path string, remove bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if remove {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for range 150 {
		if _, err := f.Write(make([]byte, 4<<20)); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Hour)
	return nil
}
