//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/catalog"
)

// Everything that is published is read by the programs that people read it with: docker pulls and runs it (TestPushPublishes
// does), skopeo and crane inspect it, and oras lists what hangs on it.
func TestReaders(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "ReadEncoder", "1.2.3")
	h.add(b)
	h.write(b.path()+"/README.md", "# ReadEncoder\n")
	commit := h.commit("feat: add an encoder")
	namespace := newNamespace()
	a := pushTo(t, namespace, noCommit, commit, h.checkout("push", commit, 0))
	a.inputs["attest"] = "true"
	a.inputs["tags"] = "{version}, latest, {major}, {major}.{minor}, v{version}"
	got := a.run(t)
	got.expectExit(t, 0)
	p := publications(t, got)[b.path()]
	image := b.image(registry(t), namespace)
	pull(t, image+"@"+p.Digest)

	for _, tag := range []string{"1.2.3", "latest", "1", "1.2", "v1.2.3"} {
		reference := image + ":" + tag
		if !slices.Contains(p.Tags, tag) {
			t.Errorf("published has the tags %q, not %s", p.Tags, tag)
		}
		var inspected struct{ Digest string }
		text := command{name: "skopeo", args: []string{"inspect", "--tls-verify=false", "docker://" + reference}}.must(t)
		if err := json.Unmarshal([]byte(text), &inspected); err != nil || inspected.Digest != p.Digest {
			t.Errorf("skopeo says that %s is %s, %v", reference, inspected.Digest, err)
		}
		if seen, err := crane.Digest(reference, crane.Insecure); err != nil || seen != p.Digest {
			t.Errorf("crane says that %s is %s, %v", reference, seen, err)
		}
	}
	if err := crane.Copy(image+":1.2.3", registry(t)+"/"+namespace+"/copied:1", crane.Insecure); err != nil {
		t.Errorf("crane cannot copy it: %v", err)
	}

	wanted := []string{"application/spdx+json", "application/vnd.in-toto+json", "application/vnd.jina.hub.bundle.v1+json"}
	repository, err := name.NewRepository(image, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Referrers(repository.Digest(p.Digest))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, d := range manifest.Manifests {
		listed = append(listed, d.ArtifactType)
		if _, err := crane.Pull(image+"@"+d.Digest.String(), crane.Insecure); err != nil {
			t.Errorf("crane cannot pull the referrer %s: %v", d.ArtifactType, err)
		}
	}
	if slices.Sort(listed); !slices.Equal(listed, wanted) {
		t.Errorf("the referrers are %q, want %q", listed, wanted)
	}
	text := command{name: required(t, "E2E_ORAS"), args: []string{"discover", "--plain-http", "--format", "json", image + ":1.2.3"}}.must(t)
	var discovered struct {
		Referrers []struct{ ArtifactType string }
	}
	if err := json.Unmarshal([]byte(text), &discovered); err != nil {
		t.Fatalf("oras discover: %v\n%s", err, text)
	}
	var named []string
	for _, r := range discovered.Referrers {
		named = append(named, r.ArtifactType)
	}
	if slices.Sort(named); !slices.Equal(named, wanted) {
		t.Errorf("oras lists %q, want %q\n%s", named, wanted, text)
	}

	hub := registry(t) + "/" + namespace + "/catalog:latest"
	dir := t.TempDir()
	command{dir: dir, name: required(t, "E2E_ORAS"), args: []string{"pull", "--plain-http", hub}}.must(t)
	data, err := os.ReadFile(filepath.Join(dir, "catalog.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse(data)
	if err != nil || len(c.Bundles) != 1 || len(c.Bundles[0].Published) != 1 || c.Bundles[0].Published[0].Digest != p.Digest {
		t.Errorf("the catalog is %s, %v", data, err)
	}
}
