package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// startLoopback brings up the only interface of a network namespace of one's own.
func (o order) startLoopback() error {
	if o.Network {
		return nil
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	err = unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w; `RUN --network=none` in a container needs its capability NET_ADMIN", err)
	}
	return err
}
