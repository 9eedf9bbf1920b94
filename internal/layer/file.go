package layer

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// writeFile makes one regular file, in place of what an earlier layer has there.
func (a *applier) writeFile(job *job, release func([]byte)) error {
	name, fd := job.node.path, -1
	err := a.makeRoom(name, func() (err error) {
		fd, err = openNew(a.fd, name)
		return err
	})
	if err != nil {
		release(job.first)
		return fmt.Errorf("making the file /%s: %w", name, err)
	}
	err = a.fillFile(fd, job, release)
	if closed := unix.Close(fd); err == nil && closed != nil {
		err = fmt.Errorf("writing /%s: %w", name, closed)
	}
	if err != nil {
		return err
	}
	return a.setFileTimes(name, job.header)
}

func (a *applier) fillFile(fd int, job *job, release func([]byte)) error {
	name := job.node.path
	err := writeAll(fd, job.first)
	release(job.first)
	if job.more != nil {
		for buffer := range job.more {
			if err == nil {
				err = writeAll(fd, buffer)
			}
			release(buffer)
		}
	}
	if err != nil {
		return fmt.Errorf("writing /%s: %w", name, err)
	}
	if err := a.checkOwner(name, job.header, unix.Fchown(fd, job.header.Uid, job.header.Gid)); err != nil {
		return err
	}
	err = a.setXattrs(name, job.header, func(key string, value []byte) error { return unix.Fsetxattr(fd, key, value, 0) })
	if err != nil {
		return err
	}
	if err := unix.Fchmod(fd, uint32(job.header.Mode)&0o7777); err != nil {
		return fmt.Errorf("setting the mode of /%s: %w", name, err)
	}
	return nil
}

// openNew makes an empty file, which nobody else may open before its owner and mode are set.
func openNew(dir int, name string) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

func writeAll(fd int, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		content = content[max(n, 0):]
	}
	return nil
}
