package builder_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
)

// TestSameDigest builds the same in two places, at different times, with one processor and with four.
func TestSameDigest(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	one := newBuilder(t, nil)
	before := syscall.Umask(0o077)
	two := newBuilder(t, nil)
	syscall.Umask(before)
	for name, dockerfile := range map[string]string{
		"COPY":          "FROM scratch\nCOPY . /files/\nCOPY large file /two/\n",
		"ADD":           "FROM scratch\nADD archive.tar /unpacked/\nADD file /made/by/add\n",
		"metadata":      "FROM scratch\nCOPY file /\nENV A=b\nLABEL c=d e=f\nEXPOSE 80 81\nVOLUME /v /w\nUSER 1\nSTOPSIGNAL 9\nHEALTHCHECK CMD x\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\n",
		"WORKDIR":       "ARG BASE\nFROM $BASE\nWORKDIR /a/b/c\nWORKDIR d\n",
		"heredocs":      "FROM scratch\nCOPY <<one <<two /texts/\n1\none\n2\ntwo\n",
		"COPY --link":   "ARG BASE\nFROM $BASE\nCOPY --link large /a/b/\nCOPY --link file /a/c/\n",
		"owners, modes": "FROM scratch\nCOPY --chown=12:34 . /a/\nCOPY --chmod=640 . /b/\nADD --chown=5 archive.tar /c/\n",
		"stages":        "ARG BASE\nFROM $BASE AS one\nWORKDIR /made\nCOPY . .\nFROM scratch\nCOPY --from=one /made/ /copied/\n",
		"an idle RUN":   "ARG BASE\nFROM $BASE\nCOPY . /files/\nRUN test -e /files/file\nRUN --mount=type=cache,target=/new/cache echo > /new/cache/x\nRUN --mount=type=bind,target=/new/context test -e /new/context/file\n",
		"another user":  "ARG BASE\nFROM $BASE AS base\nFROM scratch\nCOPY --from=base / /\nENV PATH=/bin LD_LIBRARY_PATH=/lib64:/usr/lib64:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu\nUSER 12\nRUN test -e /bin/sh\n",
	} {
		t.Run(name, func(t *testing.T) {
			var images []v1.Image
			for i, b := range []*builder.Builder{one, two, one} {
				dir := t.TempDir()
				writeCheckout(t, dir, "-- Dockerfile --\n"+dockerfile, i)
				runtime.GOMAXPROCS([]int{1, 4, 2}[i])
				img, r, err := buildDir(t.Context(), t, b, dir)
				if err != nil {
					t.Fatalf("%v\n%s", err, r.output.String())
				}
				images = append(images, img)
			}
			for _, img := range images[1:] {
				if got, want := describe(t, img), describe(t, images[0]); got != want {
					t.Errorf("got\n%s\nand\n%s", want, got)
				}
			}
		})
	}
}

// writeCheckout lays out the same files in another order, and with other times, each time.
func writeCheckout(t *testing.T, dir, dockerfile string, variant int) {
	t.Helper()
	parts := []string{"-- file --\ntext\n", "-- deep/er/file --\ndeep\n", "-- link -> file --\n", "-- tool --\ntool\n", dockerfile}
	for i := range parts {
		writeFiles(t, dir, parts[(i+variant)%len(parts)])
	}
	large := make([]byte, 3<<20) // more than one block of the compression
	for i := range large {
		large[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeArchive(t, filepath.Join(dir, "archive.tar"), []entry{file("x/y", "packed"), link("x/l", "y")})
	when := time.Now().Add(-time.Duration(variant) * 1000 * time.Hour)
	for _, path := range entriesBelow(dir) {
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink != 0 {
			continue
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
}

// describe is all that an image's digest is made of.
func describe(t *testing.T, img v1.Image) string {
	t.Helper()
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return string(manifest) + "\n" + string(config)
}
