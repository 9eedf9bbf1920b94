package parity

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// item is one tar entry with its content.
type item struct {
	tar.Header
	data string
}

func regular(name, data string) item {
	return item{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}, data}
}

func dir(name string) item {
	return item{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
}

func symlink(name, target string) item {
	return item{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

func hardLink(name, target string) item {
	return item{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}}
}

func device(flag byte, name string, major, minor int64) item {
	return item{Header: tar.Header{Typeflag: flag, Name: name, Mode: 0o600, Devmajor: major, Devminor: minor}}
}

// with is the item after a change of its header.
func (i item) with(edit func(*tar.Header)) item {
	edit(&i.Header)
	return i
}

func pack(t testing.TB, items []item) []byte {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, i := range items {
		i.Format = tar.FormatPAX
		if err := w.WriteHeader(&i.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func newLayer(t testing.TB, items []item) v1.Layer {
	t.Helper()
	archive := pack(t, items)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// image is one with these layers, the lowest first.
func image(t testing.TB, layers ...[]item) v1.Image {
	t.Helper()
	img := empty.Image
	for _, items := range layers {
		var err error
		addendum := mutate.Addendum{Layer: newLayer(t, items), History: v1.History{Created: v1.Time{Time: time.Unix(1, 0)}}}
		if img, err = mutate.Append(img, addendum); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// configured is an image without layers whose configuration was changed.
func configured(t testing.TB, edit func(*v1.ConfigFile)) v1.Image {
	t.Helper()
	config, err := empty.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	edit(config)
	img, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
