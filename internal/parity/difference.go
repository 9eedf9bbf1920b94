package parity

import (
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// trees compares two file systems.
type trees struct {
	want, got   map[*inode][]string // the names of each file with several
	differences []string
}

func compareTrees(want, got *entry) []string {
	t := &trees{want: names(want), got: names(got)}
	t.compare("/", want, got)
	return t.differences
}

func (t *trees) report(path, format string, args ...any) {
	t.differences = append(t.differences, path+": "+fmt.Sprintf(format, args...))
}

func (t *trees) compare(at string, want, got *entry) {
	t.compareInodes(at, want.inode, got.inode)
	if want.kind != directory || got.kind != directory {
		return
	}
	all := map[string]bool{}
	for name := range want.children {
		all[name] = true
	}
	for name := range got.children {
		all[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		below := path.Join(at, name)
		switch w, g := want.children[name], got.children[name]; {
		case g == nil:
			t.report(below, "missing, want a %s", w)
		case w == nil:
			t.report(below, "is a %s, want nothing", g)
		default:
			t.compare(below, w, g)
		}
	}
}

// String says what an entry is and how much is below it.
func (e *entry) String() string {
	if below := e.count(); below > 0 {
		return fmt.Sprintf("%s with %d entries", e.kind, below)
	}
	return string(e.kind)
}

func (e *entry) count() int {
	n := len(e.children)
	for _, child := range e.children {
		n += child.count()
	}
	return n
}

func (t *trees) compareInodes(at string, want, got *inode) {
	if want.kind != got.kind {
		t.report(at, "is a %s, want a %s", got.kind, want.kind)
		return
	}
	if want.mode != got.mode {
		t.report(at, "mode is %04o, want %04o", got.mode, want.mode)
	}
	if want.uid != got.uid || want.gid != got.gid {
		t.report(at, "owner is %d:%d, want %d:%d", got.uid, got.gid, want.uid, want.gid)
	}
	switch {
	case want.size != got.size:
		t.report(at, "size is %d bytes, want %d", got.size, want.size)
	case want.content != got.content:
		t.report(at, "content is sha256:%x, want sha256:%x", got.content, want.content)
	}
	if want.target != got.target {
		t.report(at, "leads to %s, want %s", got.target, want.target)
	}
	if want.major != got.major || want.minor != got.minor {
		t.report(at, "device is %d:%d, want %d:%d", got.major, got.minor, want.major, want.minor)
	}
	if !maps.Equal(want.xattrs, got.xattrs) {
		t.report(at, "extended attributes are %s, want %s", showXattrs(got.xattrs), showXattrs(want.xattrs))
	}
	if w, g := t.want[want], t.got[got]; !slices.Equal(w, g) {
		t.report(at, "names of this file are %s, want %s", showNames(at, g), showNames(at, w))
	}
}

func showXattrs(xattrs map[string]string) string {
	var shown []string
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		shown = append(shown, name+"=0x"+hex.EncodeToString([]byte(xattrs[name])))
	}
	return "[" + strings.Join(shown, " ") + "]"
}

// showNames shows the names of the file at a path; nil stands for its only one.
func showNames(at string, names []string) string {
	if names == nil {
		names = []string{at}
	}
	return "[" + strings.Join(names, " ") + "]"
}

// names finds the files that have more than one name, and those names in their order.
func names(root *entry) map[*inode][]string {
	all := map[*inode][]string{}
	var walk func(at string, e *entry)
	walk = func(at string, e *entry) {
		if e.kind != directory {
			all[e.inode] = append(all[e.inode], at)
		}
		for name, child := range e.children {
			walk(path.Join(at, name), child)
		}
	}
	walk("/", root)
	for inode, names := range all {
		if len(names) == 1 {
			delete(all, inode)
		} else {
			slices.Sort(names)
		}
	}
	return all
}
