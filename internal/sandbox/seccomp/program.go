package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Where things are in struct seccomp_data (linux/seccomp.h), in bytes. Arguments have 64 bits, the low half first:
// every machine in families is little endian.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
	argSize      = 8
	argHigh      = 4
)

// maxJump is how far a conditional jump of the kernel's filter can go, in instructions.
const maxJump = 255

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(test uint16, k uint32, ifTrue, ifFalse int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k, Jt: uint8(ifTrue), Jf: uint8(ifFalse)}
}

func skip(n int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}
}

func and(mask uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

func answerWith(what uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
}

// segment is the code for the numbers from first to the next segment's.
type segment struct {
	first uint32
	code  Filter
}

// tree finds the segment of the number that is loaded by halving.
func tree(all []segment) Filter {
	if len(all) == 1 {
		return all[0].code
	}
	middle := len(all) / 2
	low, high := tree(all[:middle]), tree(all[middle:])
	var code Filter
	if len(low) <= maxJump {
		code = Filter{jump(unix.BPF_JGE, all[middle].first, len(low), 0)}
	} else {
		code = Filter{jump(unix.BPF_JGE, all[middle].first, 0, 1), skip(len(low))}
	}
	return append(append(code, low...), high...)
}

// rule is an answer that holds if all its conditions do.
type rule struct {
	conditions []specs.LinuxSeccompArg
	then       uint32
}

// alternatives are the rules that a profile's entry stands for: conditions on one argument twice are alternatives, as
// in runc (libcontainer/seccomp).
func alternatives(conditions []specs.LinuxSeccompArg, then uint32) []rule {
	seen := map[uint]bool{}
	for _, c := range conditions {
		if seen[c.Index] {
			all := make([]rule, len(conditions))
			for i, c := range conditions {
				all[i] = rule{[]specs.LinuxSeccompArg{c}, then}
			}
			return all
		}
		seen[c.Index] = true
	}
	return []rule{{conditions, then}}
}

// choose tries rules in turn. One without conditions decides alone, wherever it stands.
func choose(rules []rule, otherwise uint32) (Filter, error) {
	if i := slices.IndexFunc(rules, func(r rule) bool { return len(r.conditions) == 0 }); i >= 0 {
		return Filter{answerWith(rules[i].then)}, nil
	}
	var code Filter
	for _, r := range rules {
		body := Filter{answerWith(r.then)}
		for _, c := range slices.Backward(r.conditions) {
			test, err := condition(c, len(body))
			if err != nil {
				return nil, err
			}
			body = append(test, body...)
		}
		code = append(code, body...)
	}
	return append(code, answerWith(otherwise)), nil
}

// condition goes on with the next instruction if it holds, and n instructions further if not.
func condition(c specs.LinuxSeccompArg, n int) (Filter, error) {
	if c.Index > 5 {
		return nil, fmt.Errorf("there is no argument %d", c.Index)
	}
	if n > maxJump-4 {
		return nil, fmt.Errorf("more conditions than can be jumped over")
	}
	low := load(offsetArgs + uint32(c.Index)*argSize)
	high := load(low.K + argHigh)
	lowValue, highValue := uint32(c.Value), uint32(c.Value>>32)
	switch c.Op {
	case specs.OpEqualTo:
		return Filter{high, jump(unix.BPF_JEQ, highValue, 0, n+2), low, jump(unix.BPF_JEQ, lowValue, 0, n)}, nil
	case specs.OpNotEqual:
		return Filter{high, jump(unix.BPF_JEQ, highValue, 0, 2), low, jump(unix.BPF_JEQ, lowValue, n, 0)}, nil
	case specs.OpMaskedEqual:
		return Filter{
			high, and(highValue), jump(unix.BPF_JEQ, uint32(c.ValueTwo>>32), 0, n+3),
			low, and(lowValue), jump(unix.BPF_JEQ, uint32(c.ValueTwo), 0, n),
		}, nil
	case specs.OpGreaterThan:
		return above(high, low, unix.BPF_JGT, c.Value, n), nil
	case specs.OpGreaterEqual:
		return above(high, low, unix.BPF_JGE, c.Value, n), nil
	case specs.OpLessEqual:
		return notAbove(high, low, unix.BPF_JGT, c.Value, n), nil
	case specs.OpLessThan:
		return notAbove(high, low, unix.BPF_JGE, c.Value, n), nil
	}
	return nil, fmt.Errorf("unknown comparison %q", c.Op)
}

// above compares 64 bits by halves: larger by the high one, or as large by it and by test on the low one.
func above(high, low unix.SockFilter, test uint16, value uint64, n int) Filter {
	h, l := uint32(value>>32), uint32(value)
	return Filter{high, jump(unix.BPF_JGT, h, 3, 0), jump(unix.BPF_JEQ, h, 0, n+2), low, jump(test, l, 0, n)}
}

func notAbove(high, low unix.SockFilter, test uint16, value uint64, n int) Filter {
	h, l := uint32(value>>32), uint32(value)
	return Filter{high, jump(unix.BPF_JGT, h, n+3, 0), jump(unix.BPF_JEQ, h, 0, 2), low, jump(test, l, n, 0)}
}
