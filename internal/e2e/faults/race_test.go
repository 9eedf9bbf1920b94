//go:build e2e

package faults

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/artifact"
	publishing "github.com/jina/hub-publish/internal/publish"
	client "github.com/jina/hub-publish/internal/registry"
)

// rounds is how often publishers run at once.
const rounds = 100

// patient is the pace of publishers that know of each other.
var patient = client.Pace{First: pace.First, Most: pace.Most, Total: pace.Total, Answer: 10 * time.Second, Commit: 10 * time.Second, Grace: time.Second}

// TestPublishersAtOnce has several runs publish into one repository at the same time: one version from one tree, of which each
// has built an image of its own, and different versions. However they meet, one image is the version, the moving tags name
// the highest, and each run says what is in the registry.
func TestPublishersAtOnce(t *testing.T) {
	registry := registry(t)
	for _, publishers := range []int{2, 8} {
		t.Run(fmt.Sprint(publishers), func(t *testing.T) {
			var group errgroup.Group
			group.SetLimit(4)
			for round := range rounds {
				repository, err := name.NewRepository(fmt.Sprintf("%s/race/%d-%d", registry, publishers, round))
				if err != nil {
					t.Fatal(err)
				}
				group.Go(func() error {
					race(t, repository, publishers)
					return nil
				})
			}
			_ = group.Wait()
		})
	}
}

func race(t *testing.T, repository name.Repository, publishers int) {
	t.Helper()
	var templates []publishing.Template
	for _, text := range []string{"{version}", "latest", "{major}"} {
		template, err := publishing.ParseTemplate(text)
		if err != nil {
			t.Error(err)
			return
		}
		templates = append(templates, template)
	}
	// Half of them publish one version, the others a version each; which of them is the highest differs.
	versions := []string{"1.0.0", "1.0.0", "1.1.0", "1.0.0", "2.0.0", "1.0.0", "2.0.0-rc.1", "1.0.1"}[:publishers]
	results, errs := make([]publishing.Result, publishers), make([]error, publishers)
	var together sync.WaitGroup
	for i, version := range versions {
		release, err := newRelease(version)
		if err != nil {
			t.Error(err)
			return
		}
		together.Go(func() {
			c, err := client.New(client.Options{Pace: patient})
			if err != nil {
				errs[i] = err
				return
			}
			p := publishing.Publisher{Registry: c}
			target := publishing.Target{Repository: repository, Version: semver.MustParse(version), Tags: templates}
			results[i], errs[i] = p.Publish(t.Context(), target, release)
		})
	}
	together.Wait()
	named := map[string]v1.Hash{}
	tags, err := remote.List(repository)
	if err != nil {
		t.Error(err)
		return
	}
	for _, tag := range tags {
		d, err := remote.Head(repository.Tag(tag))
		if err != nil {
			t.Error(err)
			return
		}
		named[tag] = d.Digest
	}
	for i, version := range versions {
		switch {
		case errs[i] != nil:
			t.Errorf("%s: publisher %d of %s: %v", repository, i, version, errs[i])
		case named[version] != results[i].Digest:
			t.Errorf("%s: %s is %s, but a publisher says %s", repository, version, named[version], results[i].Digest)
		}
		if listed, err := remote.Referrers(repository.Digest(named[version].String())); err != nil {
			t.Error(err)
		} else if m, err := listed.IndexManifest(); err != nil || len(m.Manifests) != 1 {
			t.Errorf("%s: %s has the referrers %+v, %v", repository, version, m, err)
		}
	}
	for tag, want := range map[string]string{"latest": highest(versions, ""), "1": highest(versions, "1."), "2": highest(versions, "2.")} {
		if want == "" {
			continue
		}
		if named[tag] != named[want] {
			t.Errorf("%s: %s is %s, want that of %s (%s)", repository, tag, named[tag], want, named[want])
		}
	}
}

// highest is the highest release with a prefix.
func highest(versions []string, prefix string) string {
	var releases []*semver.Version
	for _, version := range versions {
		if v := semver.MustParse(version); v.Prerelease() == "" && len(version) > len(prefix) && version[:len(prefix)] == prefix {
			releases = append(releases, v)
		}
	}
	if len(releases) == 0 {
		return ""
	}
	return slices.MaxFunc(releases, (*semver.Version).Compare).Original()
}

// newRelease is one like no other, though from the same tree as all of its version.
func newRelease(version string) (r publishing.Release, err error) {
	img, err := random.Image(64, 1)
	if err != nil {
		return r, err
	}
	tree := fmt.Sprintf("%040x", []byte(version))[:40]
	img, err = mutate.Config(img, v1.Config{Labels: map[string]string{publishing.TreeLabel: tree, "org.opencontainers.image.version": version}})
	if err != nil {
		return r, err
	}
	subject, err := partial.Descriptor(img)
	if err != nil {
		return r, err
	}
	about, err := artifact.New("application/vnd.example.about", subject, nil, artifact.Document{MediaType: "text/plain", Name: "about.txt", Data: []byte(version)})
	if err != nil {
		return r, err
	}
	return publishing.Release{Image: img, Tree: tree, Referrers: []*artifact.Artifact{about}}, nil
}
