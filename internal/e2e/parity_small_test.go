//go:build e2e

package e2e

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// leftOut are the files of Debian that no case uses which does not ask for debian:whole: two of three. In place the
// base is unpacked for each case.
var leftOut = regexp.MustCompile(`^(usr/share/(locale|man|zoneinfo|info|bash-completion|perl5|i18n)|usr/lib/x86_64-linux-gnu/(gconv|perl-base|perl)|` +
	`var/lib/dpkg/info|var/lib/apt/lists|var/cache)/.|^usr/bin/perl`)

// pushSmall pushes the base image without what the cases do not use.
func pushSmall(t *testing.T, base, reference string) {
	t.Helper()
	img := remoteImage(t, base)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "small.tar")
	if err := writeSmall(path, img); err != nil {
		t.Fatalf("%s: %v", base, err)
	}
	layer, err := tarball.LayerFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	small, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	small, err = withConfig(small, func(c *v1.ConfigFile) { c.OS, c.Architecture, c.Config = config.OS, config.Architecture, config.Config })
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, small, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func writeSmall(path string, img v1.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	files := mutate.Extract(img)
	defer files.Close()
	r, w := tar.NewReader(files), tar.NewWriter(f)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil {
			return err
		}
		if leftOut.MatchString(filepath.Clean(header.Name)) {
			continue
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
	}
}
