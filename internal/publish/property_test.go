package publish_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/publish"
)

// pool are versions that meet in what they give rise to: lines, pre-releases, and build metadata.
var pool = []string{
	"0.0.1", "0.1.0", "1.0.0", "1.0.0-rc.1", "1.0.1", "1.1.0-alpha", "1.1.0", "1.10.0", "1.9.0", "2.0.0-rc.1", "2.0.0-rc.2", "2.0.0", "2.0.0+gpu", "2.0.0+cpu", "2.0.1+gpu", "10.0.0-beta",
}

// model is what the tags of a set of versions are, said in another way than the program does: each released version in turn,
// from the lowest on, takes the moving tags.
func model(versions []string) map[string]string {
	sorted := slices.SortedFunc(slices.Values(versions), func(a, b string) int {
		x, y := semver.MustParse(a), semver.MustParse(b)
		return cmp.Or(x.Compare(y), -strings.Compare(x.Metadata(), y.Metadata()))
	})
	tags := map[string]string{}
	for _, version := range sorted {
		v := semver.MustParse(version)
		tags[strings.ReplaceAll(version, "+", "_")] = version
		if v.Prerelease() == "" {
			tags["latest"], tags[fmt.Sprint(v.Major())], tags[fmt.Sprintf("%d.%d", v.Major(), v.Minor())] = version, version, version
		}
	}
	return tags
}

// TestAnyOrder publishes versions in any order, some of them again and again, and some by runs that die: the tags are always
// those of the model.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, nil)
			images := map[string]publish.Release{}
			var published []string
			for range 12 {
				version := pool[r.IntN(len(pool))]
				target := w.target(t, version, "{version}", "latest", "{major}", "{major}.{minor}")
				release, ok := images[version]
				if !ok {
					release = publish.Release{Tree: tree, Image: image(t, map[string]string{publish.TreeLabel: tree, "org.opencontainers.image.version": version})}
					images[version] = release
				}
				if r.IntN(4) == 0 {
					// A run that died after it had set the version's tag. Whatever is published next completes it.
					if err := remote.Push(target.Reference(), release.Image); err != nil {
						t.Fatal(err)
					}
					if !slices.Contains(published, version) {
						published = append(published, version)
					}
					continue
				}
				if _, err := w.Publish(t.Context(), target, release); err != nil {
					t.Fatal(err)
				}
				if !slices.Contains(published, version) {
					published = append(published, version)
				}
			}
			// Every version's run is run again, as by a schedule with `missing`.
			for _, version := range published {
				target := w.target(t, version, "{version}", "latest", "{major}", "{major}.{minor}")
				state, err := w.Look(t.Context(), target)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Complete(t.Context(), target, state); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{}
			for tag, version := range model(published) {
				digest, err := images[version].Image.Digest()
				if err != nil {
					t.Fatal(err)
				}
				want[tag] = digest.String()
			}
			listed, err := remote.List(w.repository)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, tag := range listed {
				got[tag] = w.digest(t, tag).String()
			}
			if !maps.Equal(got, want) {
				t.Errorf("published %q\ngot  %v\nwant %v", published, got, want)
			}
		})
	}
}
