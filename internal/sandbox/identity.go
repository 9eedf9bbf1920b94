package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/user"
)

func describe(id user.Identity) string {
	return fmt.Sprintf("user %d of group %d", id.UID, id.GID)
}

// become gives the calling thread another identity. The kernel takes its capabilities if it is not root's any more.
// The raw calls are needed: those of package syscall change every thread of the process.
func become(id user.Identity) error {
	if err := setGroups(id); err != nil {
		return err
	}
	gid, uid := uintptr(id.GID), uintptr(id.UID)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("set the group: %w", unmapped(errno))
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("set the user: %w", unmapped(errno))
	}
	return nil
}

// setGroups sets the supplementary groups. In a user namespace with one group the kernel forbids that; then there is
// nothing to do if none but the primary group is asked for.
func setGroups(id user.Identity) error {
	var first *uint32
	if len(id.Groups) > 0 {
		first = &id.Groups[0]
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(id.Groups)), uintptr(unsafe.Pointer(first)), 0)
	if errno == 0 || errno == unix.EPERM && groupsDenied() && !slices.ContainsFunc(id.Groups, func(g uint32) bool { return g != id.GID }) {
		return nil
	}
	return fmt.Errorf("set the supplementary groups %v: %w", id.Groups, unmapped(errno))
}

// groupsDenied tells whether this user namespace is one in which setgroups(2) is forbidden.
func groupsDenied() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "deny"
}

// unmapped explains the kernel's answer to an identity that a user namespace does not have.
func unmapped(errno unix.Errno) error {
	if errno != unix.EINVAL && errno != unix.EPERM {
		return errno
	}
	return fmt.Errorf("%w: without root, builds have only the users that /etc/subuid and /etc/subgid give to this one; "+
		"install newuidmap (Debian: uidmap) and add a range of 65536 there", errno)
}

// handOver makes the process's user the owner of its pipes, so that it can open /dev/stdout again, as runc does
// (libcontainer's fixStdioPermissions).
func handOver(uid int) error {
	for fd := 0; fd <= 2; fd++ {
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); err != nil {
			return err
		}
		if stat.Mode&unix.S_IFMT != unix.S_IFIFO || int(stat.Uid) == uid {
			continue
		}
		if err := unix.Fchown(fd, uid, -1); err != nil && !errors.Is(err, unix.EINVAL) {
			return err // EINVAL: a user that this namespace does not have; become says so
		}
	}
	return nil
}

// leaveKeyring gives this process a session keyring of its own; keyctl(2) is forbidden later, but the kernel itself
// would still look in the worker's. Kernels and containers without keyrings are fine.
func leaveKeyring() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // 0: one without a name
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
