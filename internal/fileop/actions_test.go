package fileop_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/jina/hub-publish/internal/fileop"
)

// apply does one action, which is to start from nothing.
func apply(t *testing.T, dest string, action *pb.FileAction) error {
	t.Helper()
	action.Input, action.SecondaryInput, action.Output = -1, -1, 0
	return fileop.Apply(t.Context(), &pb.FileOp{Actions: []*pb.FileAction{action}}, nil, dest, fileop.Options{Created: created})
}

func TestActions(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const base = "d 0755 0:0 d\nf 0644 0:0 d/f f\np 0644 0:0 d/p\nl 0777 0:0 out /d"
	const rest = "d 0755 0:0 base .\n"
	one := &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 1}}}
	cases := []struct {
		name   string
		action pb.FileAction
		want   string
	}{
		{"a directory without its parents' making", pb.FileAction{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/d/new", Mode: 0o777, Timestamp: -1, Owner: one}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			d 0777 1:1 created d/new
			p 0644 0:0 base d/p
			l 0777 0:0 base out /d`},
		{"a directory that is there stays", pb.FileAction{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/out", Mode: 0o700, MakeParents: true, Timestamp: -1, Owner: one}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			p 0644 0:0 base d/p
			l 0777 0:0 base out /d`},
		{"a file with a time of its own takes a pipe's place", pb.FileAction{Action: &pb.FileAction_Mkfile{Mkfile: &pb.FileActionMkFile{Path: "/out/p", Mode: 0o666, Data: []byte("x"), Timestamp: 3_000e9}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			f 0666 0:0 archive d/p x
			l 0777 0:0 base out /d`},
		{"a link", pb.FileAction{Action: &pb.FileAction_Symlink{Symlink: &pb.FileActionSymlink{Oldpath: "/any/where", Newpath: "/d/l", Timestamp: -1, Owner: one}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			l 0777 1:1 created d/l /any/where
			p 0644 0:0 base d/p
			l 0777 0:0 base out /d`},
		{"a file is removed through a link", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/out/f"}}}, `
			d 0755 0:0 base d
			p 0644 0:0 base d/p
			l 0777 0:0 base out /d`},
		{"a link is removed, not what it leads to", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/out"}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			p 0644 0:0 base d/p`},
		{"what a wildcard names is removed", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/d/*", AllowWildcard: true}}}, `
			d 0755 0:0 base d
			l 0777 0:0 base out /d`},
		{"nothing is removed where nothing need be", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/no", AllowNotFound: true}}}, `
			d 0755 0:0 base d
			f 0644 0:0 base d/f f
			p 0644 0:0 base d/p
			l 0777 0:0 base out /d`},
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dest := tree(t, baseTime, base)
			must(t, apply(t, dest, &c.action))
			want(t, list(t, dest), rest+c.want)
		})
	}
}

func TestActionsRefused(t *testing.T) {
	t.Parallel()
	cases := []struct {
		want   string
		action pb.FileAction
	}{
		{"make the directory /no/dir: mkdir /no/dir: no such file", pb.FileAction{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/no/dir", Mode: 0o755, Timestamp: -1}}}},
		{"make the file /: mkfile /: is a directory", pb.FileAction{Action: &pb.FileAction_Mkfile{Mkfile: &pb.FileActionMkFile{Path: "/", Timestamp: -1}}}},
		{"make the file /d: mkfile /d: ", pb.FileAction{Action: &pb.FileAction_Mkfile{Mkfile: &pb.FileActionMkFile{Path: "/d", Timestamp: -1}}}},
		{"make the link /d: symlink /d: file exists", pb.FileAction{Action: &pb.FileAction_Symlink{Symlink: &pb.FileActionSymlink{Oldpath: "x", Newpath: "/d", Timestamp: -1}}}},
		{"remove /no: lstat /no: no such file", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/no"}}}},
		{"remove /: the root itself", pb.FileAction{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{Path: "/"}}}},
		{"the source of the copy has no directory", pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/", Dest: "/"}}}},
		{"is not supported", pb.FileAction{}},
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			dest := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dest, "d"), 0o755))
			err := apply(t, dest, &c.action)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if names, err := os.ReadDir(dest); err != nil || len(names) != 1 {
				t.Errorf("left behind: %v, %v", names, err)
			}
		})
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	copyFrom := func(input, source, output int64) *pb.FileAction {
		return &pb.FileAction{Input: input, SecondaryInput: source, Output: output, Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{}}}
	}
	cases := []struct {
		name    string
		actions []*pb.FileAction
		primary int
		sources []int
		want    string
	}{
		{name: "a chain", actions: []*pb.FileAction{copyFrom(0, 1, -1), copyFrom(3, 2, -1), copyFrom(4, 1, 0)}, primary: 0, sources: []int{1, 2}},
		{name: "from nothing, of nothing", actions: []*pb.FileAction{copyFrom(-1, -1, 0)}, primary: -1, sources: []int{-1}},
		{name: "from itself", actions: []*pb.FileAction{copyFrom(2, 2, 0)}, primary: 2, sources: []int{2}},
		{name: "no actions", want: "no actions"},
		{name: "two beginnings", actions: []*pb.FileAction{copyFrom(0, 1, -1), copyFrom(0, 1, 0)}, want: "action 1 starts from 0, expected the action before it (3)"},
		{name: "two results", actions: []*pb.FileAction{copyFrom(0, 1, 1), copyFrom(3, 1, 0)}, want: "action 0 has output 1"},
		{name: "no result", actions: []*pb.FileAction{copyFrom(0, 1, -1)}, want: "action 0 has output -1"},
		{name: "a source that an action makes", actions: []*pb.FileAction{copyFrom(0, 3, 0)}, want: "copies from 3"},
		{name: "an input that is not there", actions: []*pb.FileAction{copyFrom(3, 1, 0)}, want: "input 3 of 3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			shape, err := fileop.ShapeOf(&pb.FileOp{Actions: c.actions}, 3)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || shape.Primary != c.primary || !slices.Equal(shape.Sources, c.sources) {
				t.Errorf("got %+v, %v", shape, err)
			}
		})
	}
}

func TestOwnedByRoot(t *testing.T) {
	t.Parallel()
	asRoot(t)
	source, dest := tree(t, contextTime, "f 0644 5:6 a a"), tree(t, baseTime, "")
	op := addOp(nil)
	must(t, fileop.Apply(t.Context(), op, []fileop.Input{{Dir: source, OwnedByRoot: true}}, dest, fileop.Options{Created: created}))
	want(t, list(t, dest), "d 0755 0:0 base .\nd 0755 0:0 created to\nf 0644 0:0 context to/a a")
}

func FuzzResolveOwner(f *testing.F) {
	f.Add("root:x:0:0::/:\nbob:x:7:8::/:\n", "bob")
	f.Add("bob:x:-1:99999999999", "bob")
	f.Fuzz(func(t *testing.T, content, name string) {
		root := t.TempDir()
		must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
		for _, file := range []string{"etc/passwd", "etc/group"} {
			must(t, os.WriteFile(filepath.Join(root, file), []byte(content), 0o600))
		}
		option := &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: name}}}
		owner, err := fileop.ResolveOwner(&pb.ChownOpt{User: option, Group: option}, root, root, func(string) {})
		if (owner == nil) == (err == nil) {
			t.Errorf("%v, %v", owner, err)
		}
	})
}

func TestUserFilesAreBounded(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "etc/passwd"), bytes.Repeat([]byte("a:b:1:1::/:\n"), 1<<20), 0o600))
	option := &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "bob"}}}
	_, err := fileop.ResolveOwner(&pb.ChownOpt{User: option}, root, "", func(string) {})
	if err == nil || !strings.Contains(err.Error(), "/etc/passwd has more than 10485760 bytes") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, files := range []int{100, 10_000} {
		b.Run(fmt.Sprint(files, " files"), func(b *testing.B) {
			source := b.TempDir()
			for i := range files {
				dir := filepath.Join(source, fmt.Sprint(i%100))
				must(b, os.MkdirAll(dir, 0o755))
				must(b, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, 4096), 0o600))
			}
			op := addOp(nil)
			op.Actions[0].GetCopy().Src = "/"
			for b.Loop() {
				must(b, fileop.Apply(b.Context(), op, []fileop.Input{{Dir: source}}, b.TempDir(), fileop.Options{}))
			}
		})
	}
}

func BenchmarkUnpack(b *testing.B) {
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, "f 0644 0:0 a/b/c/%d/%d x\n", i%100, i)
	}
	data := entries(b, lines.String())
	for b.Loop() {
		must(b, addArchive(b, data, b.TempDir(), nil))
	}
}
