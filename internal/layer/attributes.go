package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// xattrRecord is how the PAX records of an archive that hold extended attributes begin.
const xattrRecord = "SCHILY.xattr."

// setAttributes gives an entry that is not a regular file the owner, attributes, mode and times of its header. The order
// matters: a change of the owner takes away the setuid bit and security.capability. A directory's times come last of all.
func (a *applier) setAttributes(name string, header *tar.Header, isSymlink bool) error {
	if err := a.checkOwner(name, header, unix.Fchownat(a.fd, name, header.Uid, header.Gid, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
		return err
	}
	err := a.setXattrs(name, header, func(key string, value []byte) error {
		return unix.Lsetxattr(a.dir+"/"+name, key, value, 0)
	})
	if err != nil {
		return err
	}
	if !isSymlink {
		if err := unix.Fchmodat(a.fd, name, uint32(header.Mode)&0o7777, 0); err != nil {
			return fmt.Errorf("setting the mode of /%s: %w", name, err)
		}
	}
	if header.Typeflag == tar.TypeDir {
		return nil
	}
	return a.setFileTimes(name, header)
}

func (a *applier) setFileTimes(name string, header *tar.Header) error {
	times := headerTimes(header)
	if err := unix.UtimesNanoAt(a.fd, name, times[:], unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting the times of /%s: %w", name, err)
	}
	return nil
}

// checkOwner explains what chown answered.
func (a *applier) checkOwner(name string, header *tar.Header, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("giving /%s to its owner %d:%d: %w", name, header.Uid, header.Gid, err)
	if a.mapped && errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: the user namespace has only %d user ids and %d group ids, and not these", err,
			mappedIDs("/proc/self/uid_map"), mappedIDs("/proc/self/gid_map"))
	}
	return err
}

// setXattrs sets the extended attributes of a header. As in containerd, those of the machine's administrator are left out,
// and so are overlayfs's own, which would change what a mount over the directory shows.
func (a *applier) setXattrs(name string, header *tar.Header, set func(key string, value []byte) error) error {
	for record, value := range header.PAXRecords {
		key, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			continue
		}
		if strings.HasPrefix(key, "trusted.") || strings.HasPrefix(key, "user.overlay.") {
			a.leave(name, "the attribute %s, which is the machine's own", key)
			continue
		}
		err := set(key, []byte(value))
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOTSUP):
			a.leave(name, "the attribute %s, which the file system does not support", key)
		// Only regular files and directories can have them, xattr(7).
		case errors.Is(err, unix.EPERM) && strings.HasPrefix(key, "user.") && header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeDir:
			a.leave(name, "the attribute %s, which only files and directories can have", key)
		default:
			return fmt.Errorf("setting the attribute %s of /%s: %w", key, name, err)
		}
	}
	return nil
}

// clearXattrs takes the extended attributes from a directory of an earlier layer: those of an overlay's upper directory
// are all that is seen of it, so the later layer's entry decides alone.
func (a *applier) clearXattrs(name string) error {
	path := a.dir + "/" + name
	size, err := unix.Llistxattr(path, nil)
	if size == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	keys := make([]byte, size)
	if size, err = unix.Llistxattr(path, keys); err != nil {
		return fmt.Errorf("listing the attributes of /%s: %w", name, err)
	}
	for key := range bytes.SplitSeq(keys[:size], []byte{0}) {
		// The machine's security modules set theirs and do not let them go.
		if len(key) == 0 || bytes.HasPrefix(key, []byte("security.")) || bytes.HasPrefix(key, []byte("trusted.")) {
			continue
		}
		if err := unix.Lremovexattr(path, string(key)); err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("taking the attribute %s from /%s: %w", key, name, err)
		}
	}
	return nil
}

// headerTimes gives the times of access and change of an entry. As in containerd, the first is not before the second, and
// what no file can have becomes the epoch.
func headerTimes(header *tar.Header) [2]unix.Timespec {
	access := header.AccessTime
	if access.Before(header.ModTime) {
		access = header.ModTime
	}
	return [2]unix.Timespec{timespec(access), timespec(header.ModTime)}
}

func timespec(t time.Time) unix.Timespec {
	if t.Before(time.Unix(0, 0)) || t.After(time.Unix(0, math.MaxInt64)) {
		return unix.Timespec{}
	}
	return unix.NsecToTimespec(t.UnixNano())
}

func timesOf(stat *unix.Stat_t) [2]unix.Timespec {
	return [2]unix.Timespec{stat.Atim, stat.Mtim}
}

// splitRooted splits a name of the archive as one that starts at the root, and can not leave it.
func splitRooted(name string) (dir, base string) {
	return path.Split(path.Clean("/" + name)[1:])
}

// mappedIDs counts the ids of a map as in user_namespaces(7). Without one the process is in the first namespace, which has
// them all.
func mappedIDs(file string) int64 {
	content, err := os.ReadFile(file)
	if err != nil {
		return math.MaxUint32
	}
	var sum int64
	for line := range strings.Lines(string(content)) {
		var inside, outside, count int64
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil {
			sum += count
		}
	}
	return sum
}
