// Package processes looks at running processes: which ones a process has started, on which TCP ports they listen, and what a
// signal would do to one. It reads /proc, and so sees the processes of this process's own namespace.
package processes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Below are the processes that a process has started, those that they have started, and so on, in no order. It is not among
// them. A process whose parent ends is passed on to the first process of its namespace, or to a subreaper (prctl(2)).
func Below(pid int) ([]int, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	children := map[int][]int{}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil { // else it has ended meanwhile
			children[stat.PPID] = append(children[stat.PPID], p.PID)
		}
	}
	below := slices.Clone(children[pid])
	for i := 0; i < len(below); i++ {
		below = append(below, children[below[i]]...)
	}
	return below, nil
}

// listening is the state of a TCP socket that takes connections: TCP_LISTEN in Linux's net/tcp_states.h.
const listening = 10

// Ports are the TCP ports on which at least one of the processes listens, in rising order. They must be in this process's
// network namespace.
func Ports(pids []int) ([]int, error) {
	ports, err := listeners()
	if err != nil || len(ports) == 0 {
		return nil, err
	}
	var found []int
	for _, pid := range pids {
		for _, inode := range sockets(pid) {
			if port, ok := ports[inode]; ok {
				found = append(found, port)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// listeners are the ports of all listening sockets of the network namespace, by the sockets' inodes.
func listeners() (map[uint64]int, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("read /proc: %w", err)
	}
	ports := map[uint64]int{}
	//lint:ignore SA1019 what stands instead needs a socket of the kernel's, which a system call filter may deny; /proc is read anyway
	for _, read := range []func() (procfs.NetTCP, error){proc.NetTCP, proc.NetTCP6} {
		lines, err := read()
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel may have no IPv6
			return nil, fmt.Errorf("list the TCP sockets: %w", err)
		}
		for _, l := range lines {
			if l.St == listening {
				ports[l.Inode] = int(l.LocalPort)
			}
		}
	}
	return ports, nil
}

// sockets are the inodes of a process's open sockets; none for a process that has ended, or that lets nobody see.
func sockets(pid int) (inodes []uint64) {
	for _, target := range openFiles(pid) {
		text, ok := strings.CutPrefix(target, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); ok && err == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes
}

// openFiles are what a process's descriptors refer to. Who is root without the capability SYS_PTRACE, as in a container, sees
// those of its own user alone; but it may become any user for as long as it reads files (proc(5), ptrace(2)).
func openFiles(pid int) []string {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil
	}
	if targets, err := p.FileDescriptorTargets(); err == nil && !allEmpty(targets) {
		return targets
	}
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return nil
	}
	owner := info.Sys().(*syscall.Stat_t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	uid, uidErr := unix.SetfsuidRetUid(int(owner.Uid))
	gid, gidErr := unix.SetfsgidRetGid(int(owner.Gid))
	if uidErr == nil && gidErr == nil {
		defer unix.SetfsuidRetUid(uid)
		defer unix.SetfsgidRetGid(gid)
	}
	targets, _ := p.FileDescriptorTargets()
	return targets
}

// allEmpty reports whether no target could be read: a directory can be listed whose links cannot be followed.
func allEmpty(targets []string) bool {
	return !slices.ContainsFunc(targets, func(target string) bool { return target != "" })
}

// Disposition is what a signal does to a process.
type Disposition int

// The dispositions. Default also stands for a process that has ended.
const (
	Default Disposition = iota
	Caught
	Ignored
)

// Handles tells what a signal does to a process: proc(5), SigCgt and SigIgn.
func Handles(pid int, signal syscall.Signal) Disposition {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return Default
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		set, err := strconv.ParseUint(value, 16, 64)
		if err != nil || set&(1<<(signal-1)) == 0 {
			continue
		}
		switch name {
		case "SigCgt":
			return Caught
		case "SigIgn":
			return Ignored
		}
	}
	return Default
}
