package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Capabilities is the set that Docker gives to a container by default (0xa80425fb), as /proc/self/status shows it.
const Capabilities uint64 = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID | 1<<unix.CAP_KILL |
	1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW |
	1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_MKNOD | 1<<unix.CAP_AUDIT_WRITE | 1<<unix.CAP_SETFCAP

// capabilityNames are the names of Capabilities, as the OCI runtime specification has them.
func capabilityNames() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP",
	}
}

// boundCapabilities takes every other capability out of what the calling thread can ever get by executing a program.
func boundCapabilities() error {
	for c := uintptr(0); ; c++ {
		if Capabilities&(1<<c) != 0 {
			continue
		}
		if there, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err == nil && there == 0 {
			continue // in a container they are gone, and it takes a capability to take one
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // behind the last capability that this kernel knows
		}
		if err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
}

// dropCapabilities takes every other capability from the calling thread, none inheritable: and so no ambient ones, for
// the kernel keeps those a subset.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i, kept := range []uint32{uint32(Capabilities & 0xffffffff), uint32(Capabilities >> 32)} {
		data[i].Permitted &= kept // a container may have been given fewer
		data[i].Effective, data[i].Inheritable = data[i].Permitted, 0
	}
	return unix.Capset(&header, &data[0])
}
