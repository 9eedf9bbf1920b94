package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/moby/sys/userns"

	"github.com/jina/hub-publish/internal/needs"
)

func TestApplyContents(t *testing.T) {
	t.Parallel()
	opaque := file("d/"+opaqueWhiteout, "")
	for name, test := range map[string]struct {
		layers [][]entry
		want   []string
	}{
		"all types": {
			[][]entry{{dirEntry("d"), file("d/f", "1"), symlinkTo("s", "d/f"), hardlinkTo("h", "d/f"), symlinkTo("dangling", "/nowhere")}},
			[]string{"d/", "d/f=1", "dangling->/nowhere", "h=1", "s->d/f"},
		},
		"missing parents are made":               {[][]entry{{file("a/b/c", "1")}}, []string{"a/", "a/b/", "a/b/c=1"}},
		"the root's own entry is ignored":        {[][]entry{{dirEntry("./"), file("./a", "1")}}, []string{"a=1"}},
		"a whiteout deletes a file":              {[][]entry{{file("a", "1"), file("b", "1")}, {file(".wh.a", "")}}, []string{"b=1"}},
		"a whiteout deletes a directory":         {[][]entry{{file("d/e/f", "1"), file("g", "1")}, {file(".wh.d", "")}}, []string{"g=1"}},
		"a whiteout of nothing":                  {[][]entry{{file("a", "1")}, {file(".wh.b", "")}}, []string{"a=1"}},
		"a whiteout through a link":              {[][]entry{{file("d/f", "1"), symlinkTo("s", "d")}, {file("s/.wh.f", "")}}, []string{"d/", "s->d"}},
		"a whiteout deletes a link, not its end": {[][]entry{{file("d/f", "1"), symlinkTo("s", "d")}, {file(".wh.s", "")}}, []string{"d/", "d/f=1"}},
		"a whiteout keeps this layer's": {
			[][]entry{{file("a", "1"), file("d/old", "1"), dirEntry("d/e")}, {file("a", "2"), file(".wh.a", ""), file("d/new", "2"), file(".wh.d", "")}},
			[]string{"a=2", "d/", "d/new=2"},
		},
		"a whiteout, then the same name": {
			[][]entry{{file("d/old", "1")}, {file(".wh.d", ""), dirEntry("d"), file("d/new", "2")}}, []string{"d/", "d/new=2"},
		},
		"opaque first": {[][]entry{{file("d/old", "1"), file("d/e/old", "1")}, {dirEntry("d"), opaque, file("d/new", "2")}}, []string{"d/", "d/new=2"}},
		"opaque last": {
			[][]entry{{file("d/old", "1"), file("d/e/old", "1"), file("d/e/both", "1")}, {dirEntry("d"), file("d/new", "2"), file("d/e/both", "2"), opaque}},
			[]string{"d/", "d/e/", "d/e/both=2", "d/new=2"},
		},
		"opaque for the root":    {[][]entry{{file("a", "1")}, {file(opaqueWhiteout, ""), file("b", "2")}}, []string{"b=2"}},
		"a file for a file":      {[][]entry{{file("a", "long"), hardlinkTo("b", "a")}, {file("a", "2")}}, []string{"a=2", "b=long"}},
		"a file for a directory": {[][]entry{{file("d/f", "1")}, {file("d", "2")}}, []string{"d=2"}},
		"a file for a directory that was passed": {
			[][]entry{{file("d/f", "1")}, {file("d/g", "2"), file("d", "2")}}, []string{"d=2"},
		},
		"a directory for a file":              {[][]entry{{file("d", "1")}, {dirEntry("d"), file("d/f", "2")}}, []string{"d/", "d/f=2"}},
		"a directory for a link to one":       {[][]entry{{file("e/f", "1"), symlinkTo("d", "e")}, {dirEntry("d")}}, []string{"d/", "e/", "e/f=1"}},
		"a directory for this layer's file":   {[][]entry{{file("d", "1"), dirEntry("d"), file("d/f", "2")}}, []string{"d/", "d/f=2"}},
		"a link for a directory":              {[][]entry{{file("d/f", "1"), file("e", "1")}, {hardlinkTo("d", "e")}}, []string{"d=1", "e=1"}},
		"a symbolic link for a directory":     {[][]entry{{file("d/f", "1")}, {dirEntry("e"), symlinkTo("d", "e"), file("d/g", "2")}}, []string{"d->e", "e/", "e/g=2"}},
		"a file for a symbolic link":          {[][]entry{{file("f", "1"), symlinkTo("s", "f")}, {file("s", "2")}}, []string{"f=1", "s=2"}},
		"a name twice":                        {[][]entry{{file("a", "1"), file("a", "2"), file("a", "3")}}, []string{"a=3"}},
		"a hard link to a link":               {[][]entry{{symlinkTo("s", "gone"), hardlinkTo("h", "s")}}, []string{"h->gone", "s->gone"}},
		"a hard link to an earlier layer":     {[][]entry{{file("a", "1")}, {hardlinkTo("b", "./a")}}, []string{"a=1", "b=1"}},
		"through an absolute link":            {[][]entry{{dirEntry("usr/lib"), symlinkTo("lib", "/usr/lib"), file("lib/f", "1")}}, []string{"lib->/usr/lib", "usr/", "usr/lib/", "usr/lib/f=1"}},
		"through a link with .. and one more": {[][]entry{{dirEntry("a/b"), symlinkTo("a/s", "../t"), symlinkTo("t", "a/b/."), file("a/s/f", "1")}}, []string{"a/", "a/b/", "a/b/f=1", "a/s->../t", "t->a/b/."}},
		"AUFS's own directories":              {[][]entry{{file("a", "1"), dirEntry(".wh..wh.plnk"), file(".wh..wh.plnk/12", "1"), file(".wh..wh.aufs", "")}}, []string{"a=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var layers [][]byte
			for _, entries := range test.layers {
				layers = append(layers, archiveOf(t, entries...))
			}
			if got := contents(t, applied(t, layers...)); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestApplyAttributes(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	// Version 2 of vfs_cap_data in linux/capability.h, with CAP_NET_BIND_SERVICE.
	ping := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	old := time.Unix(1_000_000_000, 123_456_789)
	dir := applied(t, archiveOf(t,
		entry{name: "d", kind: tar.TypeDir, mode: 0o3770, uid: 3, gid: 4, time: old},
		entry{name: "d/suid", content: "x", mode: 0o6755, uid: 1, gid: 2, time: old},
		entry{name: "d/ping", content: "x", mode: 0o755, uid: 5, gid: 6, time: old, xattrs: map[string]string{capability: ping, "user.note": "n", "trusted.overlay.opaque": "y"}},
		entry{name: "d/link", link: "suid", kind: tar.TypeSymlink, uid: 7, gid: 8, time: old},
		entry{name: "d/fifo", kind: tar.TypeFifo, mode: 0o620, uid: 1, time: old},
		entry{name: "early", time: time.Unix(-5, 0)},
		entry{name: "hard", link: "d/ping", kind: tar.TypeLink, mode: 0o755, uid: 5, gid: 6, time: old, xattrs: map[string]string{capability: ping}},
	))
	got, err := describe(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	sum := "1 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	empty := "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	caps := fmt.Sprintf(" security.capability=%q user.note=\"n\"", ping)
	want := map[string]string{
		"d":      "43770 3:4 1000000000.123456789",
		"d/suid": "106755 1:2 1000000000.123456789 " + sum,
		"d/ping": "100755 5:6 1000000000.123456789 " + sum + " = d/ping" + caps,
		"hard":   "100755 5:6 1000000000.123456789 " + sum + " = d/ping" + caps,
		"d/link": "120777 7:8 1000000000.123456789 -> suid",
		"d/fifo": "10620 1:0 1000000000.123456789",
		"early":  "100644 0:0 0.000000000 " + empty,
	}
	if diff := difference(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestApplyDevices(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	if userns.RunningInUserNS() {
		needs.Missing(t, "a user namespace has no devices")
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, header := range []tar.Header{
		{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3, Mode: 0o666}, {Name: "loop", Typeflag: tar.TypeBlock, Devmajor: 7, Mode: 0o660},
	} {
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
	}
	got := mustDescribe(t, applied(t, archive.Bytes()))
	want := map[string]string{"null": "20666 0:0 0 259", "loop": "60660 0:0 0 1792"}
	if diff := difference(got, want); diff != "" {
		t.Error(diff)
	}
}

// What a layer has no entry for keeps its time, also where something was made or deleted in it.
func TestApplyKeepsParents(t *testing.T) {
	t.Parallel()
	old := time.Unix(1_000_000_000, 1)
	dir := applied(t,
		archiveOf(t, entry{name: "d", kind: tar.TypeDir, mode: 0o700, time: old}, file("d/f", "1"), entry{name: "e", kind: tar.TypeDir, time: old}, file("e/f", "1")),
		archiveOf(t, file("d/g", "1"), file("e/.wh.f", ""), file("new/f", "1")),
	)
	for name, want := range map[string]string{"d": "drwx------ " + old.UTC().String(), "e": "drwxr-xr-x " + old.UTC().String(), "new": "drwxr-xr-x " + someTime.UTC().String()} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().String() + " " + info.ModTime().UTC().String(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// A later layer's entry for a directory decides its attributes alone.
func TestApplyReplacesXattrs(t *testing.T) {
	t.Parallel()
	one := entry{name: "d", kind: tar.TypeDir, xattrs: map[string]string{"user.one": "1"}}
	two := entry{name: "d", kind: tar.TypeDir, xattrs: map[string]string{"user.two": "2"}}
	got, err := describeXattrs(filepath.Join(applied(t, archiveOf(t, one), archiveOf(t, two)), "d"))
	if err != nil || got != ` user.two="2"` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestApplySkip(t *testing.T) {
	t.Parallel()
	dir := applied(t, archiveOf(t, file("etc/hosts", "ours"), file("etc/passwd", "old"), file("proc/1", "ours"), file("gone/f", "old")))
	layer := archiveOf(t,
		file("etc/hosts", "theirs"), file("etc/passwd", "new"), dirEntry("proc"), file("proc/2", "theirs"), symlinkTo("to", "/proc"), file("to/3", "theirs"),
		file("etc/.wh.hosts", ""), file(".wh.proc", ""), file(".wh.gone", ""), file(opaqueWhiteout, ""),
	)
	skip := func(path string) bool { return path == "/etc/hosts" || path == "/proc" }
	if err := Apply(t.Context(), dir, bytes.NewReader(layer), ApplyOptions{Skip: skip}); err != nil {
		t.Fatal(err)
	}
	want := []string{"etc/", "etc/hosts=ours", "etc/passwd=new", "proc/", "proc/1=ours", "to->/proc"}
	if got := contents(t, dir); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for name, layer := range map[string][]byte{
		"a file for a directory that holds one": archiveOf(t, file("etc", "1")),
		"a link for a directory that holds one": archiveOf(t, symlinkTo("etc", "usr")),
		"a hard link to one":                    archiveOf(t, hardlinkTo("h", "etc/hosts")),
	} {
		if err := Apply(t.Context(), dir, bytes.NewReader(layer), ApplyOptions{Skip: skip}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if content, err := os.ReadFile(filepath.Join(dir, "etc/hosts")); err != nil || string(content) != "ours" {
			t.Errorf("%s: /etc/hosts is %q, %v", name, content, err)
		}
	}
}
