package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guarded makes a directory with one inside, and gives that and a check that nothing beside it was touched.
func guarded(t *testing.T) (dir string, check func()) {
	t.Helper()
	around := t.TempDir()
	dir = filepath.Join(around, "root")
	for _, path := range []string{dir, filepath.Join(around, "beside")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(around, "beside", "canary"), []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	outside := func() string {
		var lines strings.Builder
		for _, path := range []string{around, filepath.Join(around, "beside"), filepath.Join(around, "beside", "canary")} {
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&lines, path, info.Mode(), info.ModTime(), info.Size(), fmt.Sprintf("%+v", info.Sys()))
		}
		return lines.String()
	}
	before := outside()
	return dir, func() {
		t.Helper()
		// Reading does not count; nothing here is read but by this test.
		if after := outside(); after != before {
			t.Errorf("the surroundings were changed from\n%s to\n%s", before, after)
		}
	}
}

func TestApplyStaysInside(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]entry{
		"dots":                       {file("../beside/canary", "dead"), file("a/../../beside/canary", "dead"), file("../../x", "dead")},
		"absolute":                   {file("/beside/canary", "dead")},
		"a relative link":            {symlinkTo("s", "../beside"), file("s/canary", "dead")},
		"a link to a file":           {symlinkTo("s", "../beside/canary"), file("s", "dead")},
		"a chain of links":           {symlinkTo("a", ".."), symlinkTo("a/b", ".."), symlinkTo("c", "a/b/beside"), file("c/canary", "dead")},
		"a link and dots":            {dirEntry("d/e"), symlinkTo("s", "d/e"), file("s/../../../beside/canary", "dead")},
		"a hard link out":            {hardlinkTo("h", "../beside/canary"), file("h", "dead")},
		"a hard link through a link": {symlinkTo("s", "../beside"), hardlinkTo("h", "s/canary")},
		"a hard link's mode":         {symlinkTo("s", "../beside/canary"), entry{name: "h", link: "s", kind: tar.TypeLink, mode: 0o777}},
		"a whiteout through a link":  {symlinkTo("s", "../beside"), file("s/.wh.canary", "")},
		"a whiteout with dots":       {file("../.wh.beside", ""), file("d/../../.wh.beside", ""), file(".wh...", "")},
		"an opaque link":             {symlinkTo("s", "../beside"), file("s/"+opaqueWhiteout, "")},
		"a directory over a link":    {symlinkTo("s", "../beside"), entry{name: "s", kind: tar.TypeDir, mode: 0o777}},
		"a directory below a link":   {symlinkTo("s", ".."), entry{name: "s/beside", kind: tar.TypeDir, mode: 0o777}},
		"a file, then a link":        {file("s", "x"), symlinkTo("s", "../beside"), file("s/canary", "dead")},
		"a directory, then a link":   {file("s/canary", "x"), symlinkTo("s", "../beside"), file("s/canary", "dead")},
		"a link's times":             {symlinkTo("s", "../beside"), symlinkTo("s", "../beside/canary")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, check := guarded(t)
			for _, e := range entries { // one layer an entry, and all in one
				err := Apply(t.Context(), dir, bytes.NewReader(archiveOf(t, e)), ApplyOptions{})
				t.Log(e.name, err)
				check()
			}
			err := Apply(t.Context(), dir, bytes.NewReader(archiveOf(t, entries...)), ApplyOptions{})
			t.Log(err)
			check()
		})
	}
}

// FuzzApply applies layers of hostile entries, one a line as in "l name target", and of hostile bytes. Whatever they are,
// nothing beside the directory is touched.
func FuzzApply(f *testing.F) {
	f.Add("d a\nf a/b\ns l ../beside\nf l/canary\nh h l/canary", archiveOf(f, file("a", "1"), symlinkTo("s", "..")))
	f.Add("s a b\ns b a\nf a/c", []byte{})
	f.Add("f a/.wh.b\nf a/.wh..wh..opq\nf .wh..", []byte("x"))
	f.Add("s a /\ns a/b ..\nf a/b/beside/.wh.canary\nh x a/b/a", []byte("x"))
	f.Fuzz(func(t *testing.T, script string, raw []byte) {
		script, raw = script[:min(len(script), 4<<10)], raw[:min(len(raw), 64<<10)] // long ones find nothing that short ones do not
		dir, check := guarded(t)
		for _, layer := range [][]byte{archiveOfScript(script), raw} {
			err := Apply(t.Context(), dir, bytes.NewReader(layer), ApplyOptions{})
			t.Log(err)
			check()
		}
	})
}

func archiveOfScript(script string) []byte {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	kinds := map[string]byte{"d": tar.TypeDir, "f": tar.TypeReg, "s": tar.TypeSymlink, "h": tar.TypeLink, "p": tar.TypeFifo}
	for line := range strings.Lines(script) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		fields = append(fields, "", "", "")
		header := &tar.Header{Typeflag: kinds[fields[0]], Name: fields[1], Linkname: fields[2], Mode: 0o777, Format: tar.FormatPAX, ModTime: someTime}
		if header.Typeflag == tar.TypeReg {
			header.Size, header.Linkname = int64(len(fields[2])), ""
		}
		if w.WriteHeader(header) == nil && header.Size > 0 {
			w.Write([]byte(fields[2]))
		}
	}
	w.Close()
	return buffer.Bytes()
}
