package fileop_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/go-archive"
	"github.com/moby/go-archive/chrootarchive"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/fileop"
	"github.com/jina/hub-publish/internal/needs"
)

// entries writes an archive from lines "type mode uid:gid path content" as tree has them; a link's content is where it
// leads to.
func entries(t testing.TB, lines string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	kinds := map[string]byte{"d": tar.TypeDir, "f": tar.TypeReg, "l": tar.TypeSymlink, "h": tar.TypeLink, "p": tar.TypeFifo, "c": tar.TypeChar, "g": tar.TypeXGlobalHeader}
	for line := range strings.Lines(lines) {
		fields := append(strings.SplitN(strings.TrimSpace(line), " ", 5), "")
		if len(fields) < 5 {
			continue
		}
		uid, gid, _ := strings.Cut(fields[2], ":")
		header := &tar.Header{
			Typeflag: kinds[fields[0]], Name: unquote(fields[3]), Mode: int64(octal(t, fields[1])),
			Uid: number(t, uid), Gid: number(t, gid), ModTime: archiveTime, Format: tar.FormatPAX,
		}
		switch content := unquote(fields[4]); fields[0] {
		case "f":
			header.Size = int64(len(content))
		case "l", "h":
			header.Linkname = content
		case "c":
			header.Devmajor, header.Devminor = 1, 3
		case "g":
			header = &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: header.Name, PAXRecords: map[string]string{"comment": "x"}}
		}
		must(t, w.WriteHeader(header))
		if fields[0] == "f" {
			_, err := io.WriteString(w, unquote(fields[4]))
			must(t, err)
		}
	}
	must(t, w.Close())
	return buffer.Bytes()
}

func octal(t testing.TB, s string) (n uint32) {
	t.Helper()
	for _, digit := range s {
		n = n*8 + uint32(digit-'0')
	}
	return n
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	_, err := w.Write(data)
	must(t, errors.Join(err, w.Close()))
	return buffer.Bytes()
}

func xzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w, err := xz.NewWriter(&buffer)
	must(t, err)
	_, err = w.Write(data)
	must(t, errors.Join(err, w.Close()))
	return buffer.Bytes()
}

// addArchive does what ADD a /to/ does with an archive.
func addArchive(t testing.TB, data []byte, dest string, owner *pb.ChownOpt) error {
	t.Helper()
	source := t.TempDir()
	must(t, os.WriteFile(filepath.Join(source, "a"), data, 0o644))
	setTime(t, filepath.Join(source, "a"), contextTime)
	return fileop.Apply(t.Context(), addOp(owner), []fileop.Input{{Dir: source}}, dest, fileop.Options{Created: created, MaxUnpacked: 1 << 20})
}

func addOp(owner *pb.ChownOpt) *pb.FileOp {
	return &pb.FileOp{Actions: []*pb.FileAction{{Input: -1, SecondaryInput: 0, Output: 0, Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		Src: "/a", Dest: "/to/", Mode: -1, Timestamp: -1, Owner: owner, FollowSymlink: true, DirCopyContents: true,
		AttemptUnpackDockerCompatibility: true, CreateDestPath: true, AllowWildcard: true, AllowEmptyWildcard: true,
	}}}}}
}

const sampleArchive = `
	d 0750 1:2 d/
	f 4755 3:4 d/tool "#!/bin/sh"
	h 4755 3:4 d/same d/tool
	l 0777 0:0 d/abs /d/tool
	l 0777 0:0 d/up ../../../../x
	f 0600 5:5 implied/dir/file f
	p 0644 0:0 d/pipe
	g 0 0:0 global
	f 0644 0:0 through/file t
	d 0711 9:9 .
`

func TestUnpack(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const base = `
		d 0700 7:7 to
		d 0755 0:0 to/real
		l 0777 0:0 to/through /real
		f 0644 0:0 to/d "a file in the directory's place"`
	const unpacked = `
		d 0755 0:0 base .
		d 0700 7:7 base to
		d 0750 1:2 archive to/d
		l 0777 0:0 archive to/d/abs /d/tool
		p 0644 0:0 archive to/d/pipe
		f 4755 3:4 archive to/d/same #!/bin/sh
		f 4755 3:4 archive to/d/tool #!/bin/sh
		l 0777 0:0 archive to/d/up ../../../../x
		d 0755 0:0 created to/implied
		d 0755 0:0 created to/implied/dir
		f 0600 5:5 archive to/implied/dir/file f
		d 0755 0:0 base to/real
		f 0644 0:0 archive to/real/file t
		l 0777 0:0 base to/through /real`
	plain := entries(t, sampleArchive)
	encoder, err := zstd.NewWriter(nil)
	must(t, err)
	bzip2, err := os.ReadFile("testdata/sample.tar.bz2")
	must(t, err)
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"plain", plain, unpacked},
		{"gzip", gzipped(t, plain), unpacked},
		{"xz", xzipped(t, plain), unpacked},
		{"zstd", encoder.EncodeAll(plain, nil), unpacked},
		{"zstd with a frame to skip", append([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, encoder.EncodeAll(plain, nil)...), unpacked},
		{"bzip2", bzip2, `
			d 0755 0:0 base .
			d 0700 7:7 base to
			f 0644 0:0 base to/d a file in the directory's place
			f 0644 0:0 archive to/hello hi
			d 0755 0:0 base to/real
			l 0777 0:0 base to/through /real`},
		{"a compressed file that is no archive is copied", gzipped(t, []byte("text")), ""},
		{"an archive without entries is copied", entries(t, ""), ""},
		{"an empty file is copied", nil, ""},
		{"a broken compression is copied", []byte{0x1f, 0x8b, 0x08, 1, 2, 3}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dest := tree(t, baseTime, base)
			must(t, addArchive(t, c.data, dest, nil))
			if c.want != "" {
				want(t, list(t, dest), c.want)
				return
			}
			if got, err := os.ReadFile(filepath.Join(dest, "to/a")); err != nil || !bytes.Equal(got, c.data) {
				t.Errorf("got %q, %v, want a copy", got, err)
			}
		})
	}
}

func TestUnpackGivesEverythingInTheArchiveToTheOwner(t *testing.T) {
	t.Parallel()
	asRoot(t)
	dest := tree(t, baseTime, "")
	owner := &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 8}}}
	must(t, addArchive(t, entries(t, "f 0644 1:2 a/b x\nd 0755 1:2 c"), dest, owner))
	want(t, list(t, dest), `
		d 0755 0:0 base .
		d 0755 8:8 created to
		d 0755 0:0 created to/a
		f 0644 8:8 archive to/a/b x
		d 0755 8:8 archive to/c`)
}

func TestUnpackSetsAttributes(t *testing.T) {
	t.Parallel()
	asRoot(t)
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	capability := "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	must(t, w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": capability}}))
	must(t, w.Close())
	dest := tree(t, baseTime, "")
	must(t, addArchive(t, buffer.Bytes(), dest, nil))
	got := make([]byte, 64)
	n, err := unix.Lgetxattr(filepath.Join(dest, "to/f"), "security.capability", got)
	if errors.Is(err, syscall.ENOTSUP) {
		needs.Missing(t, "this file system has no such attributes")
	}
	if err != nil || string(got[:n]) != capability {
		t.Errorf("got %q, %v", got[:max(n, 0)], err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	asRoot(t)
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"a directory that is a link to nowhere", entries(t, "l 0777 0:0 l /nowhere\nf 0644 0:0 l/f x"), "no such file"},
		{"a loop of links", entries(t, "l 0777 0:0 l l\nf 0644 0:0 l/f x"), "too many links"},
		{"a directory that is a file", entries(t, "f 0644 0:0 f x\nf 0644 0:0 f/g x"), "not a directory"},
		{"a hard link to nowhere", entries(t, "f 0644 0:0 f x\nh 0 0:0 h ../../etc/nothing-of-this-name"), "no such file"},
		{"a link in the root's place", entries(t, "f 0644 0:0 f x\nl 0777 0:0 .. /etc"), "would replace the directory"},
		{"more than may be unpacked", entries(t, "f 0644 0:0 f x\nf 0644 0:0 g "+strings.Repeat("y", 1<<20)), "more than 1048576 bytes"},
		{"an end too early", entries(t, "f 0644 0:0 f x\nf 0644 0:0 g y")[:1536], "unexpected EOF"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := addArchive(t, c.data, tree(t, baseTime, ""), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestUnpackAsMoby compares with the code that BuildKit calls.
func TestUnpackAsMoby(t *testing.T) {
	t.Parallel()
	asRoot(t)
	const base = "d 0755 0:0 to\nl 0777 0:0 to/lib /usr/lib\nd 0755 0:0 to/usr\nd 0700 3:3 to/usr/lib\nf 0644 0:0 to/usr/lib/old old"
	cases := map[string]string{
		"sample":                         sampleArchive,
		"through a link of the image":    "f 0644 1:1 lib/new new\nd 0711 2:2 usr/lib/",
		"a link is replaced":             "d 0755 1:1 lib\nf 0644 0:0 lib/x x",
		"a directory is replaced":        "f 0644 0:0 usr/lib x",
		"names above the root":           "f 0644 0:0 ../../x x\nd 0700 4:4 /../y\nf 0644 0:0 /../y/z z",
		"absolute names":                 "f 0644 0:0 /usr/lib/abs x\nh 0644 0:0 hard /usr/lib/abs",
		"the root itself":                "d 0700 6:6 /\nf 0644 0:0 x x",
		"hard link to a symbolic link":   "l 0777 0:0 l x\nh 0777 1:1 h l",
		"links one after the other":      "d 0755 0:0 a\nl 0777 0:0 b a\nl 0777 0:0 c b/../b\nf 0644 0:0 c/f f",
		"entry twice":                    "f 0644 0:0 f one\nf 0600 2:2 f two\nd 0755 0:0 d\nf 0644 0:0 d/f f\nd 0700 1:1 d",
		"names with dots":                "f 0644 0:0 ./a/./b x\nf 0644 0:0 a//c y\nf 0644 0:0 a/../d z",
		"directory time set through":     "d 0755 0:0 d\nd 0755 0:0 e\nl 0777 0:0 d e",
		"device and pipe":                "c 0666 0:5 dev/null\np 0600 1:0 pipe",
		"mode without write for anybody": "d 0555 0:0 d\nf 0444 0:0 d/f f",
	}
	for name, lines := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := entries(t, lines)
			ours, theirs := tree(t, baseTime, base), tree(t, baseTime, base)
			must(t, addArchive(t, data, ours, nil))
			must(t, chrootarchive.Untar(bytes.NewReader(data), filepath.Join(theirs, "to"), &archive.TarOptions{BestEffortXattrs: true}))
			// What only the time of the build tells apart is ours to set.
			deterministic := strings.NewReplacer(" NOW ", " created ", " base ", " created ")
			if strings.Contains(list(t, ours), " NOW ") {
				t.Errorf("the time of the build is in:\n%s", list(t, ours))
			}
			if got, want := deterministic.Replace(list(t, ours)), deterministic.Replace(list(t, theirs)); got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// FuzzUnpack looks for archives that write outside of the root, or hang.
func FuzzUnpack(f *testing.F) {
	f.Add(entries(f, sampleArchive))
	f.Add(entries(f, "l 0777 0:0 l /\nf 0644 0:0 l/../../x x"))
	f.Add(gzipped(f, entries(f, "l 0777 0:0 a ..\nh 0644 0:0 a/b a\nf 0644 0:0 a/../c x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dest := filepath.Join(parent, "dest")
		must(t, os.Mkdir(dest, 0o755))
		if err := addArchive(t, data, dest, nil); err != nil && strings.Contains(err.Error(), parent) {
			t.Errorf("the error has this machine's paths: %v", err)
		}
		if names, err := os.ReadDir(parent); err != nil || len(names) != 1 {
			t.Errorf("outside of the root: %v, %v", names, err)
		}
	})
}
