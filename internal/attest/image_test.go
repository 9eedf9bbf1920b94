package attest_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/jina/hub-publish/internal/attest"
)

var subject = attest.Subject{
	Name: "docker.io/jinahub/pod.encoder.awesome", Version: "1.2.3", Revision: strings.Repeat("c0", 20),
	Digest:  v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("d1", 32)},
	Created: time.Date(2021, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600)),
}

// entry is one of a layer's archive.
type entry struct {
	name, content string
	kind          byte
	link          string
}

func file(name, content string) entry    { return entry{name, content, tar.TypeReg, ""} }
func dir(name string) entry              { return entry{name, "", tar.TypeDir, ""} }
func symlink(name, target string) entry  { return entry{name, "", tar.TypeSymlink, target} }
func hardlink(name, target string) entry { return entry{name, "", tar.TypeLink, target} }

// python is what a Python installer leaves of a package.
func python(name, version string) entry {
	return file("usr/lib/python3/dist-packages/"+name+"-"+version+".dist-info/METADATA", "Metadata-Version: 2.1\nName: "+name+"\nVersion: "+version+"\n\nText\n")
}

// stanza is what dpkg keeps of an installed package.
func stanza(name, version string) string {
	return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\nDescription: a package\n of Debian\n\n"
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func zstandard(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// imageOf is an image of layers as a registry keeps them, the lowest first.
func imageOf(t testing.TB, blobs ...[]byte) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, blob := range blobs {
		if image, err = mutate.AppendLayers(image, static.NewLayer(blob, types.OCILayer)); err != nil {
			t.Fatal(err)
		}
	}
	return image
}

func image(t testing.TB, layers ...[]entry) v1.Image {
	t.Helper()
	var blobs [][]byte
	for _, entries := range layers {
		blobs = append(blobs, archive(t, entries...))
	}
	return imageOf(t, blobs...)
}
