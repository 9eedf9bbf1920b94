//go:build e2e

package e2e

import (
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/parity/corpus"
)

// buildBases builds what the cases' images start from, one after another: a base may start from one before it.
func (y *yardstick) buildBases(t *testing.T) {
	t.Helper()
	pushSmall(t, y.names.whole, y.names.image("debian:bookworm"))
	bases, err := corpus.Read(filepath.Join(parityCases, "bases"))
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range bases {
		reference := y.names.image(base.Name)
		if status, log := y.buildkit.build(t, y.names.lay(t, base), reference, base.BuildArgs); status != 0 {
			t.Fatalf("BuildKit cannot build the base %s: exit status %d\n%s", base.Name, status, log)
		}
		for _, change := range base.Image {
			changeImage(t, reference, change)
		}
	}
}

// imageChanges makes of an image what no Dockerfile can.
var imageChanges = map[string]func(v1.Image) (remote.Taggable, error){
	"without history": func(img v1.Image) (remote.Taggable, error) {
		return withConfig(img, func(c *v1.ConfigFile) { c.History = nil })
	},
	"for windows": func(img v1.Image) (remote.Taggable, error) {
		return withConfig(img, func(c *v1.ConfigFile) { c.OS, c.OSVersion = "windows", "10.0.17763.1" })
	},
	"in an index": func(img v1.Image) (remote.Taggable, error) {
		other, err := withConfig(img, func(c *v1.ConfigFile) { c.Architecture, c.Config.Env = "s390x", []string{"WRONG=platform"} })
		if err != nil {
			return nil, err
		}
		return mutate.AppendManifests(empty.Index,
			mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
			mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		), nil
	},
}

func withConfig(img v1.Image, edit func(*v1.ConfigFile)) (v1.Image, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	edit(config)
	return mutate.ConfigFile(img, config)
}

// changeImage pushes a changed image in the place of the one before.
func changeImage(t *testing.T, reference, change string) {
	t.Helper()
	edit := imageChanges[change]
	if edit == nil {
		t.Fatalf("a base asks for an image %q", change)
	}
	changed, err := edit(remoteImage(t, reference))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Push(ref, changed, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}
