package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/catalog"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/pipeline"
)

// artifact is one in a registry: its manifest, and its documents by their names.
type artifact struct {
	*v1.Manifest
	documents map[string][]byte
}

// artifact reads one; nil where there is none.
func (s *server) artifact(t *testing.T, reference string) *artifact {
	t.Helper()
	at, err := name.ParseReference(s.host + "/" + reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(at)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	a := &artifact{manifest, map[string][]byte{}}
	for _, d := range manifest.Layers {
		layer, err := img.LayerByDigest(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		content, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		if a.documents[d.Annotations["org.opencontainers.image.title"]], err = io.ReadAll(content); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// catalog reads a namespace's catalog; nil where there is none.
func (s *server) catalog(t *testing.T, namespace string) *catalog.Catalog {
	t.Helper()
	a := s.artifact(t, namespace+"/catalog:latest")
	if a == nil {
		return nil
	}
	if a.ArtifactType != catalog.ArtifactType || len(a.Layers) != 1 || string(a.Layers[0].MediaType) != catalog.MediaType {
		t.Errorf("the catalog's artifact is a %s with the layers %+v", a.ArtifactType, a.Layers)
	}
	c, err := catalog.Parse(a.documents["catalog.json"])
	if err != nil {
		t.Fatal(err)
	}
	if a.Annotations["org.opencontainers.image.revision"] != c.Revision {
		t.Errorf("the artifact is of commit %s, the catalog of %s", a.Annotations["org.opencontainers.image.revision"], c.Revision)
	}
	return c
}

// listed are a catalog's bundles with what is published of them, a line each.
func listed(c *catalog.Catalog) string {
	if c == nil {
		return "none"
	}
	var lines []string
	for _, e := range c.Bundles {
		line := filepath.Base(e.Path) + " " + e.Version
		for _, p := range e.Published {
			_, image, _ := strings.Cut(p.Reference, "/")
			line += fmt.Sprintf(" %s@%.14s %s", image, p.Digest, strings.Join(p.Tags, ","))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// line is how listed writes a bundle that is published as it is in the registry.
func (s *server) line(t *testing.T, bundle, version string) string {
	t.Helper()
	image := "pod.encoder." + strings.ToLower(bundle) + ":" + version
	return fmt.Sprintf("%s %s jinahub/%s@%.14s %s,latest", bundle, version, image, s.digest(t, image), version)
}

func expectCatalog(t *testing.T, c *catalog.Catalog, want ...string) {
	t.Helper()
	if got := listed(c); got != strings.Join(want, "; ") {
		t.Errorf("the catalog lists\n%s\nwant\n%s", got, strings.Join(want, "; "))
	}
}

// TestCatalog: a publication ends with a catalog of the whole hub, whatever the run was for.
func TestCatalog(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, r := newTimed(t)
	s := newWatched(t)
	given := map[string]string{"registry": s.host}
	source := func(r *pipeline.Run) { r.RepositoryURL = "https://github.com/jina/hub" }

	first := r.Commit(t, bundle("First", "0.1.0"))
	expect(t, h.run(pushed("", first), given, source), "First published")
	expectCatalog(t, s.catalog(t, "jinahub"), s.line(t, "First", "0.1.0"))

	// One bundle is new, one has not changed, and one cannot be built.
	broken := bundle("Broken", "0.1.0")
	broken["executors/encoders/Broken/Dockerfile"] = "FROM scratch\nRUN [\"/nothing\"]\nCMD [\"/nothing\"]\n"
	second := r.Commit(t, together(bundle("Second", "1.0.0-rc.1"), broken))
	expect(t, h.run(pushed(first, second), given, source), "Broken failed build/failed; Second published")
	c := s.catalog(t, "jinahub")
	rc := fmt.Sprintf("Second 1.0.0-rc.1 jinahub/pod.encoder.second:1.0.0-rc.1@%.14s 1.0.0-rc.1", s.digest(t, "pod.encoder.second:1.0.0-rc.1"))
	expectCatalog(t, c, "Broken 0.1.0", s.line(t, "First", "0.1.0"), rc)
	if c.Revision != second || c.Source != "https://github.com/jina/hub" {
		t.Errorf("it is of commit %s of %q", c.Revision, c.Source)
	}
	if e := c.Find("executors/encoders/First"); e.Image != s.host+"/jinahub/pod.encoder.first" || e.Description != "encodes" || e.Kind != "encoder" {
		t.Errorf("the entry is %+v", e)
	}

	// A bundle that goes leaves the catalog, though a run that only removes publishes no image.
	if err := os.RemoveAll(filepath.Join(h.dir, "executors/encoders/Broken")); err != nil {
		t.Fatal(err)
	}
	third := r.Commit(t, nil)
	expect(t, h.run(pushed(second, third), given, source), "Broken removed")
	expectCatalog(t, s.catalog(t, "jinahub"), s.line(t, "First", "0.1.0"), rc)

	// The same commit again gives the same bytes, and nothing to write.
	s.written("")
	for _, bundles := range []string{"changed", "all", "missing"} {
		h.run(pushed(second, third), map[string]string{"registry": s.host, "bundles": bundles}, source)
	}
	if puts := s.written(""); len(puts) > 0 {
		t.Errorf("the same runs again wrote %q", puts)
	}
}

// TestCatalogOfAnOlderCommit: a run that comes late does not put an old catalog in the place of a new one.
func TestCatalogOfAnOlderCommit(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	s := newWatched(t)
	older := r.Commit(t, bundle("First", "0.1.0"))
	s.put(t, "pod.encoder.first", "0.1.0", h.treeOf("executors/encoders/First"), "0.1.0", "latest")
	newer := r.Commit(t, bundle("Second", "0.1.0"))
	s.put(t, "pod.encoder.second", "0.1.0", h.treeOf("executors/encoders/Second"), "0.1.0", "latest")
	given := map[string]string{"registry": s.host, "bundles": "all"}
	expect(t, h.run(pushed(older, newer), given), "First unchanged; Second unchanged")
	want := []string{s.line(t, "First", "0.1.0"), s.line(t, "Second", "0.1.0")}
	expectCatalog(t, s.catalog(t, "jinahub"), want...)
	s.written("")

	r.Checkout(t, older)
	result := h.run(pushed("", older), given)
	expect(t, result, "First unchanged")
	if len(result.Findings) > 0 {
		t.Errorf("found was %s", messages(result))
	}
	expectCatalog(t, s.catalog(t, "jinahub"), want...)
	if puts := s.written(""); len(puts) > 0 {
		t.Errorf("written was %q", puts)
	}
}

// TestCatalogIsNotPushed: only a publication of what is to be done pushes it. Elsewhere it is still made.
func TestCatalogIsNotPushed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given map[string]string
		want  string
	}{
		"a bundle by its path": {map[string]string{"bundles": "executors/encoders/First"}, "First 0.1.0 jinahub/pod.encoder.first:0.1.0@DIGEST 0.1.0,latest; Second 0.1.0"},
		"bundles by a glob":    {map[string]string{"bundles": "executors/*/F*"}, "First 0.1.0 jinahub/pod.encoder.first:0.1.0@DIGEST 0.1.0,latest; Second 0.1.0"},
		"mode check":           {map[string]string{"mode": "check", "bundles": "all"}, "First 0.1.0; Second 0.1.0"},
		"mode plan":            {map[string]string{"mode": "plan", "bundles": "all"}, "First 0.1.0; Second 0.1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newTimed(t)
			s := newWatched(t)
			head := r.Commit(t, together(bundle("First", "0.1.0"), bundle("Second", "0.1.0")))
			s.put(t, "pod.encoder.first", "0.1.0", h.treeOf("executors/encoders/First"), "0.1.0", "latest")
			s.written("")
			c.given["registry"] = s.host
			run, _, err := h.do(pushed("", head), c.given)
			if err != nil {
				t.Fatal(err)
			}
			if puts := s.written(""); len(puts) > 0 || s.catalog(t, "jinahub") != nil {
				t.Errorf("written was %q", puts)
			}
			want := strings.ReplaceAll(c.want, "DIGEST", fmt.Sprintf("%.14s", s.digest(t, "pod.encoder.first:0.1.0")))
			expectCatalog(t, run.Catalog, want)
			path, err := run.WriteCatalog()
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(h.dir, path))
			if err != nil {
				t.Fatal(err)
			}
			written, err := catalog.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			expectCatalog(t, written, want)
		})
	}
}

// TestCatalogNeedsNoRegistry: a check of all bundles makes it where no registry can be reached; one of the changed ones
// makes none.
func TestCatalogNeedsNoRegistry(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	head := r.Commit(t, bundle("First", "0.1.0"))
	for bundles, want := range map[string]string{"all": "First 0.1.0", "changed": "none"} {
		e := event.Event{Name: "pull_request", PullRequest: 1, Base: head, Head: head, SHA: head}
		run, result, err := h.do(e, map[string]string{"mode": "check", "registry": "127.0.0.1:1", "bundles": bundles})
		if err != nil || len(result.Findings) > 0 {
			t.Fatalf("got %v, and %s", err, messages(result))
		}
		expectCatalog(t, run.Catalog, want)
	}
}

// TestCatalogOfAnUnapprovedBundle does not say that it is published.
func TestCatalogOfAnUnapprovedBundle(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	s := newWatched(t)
	head := r.Commit(t, bundle("First", "0.1.0"))
	given := map[string]string{"registry": s.host, "required-approvals": "1"}
	expect(t, h.run(pushed("", head), given, ask(&approvals{of: map[string]forge.Approval{"": {PullRequest: 1}}})), "First failed publish/approval")
	expectCatalog(t, s.catalog(t, "jinahub"), "First 0.1.0")
}

// TestCatalogOfTwoRegistries: it says where a version is to be had, and goes to each registry that takes it.
func TestCatalogOfTwoRegistries(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	lacking, having := newWatched(t), newWatched(t)
	head := r.Commit(t, bundle("First", "0.1.0"))
	having.put(t, "pod.encoder.first", "0.1.0", h.treeOf("executors/encoders/First"), "0.1.0", "latest")
	// Nobody approves, so that nothing is built.
	given := map[string]string{"registry": lacking.host + "," + having.host, "required-approvals": "1"}
	expect(t, h.run(pushed("", head), given), "First failed publish/approval")
	for _, s := range []*watched{lacking, having} {
		expectCatalog(t, s.catalog(t, "jinahub"), having.line(t, "First", "0.1.0"))
	}
	lacking.become(faults["one may read only"])
	next := r.Commit(t, historytest.Files{"executors/encoders/First/encode": "1"})
	h.run(pushed(head, next), given)
	if a, b := lacking.catalog(t, "jinahub"), having.catalog(t, "jinahub"); a.Revision != head || b.Revision != next {
		t.Errorf("the catalogs are of %s and %s", a.Revision, b.Revision)
	}
}

// TestCatalogCannotBePushed: that is a finding, which fails the run and names the registry; the images are published.
func TestCatalogCannotBePushed(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, r := newTimed(t)
	s := newWatched(t)
	s.become(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasPrefix(r.URL.Path, "/v2/jinahub/catalog/") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	head := r.Commit(t, bundle("First", "0.1.0"))
	run, result, err := h.do(pushed("", head), map[string]string{"registry": s.host})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, result, "First published")
	if len(result.Findings) != 1 || result.Findings[0].Rule != "publish/failed" || !strings.Contains(result.Findings[0].Message, "the hub's catalog: ") || !strings.Contains(result.Findings[0].Message, s.host+"/jinahub/catalog") {
		t.Errorf("found was %+v", result.Findings)
	}
	if !run.Failed() {
		t.Error("the run does not fail")
	}
}

// TestReferrers: each image that is published says what the bundle is, and with attest what is in it and how it was made.
func TestReferrers(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	const about, sbom, provenance = "application/vnd.jina.hub.bundle.v1+json", "application/spdx+json", "application/vnd.in-toto+json"
	for name, c := range map[string]struct {
		attest  string
		options []memory.Option
		want    []string
	}{
		"without attest":                        {"false", nil, []string{about}},
		"with attest":                           {"true", nil, []string{sbom, provenance, about}},
		"with attest, and a list of referrers":  {"true", []memory.Option{memory.WithReferrersSupport(true)}, []string{sbom, provenance, about}},
		"without attest, and with such a list ": {"false", []memory.Option{memory.WithReferrersSupport(true)}, []string{about}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newTimed(t)
			s := newWatched(t, c.options...)
			const readme = "# Written\n\nIt encodes.\n"
			head := r.Commit(t, together(bundle("Bare", "0.1.0"), bundle("Written", "0.2.0"), historytest.Files{"executors/encoders/Written/README.md": readme}))
			expect(t, h.run(pushed("", head), map[string]string{"registry": s.host, "attest": c.attest}), "Bare published; Written published")
			for image, texts := range map[string]string{"pod.encoder.bare:0.1.0": "", "pod.encoder.written:0.2.0": readme} {
				repository, version, _ := strings.Cut(image, ":")
				subject := s.digest(t, image)
				var kinds []string
				for _, digest := range s.referrers(t, image) {
					a := s.artifact(t, "jinahub/"+repository+"@"+digest)
					kinds = append(kinds, a.ArtifactType)
					if a.Subject == nil || a.Subject.Digest.String() != subject {
						t.Errorf("the subject of the %s is %+v, want %s", a.ArtifactType, a.Subject, subject)
					}
					for file, content := range a.documents {
						if file != "README.md" && !json.Valid(content) {
							t.Errorf("%s is no JSON:\n%s", file, content)
						}
					}
					if a.ArtifactType != about {
						if len(a.documents) != 1 || string(a.Layers[0].MediaType) != a.ArtifactType {
							t.Errorf("the %s has the layers %+v", a.ArtifactType, a.Layers)
						}
						continue
					}
					var e catalog.Entry
					if err := json.Unmarshal(a.documents["bundle.json"], &e); err != nil {
						t.Fatal(err)
					}
					if "pod.encoder."+strings.ToLower(e.Name) != repository || e.Version != version || e.Description != "encodes" || len(e.Published) > 0 {
						t.Errorf("bundle.json is\n%s", a.documents["bundle.json"])
					}
					if got, there := a.documents["README.md"]; string(got) != texts || there != (texts != "") {
						t.Errorf("README.md is %q, want %q", got, texts)
					}
				}
				slices.Sort(kinds)
				if !slices.Equal(kinds, c.want) {
					t.Errorf("%s has %q, want %q", image, kinds, c.want)
				}
			}
		})
	}
}
