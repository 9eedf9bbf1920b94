package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// probeTime is how long a probe may take; it takes some tens of milliseconds.
const probeTime = 10 * time.Second

// Probe tells whether this machine lets a worker do all that a build in a sandbox needs: namespaces, an overlay whose
// layers lie in dir, and a process in it. The error says what is refused, why, and what to do. The program's main must
// call RunChild.
func Probe(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, ".probe-")
	if err != nil {
		return fmt.Errorf("sandbox: the builds' directory cannot be written: %w", err)
	}
	defer os.RemoveAll(work)
	ctx, stop := context.WithTimeout(context.Background(), probeTime)
	defer stop()
	c := exec.CommandContext(ctx, "/proc/self/exe")
	c.Args = []string{probeRole, work}
	var said bytes.Buffer
	c.Stderr = &said
	err = StartWorker(c)
	if err == nil {
		err = c.Wait()
		if text := strings.TrimSpace(said.String()); err != nil && text != "" {
			err = errors.New(text)
		}
	}
	if err == nil {
		return nil
	}
	if hint := namespaceHint(); hint != "" && !strings.Contains(err.Error(), overlayRefused) {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// runProbe is the worker's part of Probe.
func runProbe(dir string) error {
	if err := EnterWorker(); err != nil {
		return err
	}
	root := filepath.Join(dir, "root")
	// Here, since what the overlay leaves in its work directory can be removed by this user namespace's root alone.
	defer func() {
		if unix.Unmount(root, 0) == nil {
			_ = os.RemoveAll(filepath.Join(dir, "work"))
		}
	}()
	if err := mountOverlay(dir, root); err != nil {
		return fmt.Errorf("%s: %w", overlayRefused, err)
	}
	o, err := Process{Root: root, Args: []string{"none"}}.order()
	if err != nil {
		return err
	}
	o.Only = true
	running, err := start(context.Background(), o, nil, nil)
	if errors.As(err, new(*ExitError)) {
		return nil // it came to look for the program, which there is not
	}
	if err != nil {
		return err
	}
	return running.Wait()
}

const overlayRefused = "sandbox: an overlay is refused"

// mountOverlay mounts an overlay with its layers in dir, and looks whether a removal is kept in it: that takes device
// nodes, or extended attributes, on the file system below.
func mountOverlay(dir, root string) error {
	lower, upper, work := filepath.Join(dir, "lower"), filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{lower, upper, work, root, filepath.Join(lower, "d")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(lower, "d/f"), nil, 0o644); err != nil {
		return err
	}
	options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if userns.RunningInUserNS() {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return errors.New(overlayHint(dir, err))
	}
	path := filepath.Join(root, "d")
	if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755)); err != nil {
		return errors.New(overlayHint(dir, err))
	}
	return nil
}

// overlayHint explains why the kernel refuses an overlay in a directory.
func overlayHint(dir string, err error) string {
	where := filepath.Dir(dir)
	var stat unix.Statfs_t
	if statErr := unix.Statfs(dir, &stat); statErr == nil && stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return fmt.Sprintf("%s lies on an overlay itself (%v): mount a volume there, or name a directory on a disk", where, err)
	}
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Sprintf("this kernel has no overlay file system (%v): load the module overlay", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Sprintf("mounting is not allowed here (%v): %s; without root, overlays need Linux 5.11", err, containerNeeds)
	}
	return fmt.Sprintf("the file system of %s cannot hold its layers (%v): name a directory on ext4, xfs, btrfs or tmpfs", where, err)
}

// containerNeeds is what Docker must be told for a container that makes sandboxes.
const containerNeeds = "a container needs --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"

// notAllowed adds a hint to an error that says that something is not allowed.
func notAllowed(err error, hint string) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

// namespaceHint names a setting of the machine that keeps users from making namespaces.
func namespaceHint() string {
	for _, s := range []struct{ file, refuses, hint string }{
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor keeps users other than root from using namespaces: set kernel.apparmor_restrict_unprivileged_userns=0, or run as root"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "users other than root may not make namespaces: set kernel.unprivileged_userns_clone=1, or run as root"},
		{"/proc/sys/user/max_user_namespaces", "0", "there may be no user namespaces: raise user.max_user_namespaces, or run as root"},
	} {
		text, err := os.ReadFile(s.file)
		if os.Geteuid() != 0 && err == nil && strings.TrimSpace(string(text)) == s.refuses {
			return s.hint
		}
	}
	return ""
}
