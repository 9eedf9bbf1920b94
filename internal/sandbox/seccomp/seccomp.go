// Package seccomp turns Docker's default system call profile into a program for the kernel's filter.
package seccomp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Filter is a program for seccomp(2).
type Filter []unix.SockFilter

// families are, by Go's name of a machine, the system call tables that its processes can use: its own and that of its
// 32-bit programs, as the profile's architectures say. The x32 calls of amd64 are answered as a kernel without them
// does, since their numbers lie behind every known one.
var families = map[string][]*arch.Info{
	"amd64": {arch.X86_64, arch.I386},
	"arm64": {arch.AARCH64, arch.ARM},
}

// Default is Docker's default profile (github.com/moby/profiles/seccomp) for a process that has the capabilities with
// the names given ("CAP_CHOWN") and no others. A call that the profile does not allow fails with EPERM, or with what
// the profile says (clone3: ENOSYS, so that C libraries take clone, whose flags can be looked at). A call newer than
// the newest that the profile names fails with ENOSYS, as in runc, so that programs take an older one.
func Default(capabilities []string) (Filter, error) {
	tables, ok := families[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("seccomp: no table of system calls for %s; there is one for amd64 and arm64", runtime.GOARCH)
	}
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: capabilities}}})
	if err != nil {
		return nil, fmt.Errorf("seccomp: Docker's default profile: %w", err)
	}
	filter, err := compile(profile, tables)
	if err != nil {
		return nil, fmt.Errorf("seccomp: Docker's default profile: %w", err)
	}
	return filter, nil
}

// Load puts the filter on the calling thread, for good, and on what that thread executes. It needs CAP_SYS_ADMIN, so
// that set-user-ID programs keep working behind it (no_new_privs is not set, as in Docker).
func Load(f Filter) error {
	if len(f) == 0 {
		return errors.New("seccomp: an empty filter")
	}
	program := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	// Without the flag, kernels before 5.16 slow every filtered process down against speculation; runc sets it too.
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("seccomp: load the filter: %w", errno)
	}
	return nil
}

// compile makes one program for processes of all the tables.
func compile(profile *specs.LinuxSeccomp, tables []*arch.Info) (Filter, error) {
	otherwise, err := answer(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	program := Filter{load(offsetArch)}
	for _, table := range tables {
		calls, err := segments(profile, table, otherwise)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table.Name, err)
		}
		block := append(Filter{load(offsetNumber)}, tree(calls)...)
		program = append(program, jump(unix.BPF_JEQ, uint32(table.ID), 1, 0), skip(len(block)))
		program = append(program, block...)
	}
	program = append(program, answerWith(unix.SECCOMP_RET_KILL_PROCESS)) // as libseccomp's default for other machines
	if len(program) > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("%d instructions, the kernel takes %d", len(program), unix.BPF_MAXINSNS)
	}
	return program, nil
}

// answer is what the kernel is told for an action of a profile.
func answer(action specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	switch action {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		if errno == nil {
			return unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), nil
		}
		return unix.SECCOMP_RET_ERRNO | uint32(*errno)&unix.SECCOMP_RET_DATA, nil
	}
	return 0, fmt.Errorf("unknown action %q", action)
}

// segments are what is answered to each number, from 0 to the largest there can be.
func segments(profile *specs.LinuxSeccomp, table *arch.Info, otherwise uint32) ([]segment, error) {
	rules := map[uint32][]rule{}
	for _, call := range profile.Syscalls {
		then, err := answer(call.Action, call.ErrnoRet)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(call.Names, ", "), err)
		}
		for _, name := range call.Names {
			number, ok := table.SyscallNames[name]
			if !ok {
				continue // a call of other machines, or of a newer kernel than the table's
			}
			rules[uint32(number)] = append(rules[uint32(number)], alternatives(call.Args, then)...)
		}
	}
	if len(rules) == 0 {
		return nil, errors.New("the profile names no system call of this machine")
	}
	var all []segment
	add := func(first uint32, code Filter) {
		if n := len(all); n == 0 || !slices.Equal(all[n-1].code, code) {
			all = append(all, segment{first, code})
		}
	}
	next := uint32(0)
	for _, number := range sorted(rules) {
		if number > next {
			add(next, Filter{answerWith(otherwise)})
		}
		code, err := choose(rules[number], otherwise)
		if err != nil {
			return nil, fmt.Errorf("system call %d: %w", number, err)
		}
		add(number, code)
		next = number + 1
	}
	add(next, Filter{answerWith(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))})
	return all, nil
}

func sorted(rules map[uint32][]rule) []uint32 {
	numbers := make([]uint32, 0, len(rules))
	for n := range rules {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
