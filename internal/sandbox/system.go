package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// plain are the attributes of the system's own file systems, as in Docker's default specification (moby, oci/defaults.go).
const plain = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC

// ordinary makes a directory of the root for one of the system's file systems, and refuses a link there: what is
// protected below it later would be elsewhere. runc refuses it too.
func (r root) ordinary(path string) error {
	fd, err := r.within(path)
	if errors.Is(err, unix.ENOENT) {
		fd, err = r.point(path, true)
	}
	if errors.Is(err, unix.ELOOP) {
		return errors.New("the image has a link there; expected a directory")
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (r root) mountProc() error {
	if err := r.ordinary("/proc"); err != nil {
		return err
	}
	return r.putNew("/proc", "proc", plain)
}

// mountSys shows the kernel's /sys, read only. A fresh one is of this process's network namespace; where that is not
// allowed, in a user namespace that shares a network, it is the worker's; and where even that is not, none: builds
// rarely miss it.
func (r root) mountSys() error {
	if err := r.ordinary("/sys"); err != nil {
		return err
	}
	mount, err := newFileSystem("sysfs", plain|unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		mount, err = openTree(unix.AT_FDCWD, "/sys", plain|unix.MOUNT_ATTR_RDONLY)
	}
	if err != nil {
		return nil
	}
	if err := r.put(mount, "/sys", true); err != nil {
		return err
	}
	return r.mountCgroup()
}

// mountCgroup shows the process's own control group, for programs that ask it how much memory they have.
func (r root) mountCgroup() error {
	var stat unix.Statfs_t
	if err := unix.Statfs(cgroupRoot, &stat); err != nil || stat.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	mount, err := newFileSystem("cgroup2", plain|unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return nil // not this user namespace's
	}
	return r.put(mount, cgroupRoot, true)
}

// The parts of /proc and /sys that Docker hides or makes read only, from its default specification (moby, oci/defaults.go).
var (
	hidden = []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// protect hides parts of /proc and /sys and makes others read only.
func (r root) protect() error {
	for _, path := range hidden {
		if err := r.hide(path); err != nil {
			return fmt.Errorf("hide %s: %w", path, err)
		}
	}
	for _, path := range readOnly {
		point, err := r.within(path)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return fmt.Errorf("protect %s: %w", path, err)
		}
		tree, err := openTree(point, "", plain|unix.MOUNT_ATTR_RDONLY)
		if err != nil {
			unix.Close(point)
			return fmt.Errorf("protect %s: %w", path, err)
		}
		if err := attach(tree, point); err != nil {
			return fmt.Errorf("protect %s: %w", path, err)
		}
	}
	return nil
}

// hide puts an empty directory or an empty device over a path, if there is something.
func (r root) hide(path string) error {
	point, err := r.within(path)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(point, &stat); err != nil {
		unix.Close(point)
		return err
	}
	var cover int
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		cover, err = newFileSystem("tmpfs", plain|unix.MOUNT_ATTR_RDONLY, option{"size", "0"}, option{"nr_inodes", "1"})
	} else {
		cover, err = openTree(unix.AT_FDCWD, "/dev/null", unix.MOUNT_ATTR_NOEXEC)
	}
	if err != nil {
		unix.Close(point)
		return err
	}
	return attach(cover, point)
}
