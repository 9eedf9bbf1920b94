// Bounds of time and memory mean nothing under the race detector.

//go:build !race

package attest_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/jina/hub-publish/internal/attest"
	"github.com/jina/hub-publish/internal/frugal"
)

// What an SBOM of a hostile image may take. What takes a file at its word takes all memory that there is, and what grows with
// the square of what it reads takes minutes.
const (
	maxTook = 30 * time.Second
	maxHeap = 300 << 20
)

// stream is a layer that is made while it is read, so that it takes no memory of its own.
type stream struct {
	v1.Layer
	write func(*tar.Writer) error
}

func (s stream) Compressed() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		archive := tar.NewWriter(buffered)
		err := s.write(archive)
		if err == nil {
			err = errors.Join(archive.Close(), buffered.Flush())
		}
		w.CloseWithError(err)
	}()
	return r, nil
}

// streamed is an image of layers that are made while they are read.
func streamed(t *testing.T, layers ...func(*tar.Writer) error) v1.Image {
	t.Helper()
	made := imageOf(t)
	for i, write := range layers {
		var err error
		digests := static.NewLayer([]byte{byte(i)}, types.OCILayer) // by which an image finds its layers
		if made, err = mutate.AppendLayers(made, stream{digests, write}); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// put writes a file to an archive.
func put(w *tar.Writer, name, content string) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := io.WriteString(w, content)
	return err
}

// many writes files, each with the name that is made of its number.
func many(count int, name func(int) string, content string) func(*tar.Writer) error {
	return func(w *tar.Writer) error {
		for i := range count {
			if err := put(w, name(i), content); err != nil {
				return err
			}
		}
		return nil
	}
}

// each repeats a text with a number in it.
func each(count int, format string) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, format, i)
	}
	return text.String()
}

func TestHostile(t *testing.T) {
	const status, metadata = "var/lib/dpkg/status", "Name: x\nVersion: 1\n"
	type layers = []func(*tar.Writer) error
	one := func(name, content string) layers {
		return layers{func(w *tar.Writer) error { return put(w, name, content) }}
	}
	for name, c := range map[string]struct {
		layers layers
		// packages is how many are listed; -1 if that is too many.
		packages int
	}{
		"a million files": {layers{many(1e6, func(i int) string { return fmt.Sprintf("d%d/%d", i%1000, i) }, "")}, 0},
		"whiteouts": {layers{
			many(10000, func(i int) string { return fmt.Sprintf("d/%d.egg-info", i) }, metadata),
			many(3e5, func(i int) string { return fmt.Sprintf("d/.wh.%d.egg-info", i) }, ""),
		}, 0},
		"opaque directories": {layers{
			many(10000, func(i int) string { return fmt.Sprintf("d/%d.egg-info", i) }, metadata),
			many(3e5, func(int) string { return "d/.wh..wh..opq" }, ""),
		}, 0},
		"a million METADATA":      {layers{many(1e6, func(i int) string { return fmt.Sprintf("%d.egg-info", i) }, metadata)}, -1},
		"the same file, for ever": {layers{many(1e5, func(int) string { return "x.egg-info" }, metadata+strings.Repeat("a: a\n", 1000))}, 1},
		"the same file, again in each layer": {func() (all layers) {
			for range 100 {
				all = append(all, many(100, func(i int) string { return fmt.Sprintf("%d.egg-info", i) }, metadata+strings.Repeat("a: a\n", 10000)))
			}
			return all
		}(), 1},
		"deep directories":           {layers{many(1e5, func(i int) string { return fmt.Sprintf("%d/%s.egg-info", i, strings.Repeat("a/", 500)) }, metadata)}, -1},
		"20,000 packages":            {one(status, each(20000, "Package: a%d\nVersion: 1\nStatus: install ok installed\n\n")), 20000},
		"packages with long URLs":    {append(one("etc/os-release", "ID="+strings.Repeat("a", 8000)), one(status, each(20000, "Package: a%d\nVersion: 1\nStatus: install ok installed\n\n"))...), 0},
		"100,000 packages":           {one(status, each(100000, "Package: a%d\nVersion: 1\nStatus: install ok installed\n\n")), -1},
		"15,000 and 15,000":          {append(one(status, each(15000, "Package: a%d\nVersion: 1\nStatus: install ok installed\n\n")), one("lib/apk/db/installed", each(15000, "P:a%d\nV:1\n\n"))...), -1},
		"100,000 of apk":             {one("lib/apk/db/installed", each(100000, "P:a%d\nV:1\n\n")), -1},
		"a million fields":           {one(status, each(900000, "a%d:\n")), -1},
		"a million fields of apk":    {one("lib/apk/db/installed", each(900000, "a%d:\n")), -1},
		"a million fields of Python": {one("x.egg-info", metadata+each(800000, "a%d:\n")), 1},
		"a long line":                {one(status, "Package: "+strings.Repeat("a", 8<<20-9)), 0},
		"a long package":             {one("node_modules/a/package.json", `{"name": "a", "version": "1", "engines": [`+strings.TrimSuffix(strings.Repeat("{},", 2<<20), ",")+"]}"), 1},
		"a deep package":             {one("node_modules/a/package.json", `{"name": "a", "version": "1", "engines": `+strings.Repeat("[", 8<<20-100)), 0},
		"a package's dependencies":   {one("node_modules/a/package.json", `{"name": "a", "version": "1", "dependencies": {`+each(300000, `"a%d":"1",`)+`"b":"1"}}`), 1},
	} {
		t.Run(name, func(t *testing.T) {
			made := streamed(t, c.layers...)
			frugal.Within(t, maxTook, maxHeap, func() {
				text, err := attest.SBOM(t.Context(), made, subject)
				switch {
				case c.packages < 0:
					if !errors.Is(err, attest.ErrTooMuch) || len(err.Error()) > 500 {
						t.Error(err)
					}
				case err != nil:
					t.Error(err)
				default:
					if got := strings.Count(string(text), `"relationshipType": "CONTAINS"`); got != c.packages {
						t.Errorf("it lists %d packages, want %d", got, c.packages)
					}
				}
			})
		})
	}
}

// A sparse file takes a block in the archive, and as much memory as it says when it is read.
func TestSparse(t *testing.T) {
	var blob []byte
	for i := range 100 {
		blob = append(blob, sparse(t, fmt.Sprintf("%d.egg-info", i), 8<<20)...)
	}
	made := imageOf(t, append(blob, make([]byte, 1024)...))
	frugal.Within(t, maxTook, maxHeap, func() {
		if _, err := attest.SBOM(t.Context(), made, subject); !errors.Is(err, attest.ErrTooMuch) {
			t.Error(err)
		}
	})
}

// sparse is the header of a file that has a size and no data, in the old format of GNU tar (its manual, "Storing Sparse Files").
func sparse(t *testing.T, name string, size int) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := tar.NewWriter(&buffer).WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	block := buffer.Bytes()
	block[156] = tar.TypeGNUSparse
	copy(block[386:], fmt.Sprintf("%011o\x00%011o\x00", size, 0)) // a piece of no bytes at the end
	copy(block[483:], fmt.Sprintf("%011o\x00", size))
	copy(block[148:], "        ")
	var sum int
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block
}

// An archive without end is read until the context ends, and no longer.
func TestEndless(t *testing.T) {
	for name, write := range map[string]func(*tar.Writer) error{
		"entries": func(w *tar.Writer) error {
			for {
				if err := put(w, "a", ""); err != nil {
					return err
				}
			}
		},
		"one file": func(w *tar.Writer) error {
			if err := w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 1 << 60}); err != nil {
				return err
			}
			for zeros := make([]byte, 1<<20); ; {
				if _, err := w.Write(zeros); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, end := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer end()
			made := streamed(t, write)
			frugal.Within(t, maxTook, maxHeap, func() {
				if _, err := attest.SBOM(ctx, made, subject); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		})
	}
}

// Nothing is written: neither where the program runs, nor where temporary files go.
func TestWritesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	made := image(t, []entry{
		file("../../out", "dead"), symlink("link", ".."), file("link/out", "dead"), file("var/lib/dpkg/status", stanza("a", "1")),
		file("var/lib/rpm/Packages", "dead"), file("x.egg", "PK"), python("x", "1"),
	})
	if _, err := attest.SBOM(t.Context(), made, subject); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", os.TempDir()} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s has %v, %v", dir, entries, err)
		}
	}
}
