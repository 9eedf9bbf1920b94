package seccomp

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
)

// docker is what a container has by default; see the sandbox's Capabilities.
var docker = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP",
}

const (
	allow  = uint32(unix.SECCOMP_RET_ALLOW)
	eperm  = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
	enosys = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.ENOSYS)
	kill   = uint32(unix.SECCOMP_RET_KILL_PROCESS)
)

// run executes a filter as the kernel does. Another implementation of the machine than ours: golang.org/x/net/bpf's,
// which reads in network byte order, so that every field is written that way.
func run(t testing.TB, f Filter, machine arch.AuditArch, number uint32, args ...uint64) uint32 {
	t.Helper()
	var data [64]byte
	binary.BigEndian.PutUint32(data[offsetNumber:], number)
	binary.BigEndian.PutUint32(data[offsetArch:], uint32(machine))
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offsetArgs+argSize*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offsetArgs+argSize*i+argHigh:], uint32(a>>32))
	}
	raw := make([]bpf.RawInstruction, len(f))
	for i, s := range f {
		raw[i] = bpf.RawInstruction{Op: s.Code, Jt: s.Jt, Jf: s.Jf, K: s.K}
	}
	program, known := bpf.Disassemble(raw)
	if !known {
		t.Fatal("the program has instructions that there are not")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	got, err := vm.Run(data[:])
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

func TestDefault(t *testing.T) {
	t.Parallel()
	tables, ok := families[runtime.GOARCH]
	if !ok {
		needs.Missing(t, "no table for this machine")
	}
	filter, err := Default(docker)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d instructions", len(filter))
	tests := []struct {
		call string
		args []uint64
		want uint32
	}{
		{"read", nil, allow}, {"openat", nil, allow}, {"execve", nil, allow}, {"chroot", nil, allow}, {"mknodat", nil, allow},
		{"setuid", nil, allow}, {"setgroups", nil, allow}, {"capset", nil, allow}, {"close_range", nil, allow}, {"futex", nil, allow},
		{"ptrace", nil, allow}, // since Linux 4.8; what it reaches is limited by the process namespace
		{"mount", nil, eperm}, {"umount2", nil, eperm}, {"unshare", nil, eperm}, {"setns", nil, eperm}, {"bpf", nil, eperm},
		{"keyctl", nil, eperm}, {"add_key", nil, eperm}, {"request_key", nil, eperm}, {"kexec_load", nil, eperm}, {"reboot", nil, eperm},
		{"init_module", nil, eperm}, {"open_by_handle_at", nil, eperm}, {"perf_event_open", nil, eperm}, {"userfaultfd", nil, eperm},
		{"pivot_root", nil, eperm}, {"swapon", nil, eperm}, {"move_mount", nil, eperm}, {"fsopen", nil, eperm}, {"open_tree", nil, eperm},
		{"clone3", nil, enosys},
		{"clone", []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"clone", []uint64{unix.CLONE_NEWUSER}, eperm},
		{"clone", []uint64{unix.CLONE_NEWNS | uint64(unix.SIGCHLD)}, eperm},
		{"personality", []uint64{0}, allow}, {"personality", []uint64{0x20008}, allow}, {"personality", []uint64{0xffffffff}, allow},
		{"personality", []uint64{0x40000}, eperm}, {"personality", []uint64{1 << 32}, eperm},
		{"socket", []uint64{unix.AF_INET}, allow}, {"socket", []uint64{unix.AF_UNIX}, allow}, {"socket", []uint64{unix.AF_NETLINK}, allow},
		{"socket", []uint64{unix.AF_VSOCK}, eperm}, {"socket", []uint64{unix.AF_ALG}, eperm}, {"socket", []uint64{unix.AF_INET | 1<<32}, eperm},
	}
	for _, table := range tables {
		for _, tt := range tests {
			number, ok := table.SyscallNames[tt.call]
			if !ok {
				t.Errorf("%s: no call %s", table.Name, tt.call)
				continue
			}
			if got := run(t, filter, table.ID, uint32(number), tt.args...); got != tt.want {
				t.Errorf("%s: %s%v: got %#x, want %#x", table.Name, tt.call, tt.args, got, tt.want)
			}
		}
		for _, number := range []uint32{9999, 0x40000000, 0xffffffff} {
			if got := run(t, filter, table.ID, number); got != enosys {
				t.Errorf("%s: call %#x: got %#x, want ENOSYS", table.Name, number, got)
			}
		}
	}
	if got := run(t, filter, 1, 0); got != kill {
		t.Errorf("another machine: got %#x, want its end", got)
	}
}

// TestEveryCall compares the whole program with the profile, read in the plainest way.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{}}
	table := &arch.Info{Name: "test", ID: 7, SyscallNames: map[string]int{}}
	want := map[uint32]uint32{}
	for n := uint32(0); n < 1500; n++ {
		want[n] = eperm
		if n%2 == 0 || n%7 < 3 { // enough of them for jumps farther than 255
			name := string(rune('a'+n%26)) + string(rune(0x1000+n))
			table.SyscallNames[name] = int(n)
			profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow})
			want[n] = allow
		}
	}
	filter, err := compile(profile, []*arch.Info{table})
	if err != nil {
		t.Fatal(err)
	}
	for n, w := range want {
		if got := run(t, filter, 7, n); got != w {
			t.Errorf("call %d: got %#x, want %#x", n, got, w)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const value = 0x2_0000_0005
	values := []uint64{0, 4, 5, 6, 0x1_0000_0005, 0x1_ffff_ffff, value - 1, value, value + 1, 0x3_0000_0000, 0x3_0000_0005, 1<<64 - 1}
	tests := map[specs.LinuxSeccompOperator]func(uint64) bool{
		specs.OpEqualTo:      func(v uint64) bool { return v == value },
		specs.OpNotEqual:     func(v uint64) bool { return v != value },
		specs.OpLessThan:     func(v uint64) bool { return v < value },
		specs.OpLessEqual:    func(v uint64) bool { return v <= value },
		specs.OpGreaterThan:  func(v uint64) bool { return v > value },
		specs.OpGreaterEqual: func(v uint64) bool { return v >= value },
		specs.OpMaskedEqual:  func(v uint64) bool { return v&value == 5 },
	}
	for op, holds := range tests {
		for _, second := range []uint64{0, 9} { // alone, and with a second condition that must hold too
			conditions := []specs.LinuxSeccompArg{{Index: 3, Value: value, ValueTwo: 5, Op: op}, {Index: 1, Value: 9, Op: specs.OpEqualTo}}
			profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"x"}, Action: specs.ActAllow, Args: conditions}}}
			filter, err := compile(profile, []*arch.Info{{ID: 7, SyscallNames: map[string]int{"x": 1}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				want := eperm
				if holds(v) && second == 9 {
					want = allow
				}
				if got := run(t, filter, 7, 1, 0, second, 0, v); got != want {
					t.Errorf("%s %#x, second %d: got %#x, want %#x", op, v, second, got, want)
				}
			}
		}
	}
}

// TestAlternatives: two conditions on one argument are alternatives, as in runc.
func TestAlternatives(t *testing.T) {
	t.Parallel()
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"x"}, Action: specs.ActAllow,
		Args: []specs.LinuxSeccompArg{{Value: 3, Op: specs.OpEqualTo}, {Value: 5, Op: specs.OpEqualTo}}}}}
	filter, err := compile(profile, []*arch.Info{{ID: 7, SyscallNames: map[string]int{"x": 1}}})
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[uint64]uint32{3: allow, 4: eperm, 5: allow} {
		if got := run(t, filter, 7, 1, v); got != want {
			t.Errorf("%d: got %#x, want %#x", v, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	x := &arch.Info{ID: 7, SyscallNames: map[string]int{"x": 1}}
	call := func(c specs.LinuxSyscall) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{c}}
	}
	tests := map[string]*specs.LinuxSeccomp{
		"unknown default":    {DefaultAction: "SCMP_ACT_SING"},
		"unknown action":     call(specs.LinuxSyscall{Names: []string{"x"}, Action: "SCMP_ACT_SING"}),
		"unknown comparison": call(specs.LinuxSyscall{Names: []string{"x"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Op: "SCMP_CMP_SING"}}}),
		"no such argument":   call(specs.LinuxSyscall{Names: []string{"x"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}),
		"no known call":      call(specs.LinuxSyscall{Names: []string{"y"}, Action: specs.ActAllow}),
	}
	for name, profile := range tests {
		if f, err := compile(profile, []*arch.Info{x}); err == nil {
			t.Errorf("%s: got %v, want an error", name, f)
		}
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		if _, err := Default(docker); err != nil {
			b.Fatal(err)
		}
	}
}
