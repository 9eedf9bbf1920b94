package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Capabilities is the set that Docker gives to a container by default, as /proc/self/status shows it: chown,
// dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw, sys_chroot, mknod,
// audit_write, setfcap.
const Capabilities uint64 = 0xa80425fb

// dropCapabilities takes every other capability from the calling thread, and from what it will start.
func dropCapabilities() error {
	for c := uintptr(0); ; c++ {
		if Capabilities&(1<<c) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // behind the last capability that this kernel knows
		}
		if err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	low, high := uint32(Capabilities&0xffffffff), uint32(Capabilities>>32)
	data := [2]unix.CapUserData{
		{Effective: low, Permitted: low},
		{Effective: high, Permitted: high},
	}
	return unix.Capset(&header, &data[0])
}
