package parity

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func hold(t *testing.T, want, got v1.Image, differences ...string) {
	t.Helper()
	found, err := Compare(want, got)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, differences) {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(found, "\n  "), strings.Join(differences, "\n  "))
	}
}

// TestFiles changes one thing of one file, and of nothing else.
func TestFiles(t *testing.T) {
	t.Parallel()
	xattr := func(value string) func(*tar.Header) {
		return func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": value} }
	}
	for name, test := range map[string]struct {
		want, got  []item
		difference string
	}{
		"missing":   {[]item{regular("a", "x")}, nil, "/a: missing, want a file"},
		"not there": {nil, []item{symlink("a", "b")}, "/a: is a symbolic link, want nothing"},
		"directory missing": {[]item{dir("a"), dir("a/b"), regular("a/b/c", "x")}, nil,
			"/a: missing, want a directory with 2 entries"},
		"kind": {[]item{dir("a")}, []item{regular("a", "")}, "/a: is a file, want a directory"},
		"permissions": {[]item{regular("a", "x")}, []item{regular("a", "x").with(func(h *tar.Header) { h.Mode = 0o600 })},
			"/a: mode is 0600, want 0644"},
		"set-user-id": {[]item{regular("a", "x").with(func(h *tar.Header) { h.Mode = 0o4755 })},
			[]item{regular("a", "x").with(func(h *tar.Header) { h.Mode = 0o755 })}, "/a: mode is 0755, want 4755"},
		"mode of a directory": {[]item{dir("a").with(func(h *tar.Header) { h.Mode = 0o1777 })}, []item{dir("a")},
			"/a: mode is 0755, want 1777"},
		"mode of the root": {nil, []item{dir("./").with(func(h *tar.Header) { h.Mode = 0o700 })}, "/: mode is 0700, want 0755"},
		"user": {[]item{regular("a", "x")}, []item{regular("a", "x").with(func(h *tar.Header) { h.Uid = 1000 })},
			"/a: owner is 1000:0, want 0:0"},
		"group": {[]item{symlink("a", "x")}, []item{symlink("a", "x").with(func(h *tar.Header) { h.Gid = 65534 })},
			"/a: owner is 0:65534, want 0:0"},
		"size": {[]item{regular("a", "x")}, []item{regular("a", "xy")}, "/a: size is 2 bytes, want 1"},
		"content": {[]item{regular("a", "x")}, []item{regular("a", "y")},
			"/a: content is sha256:a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa, want sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},
		"target":       {[]item{symlink("a", "x")}, []item{symlink("a", "/x")}, "/a: leads to /x, want x"},
		"device":       {[]item{device(tar.TypeChar, "a", 1, 3)}, []item{device(tar.TypeChar, "a", 1, 5)}, "/a: device is 1:5, want 1:3"},
		"major number": {[]item{device(tar.TypeBlock, "a", 8, 0)}, []item{device(tar.TypeBlock, "a", 7, 0)}, "/a: device is 7:0, want 8:0"},
		"kind of device": {[]item{device(tar.TypeChar, "a", 1, 3)}, []item{device(tar.TypeBlock, "a", 1, 3)},
			"/a: is a block device, want a character device"},
		"fifo": {[]item{device(tar.TypeFifo, "a", 0, 0)}, []item{regular("a", "")}, "/a: is a file, want a fifo"},
		"extended attribute missing": {[]item{regular("a", "x").with(xattr("1"))}, []item{regular("a", "x")},
			"/a: extended attributes are [], want [user.a=0x31]"},
		"extended attribute": {[]item{regular("a", "x").with(xattr("1"))}, []item{regular("a", "x").with(xattr("\x00"))},
			"/a: extended attributes are [user.a=0x00], want [user.a=0x31]"},
		"hard link": {[]item{regular("a", "x"), hardLink("b", "a")}, []item{regular("a", "x"), regular("b", "x")},
			"/a: names of this file are [/a], want [/a /b]\n/b: names of this file are [/b], want [/a /b]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hold(t, image(t, test.want), image(t, test.got), strings.Split(test.difference, "\n")...)
			hold(t, image(t, test.want), image(t, test.want))
		})
	}
}

// TestSameFiles makes the same files by other layers.
func TestSameFiles(t *testing.T) {
	t.Parallel()
	late := func(h *tar.Header) { h.ModTime = time.Unix(1e9, 0) }
	for name, test := range map[string]struct{ want, got [][]item }{
		"time":               {[][]item{{regular("a", "x")}}, [][]item{{regular("a", "x").with(late)}}},
		"order":              {[][]item{{regular("a", "x"), regular("b", "y")}}, [][]item{{regular("b", "y"), regular("a", "x")}}},
		"names":              {[][]item{{dir("a"), regular("a/b", "x")}}, [][]item{{dir("./"), dir("./a/"), regular("/a/b", "x")}}},
		"unsaid parent":      {[][]item{{dir("a"), dir("a/b"), regular("a/b/c", "x")}}, [][]item{{regular("a/b/c", "x")}}},
		"overwritten":        {[][]item{{regular("a", "new")}}, [][]item{{regular("a", "old")}, {regular("a", "new")}}},
		"twice in one layer": {[][]item{{regular("a", "new")}}, [][]item{{regular("a", "old"), regular("a", "new")}}},
		"deleted":            {[][]item{{dir("a")}}, [][]item{{dir("a"), regular("a/b", "x")}, {regular("a/.wh.b", "")}}},
		"deleted directory":  {[][]item{nil}, [][]item{{dir("a"), regular("a/b", "x")}, {regular(".wh.a", "")}}},
		"deleted and made again": {[][]item{{dir("a"), regular("a/c", "y")}},
			[][]item{{dir("a"), regular("a/b", "x")}, {regular(".wh.a", ""), dir("a"), regular("a/c", "y")}}},
		"deletion behind what is made": {[][]item{{dir("a"), regular("a/c", "y")}},
			[][]item{{dir("a"), regular("a/b", "x")}, {dir("a"), regular("a/c", "y"), regular(".wh.a", "")}}},
		"emptied": {[][]item{{dir("a"), regular("a/c", "y")}},
			[][]item{{dir("a"), dir("a/d"), regular("a/d/b", "x")}, {dir("a"), regular("a/c", "y"), regular("a/.wh..wh..opq", "")}}},
		"emptied where a link was": {[][]item{{dir("a"), regular("a/b", "x"), dir("c")}},
			[][]item{{dir("a"), regular("a/b", "x"), symlink("c", "a")}, {dir("c"), regular("c/.wh..wh..opq", "")}}},
		"deletion of nothing":      {[][]item{nil}, [][]item{nil, {regular("a/b/.wh.c", "")}}},
		"emptying of nothing":      {[][]item{nil}, [][]item{nil, {regular("a/.wh..wh..opq", "")}}},
		"aufs' own":                {[][]item{nil}, [][]item{{regular(".wh..wh.plnk", "")}}},
		"file instead of a tree":   {[][]item{{regular("a", "x")}}, [][]item{{dir("a"), regular("a/b", "y")}, {regular("a", "x")}}},
		"tree instead of a file":   {[][]item{{dir("a"), regular("a/b", "y")}}, [][]item{{regular("a", "x")}, {dir("a"), regular("a/b", "y")}}},
		"tree again instead of it": {[][]item{{dir("a")}}, [][]item{{dir("a"), regular("a/b", "y")}, {regular("a", "x")}, {dir("a")}}},
		"directory again": {[][]item{{dir("a").with(func(h *tar.Header) { h.Uid = 7 }), regular("a/b", "y")}},
			[][]item{{dir("a"), regular("a/b", "y")}, {dir("a").with(func(h *tar.Header) { h.Uid = 7 })}}},
		"through a link": {[][]item{{dir("run"), regular("run/x", "x"), dir("var"), symlink("var/run", "/run")}},
			[][]item{{dir("run"), dir("var"), symlink("var/run", "/run")}, {regular("var/run/x", "x")}}},
		"through a relative link": {[][]item{{dir("run"), regular("run/x", "x"), dir("var"), symlink("var/run", "../../run")}},
			[][]item{{dir("run"), dir("var"), symlink("var/run", "../../run")}, {regular("var/run/x", "x")}}},
		"hard link's parts are other names": {[][]item{{regular("a", "x"), hardLink("b", "a")}}, [][]item{{regular("b", "x"), hardLink("a", "b")}}},
		"hard link to a lower layer":        {[][]item{{regular("a", "x"), hardLink("b", "a")}}, [][]item{{regular("a", "x")}, {hardLink("b", "a")}}},
		"hard link that was parted": {[][]item{{regular("a", "y"), regular("b", "x")}},
			[][]item{{regular("a", "x"), hardLink("b", "a")}, {regular("a", "y")}}},
		"mode of a link": {[][]item{{symlink("a", "b")}}, [][]item{{symlink("a", "b").with(func(h *tar.Header) { h.Mode = 0o644 })}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := image(t, test.want...), image(t, test.got...)
			found, err := Compare(want, got)
			if err != nil {
				t.Fatal(err)
			}
			for _, difference := range found {
				if !strings.HasPrefix(difference, "configuration: history ") { // another number of layers
					t.Error(difference)
				}
			}
		})
	}
}

// TestInconsistent has images that no program should make.
func TestInconsistent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		layer  []item
		reason string
	}{
		"below a file":         {[]item{regular("a", ""), regular("a/b", "")}, "layer 0: /a/b: its parent a is a file"},
		"link to nothing":      {[]item{hardLink("a", "b")}, "layer 0: /a: one more name of /b: there is no such file"},
		"link to a directory":  {[]item{dir("b"), hardLink("a", "b")}, "there is no such file"},
		"links in a circle":    {[]item{symlink("a", "a"), regular("a/b", "")}, "too many symbolic links"},
		"whiteout, no name":    {[]item{regular("a/.wh.", "")}, "layer 0: a/.wh.: a deletion of nothing"},
		"root is no directory": {[]item{symlink("./", "a")}, "the root is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Compare(image(t), image(t, test.layer))
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v, want an error with %q", err, test.reason)
			}
		})
	}
}

// mislabelled is a layer whose diff ID is another's.
type mislabelled struct{ v1.Layer }

func (mislabelled) DiffID() (v1.Hash, error) { return v1.NewHash("sha256:" + strings.Repeat("0", 64)) }

type mislabelledImage struct{ v1.Image }

func (i mislabelledImage) Layers() ([]v1.Layer, error) {
	layers, err := i.Image.Layers()
	return []v1.Layer{mislabelled{layers[0]}}, err
}

func TestDiffID(t *testing.T) {
	t.Parallel()
	img := image(t, []item{regular("a", "x")})
	_, err := Compare(img, mislabelledImage{img})
	if err == nil || !strings.Contains(err.Error(), "layer 0: the configuration says that it is sha256:0000") {
		t.Errorf("got %v", err)
	}
}
