package sandbox

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFiles is Docker's limit of open files (RLIMIT_NOFILE of dockerd's containers).
const openFiles = 1 << 20

// limit sets the limits that hold by process. No process leaves a core file: it would become part of the image.
func (o order) limit() error {
	files := o.Limits.OpenFiles
	if files == 0 {
		files = openFiles
	}
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: files}
	if o.Limits.FileSize > 0 {
		limits[unix.RLIMIT_FSIZE] = o.Limits.FileSize
	}
	if o.LimitByUser {
		limits[unix.RLIMIT_NPROC] = uint64(o.Limits.Processes)
	}
	for resource, most := range limits {
		if err := setLimit(resource, most); err != nil {
			return fmt.Errorf("limit %d to %d: %w", resource, most, err)
		}
	}
	return nil
}

// setLimit sets a limit, or what is allowed of it: more than one's hard limit takes CAP_SYS_RESOURCE.
func setLimit(resource int, most uint64) error {
	// Package syscall's: it forgets the limit of open files that Go would otherwise put back when it executes.
	err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: most, Max: most})
	if err == nil {
		return nil
	}
	var now syscall.Rlimit
	if err := syscall.Getrlimit(resource, &now); err != nil {
		return err
	}
	if now.Max >= most {
		return err
	}
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: now.Max, Max: now.Max})
}
