package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
)

// describe gives a line for each path below a directory with all that a layer carries of it. With whole seconds only,
// where wholeSeconds says so.
func describe(dir string, wholeSeconds bool) (map[string]string, error) {
	lines, first := map[string]string{}, map[inode]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		line := fmt.Sprintf("%o %d:%d %d", stat.Mode, stat.Uid, stat.Gid, stat.Mtim.Sec)
		if !wholeSeconds {
			line += fmt.Sprintf(".%09d", stat.Mtim.Nsec)
		}
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(content), sha256.Sum256(content))
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" %d", stat.Rdev)
		}
		if stat.Nlink > 1 && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			key := inode{stat.Dev, stat.Ino}
			if first[key] == "" {
				first[key] = name
			}
			line += " = " + first[key]
		}
		xattrs, err := describeXattrs(path)
		lines[name] = line + xattrs
		return err
	})
	return lines, err
}

func describeXattrs(path string) (string, error) {
	keys := make([]byte, 4096)
	n, err := unix.Llistxattr(path, keys)
	if err != nil {
		return "", err
	}
	var lines []string
	for key := range strings.SplitSeq(string(keys[:n]), "\x00") {
		if key == "" || key == "security.selinux" || strings.Contains(key, "overlay.") {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, key, value)
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf(" %s=%q", key, value[:n]))
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}

// difference says how two descriptions differ, in nothing if they do not.
func difference(got, want map[string]string) string {
	var out strings.Builder
	names := maps.Clone(got)
	maps.Copy(names, want)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if got[name] != want[name] {
			fmt.Fprintf(&out, "%s\n\tgot  %s\n\twant %s\n", name, got[name], want[name])
		}
	}
	return out.String()
}

// mustDescribe is describe in whole seconds for tests that can not go on without.
func mustDescribe(t testing.TB, dir string) map[string]string {
	t.Helper()
	lines, err := describe(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// An entry of a layer in a test. Zero modes become 0644 and 0755, and the owner the test's own.
type entry struct {
	name, link, content string
	kind                byte
	mode                int64
	uid, gid            int
	time                time.Time
	xattrs              map[string]string
}

func dirEntry(name string) entry      { return entry{name: name, kind: tar.TypeDir} }
func file(name, content string) entry { return entry{name: name, content: content} }
func symlinkTo(name, target string) entry {
	return entry{name: name, link: target, kind: tar.TypeSymlink}
}
func hardlinkTo(name, target string) entry {
	return entry{name: name, link: target, kind: tar.TypeLink}
}

var someTime = time.Unix(1_600_000_000, 0)

// archiveOf makes a layer.
func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		header := &tar.Header{
			Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Uid: e.uid, Gid: e.gid, Size: int64(len(e.content)),
			ModTime: e.time, Format: tar.FormatPAX,
		}
		if e.kind == 0 {
			header.Typeflag = tar.TypeReg
		}
		if e.mode == 0 && e.kind == tar.TypeDir {
			header.Mode = 0o755
		} else if e.mode == 0 {
			header.Mode = 0o644
		}
		if os.Geteuid() != 0 {
			header.Uid, header.Gid = os.Geteuid(), os.Getegid()
		}
		if e.time.IsZero() {
			header.ModTime = someTime
		}
		for key, value := range e.xattrs {
			if header.PAXRecords == nil {
				header.PAXRecords = map[string]string{}
			}
			header.PAXRecords[xattrRecord+key] = value
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// applied gives a directory with some layers.
func applied(t testing.TB, layers ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, layer := range layers {
		if err := Apply(context.Background(), dir, bytes.NewReader(layer), ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents gives what is in a directory in few words: "dir/", "file=content", "link->target".
func contents(t testing.TB, dir string) []string {
	t.Helper()
	found := []string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			name += "/"
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			name += "->" + target
		case d.Type().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name += "=" + string(content)
		}
		found = append(found, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		needs.Missing(t, "owners, devices and capabilities need root")
	}
}
