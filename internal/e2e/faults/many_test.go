//go:build e2e

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/report"
)

// A hub of the size that a hub may have: each bundle has five tags.
const (
	many     = 200
	manyTags = "{version}, latest, {major}, {major}.{minor}, v{version}"
)

// TestManyUnchanged runs again where everything is published, with a registry that is 20 ms away.
func TestManyUnchanged(t *testing.T) {
	registry := registry(t)
	dir := t.TempDir()
	for i := range many {
		bundle := filepath.Join(dir, "encoders", fmt.Sprintf("Encoder%03d", i))
		if err := os.MkdirAll(bundle, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"manifest.yml": fmt.Sprintf("name: Encoder%03d\nkind: encoder\ntype: pod\ndescription: one of many\nversion: 1.2.3\n", i),
			"Dockerfile":   "FROM scratch\nCOPY manifest.yml /\nENTRYPOINT [\"/manifest.yml\"]\n",
		} {
			if err := os.WriteFile(filepath.Join(bundle, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	head := commit(t, dir)
	near := newWorld(t, registry, dir, head)
	near.Tags = manyTags
	if _, err := near.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	far := newWorld(t, registry, dir, head, faulty.Latency(20*time.Millisecond))
	far.Tags, far.Namespace = manyTags, near.Namespace
	start := time.Now()
	result, err := far.run(t.Context())
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(result.Paths(report.Unchanged)); n != many {
		t.Errorf("%d of %d bundles are unchanged", n, many)
	}
	for _, p := range result.Publications() {
		if len(p.Tags) != 5 {
			t.Fatalf("%s has the tags %q", p.Image, p.Tags)
		}
	}
	t.Logf("%d bundles, %d requests, %s", many, len(far.proxy.Requests()), took.Round(time.Millisecond))
	if took > 15*time.Second {
		t.Errorf("it took %s; 15 s is the bound", took)
	}
}
