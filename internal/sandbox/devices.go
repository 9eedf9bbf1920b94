package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// devices are those that a container gets: none of them reaches the machine's hardware. They are the worker's own,
// shown: the directory itself is nodev, since there is no device control group that would keep a process from making
// others there.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// links are those of runc (libcontainer's setupDevSymlinks).
var links = []struct{ name, target string }{
	{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	{"ptmx", "pts/ptmx"},
}

// mountDev makes /dev as Docker's default specification has it (moby, oci/defaults.go).
func (r root) mountDev() error {
	mount, err := newFileSystem("tmpfs", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, option{"mode", "755"}, option{"size", "65536k"})
	if err != nil {
		return err
	}
	point, err := r.point("/dev", true)
	if err != nil {
		unix.Close(mount)
		return err
	}
	dev, err := unix.FcntlInt(uintptr(mount), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dev)
	if err := attach(mount, point); err != nil {
		return err
	}
	// From here on the paths are those of the fresh directory, wherever a link of the image led to.
	return root{path: strings.TrimSuffix(r.path, "/") + "/dev", fd: dev}.fillDev()
}

func (r root) fillDev() error {
	for _, name := range devices {
		device, err := openTree(unix.AT_FDCWD, "/dev/"+name, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		point, err := r.step(r.fd, name, false)
		if err != nil {
			unix.Close(device)
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := attach(device, point); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, l := range links {
		if err := unix.Symlinkat(l.target, r.fd, l.name); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return r.fillDevDirectories()
}

func (r root) fillDevDirectories() error {
	terminals := []option{{"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}}
	for _, d := range []struct {
		name, kind string
		attributes int
		options    []option
	}{
		{"shm", "tmpfs", plain, []option{{"mode", "1777"}, {"size", "65536k"}}},
		{"mqueue", "mqueue", plain, nil},
		{"pts", "devpts", unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC, append(terminals, option{"gid", "5"})},
	} {
		mount, err := newFileSystem(d.kind, d.attributes, d.options...)
		if err != nil && d.kind == "devpts" {
			// In a user namespace with one group there is no group 5 (tty).
			mount, err = newFileSystem(d.kind, d.attributes, terminals...)
		}
		if errors.Is(err, unix.ENODEV) && d.kind == "mqueue" {
			continue // a kernel without POSIX message queues
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		point, err := r.step(r.fd, d.name, true)
		if err != nil {
			unix.Close(mount)
			return fmt.Errorf("%s: %w", d.name, err)
		}
		if err := attach(mount, point); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}
