// Bounds of time and memory mean nothing under the race detector.

//go:build !race

package pipeline_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/beneath"
	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/frugal"
	layout "github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// What a check of hostile files may take. It takes some tenths of a second; what grows with the square of the files' size
// takes minutes, and what takes a file at its word takes all memory that there is.
const (
	maxTook = 20 * time.Second
	maxHeap = 300 << 20
)

// lay writes files into a directory of their own. One that begins with "-> " becomes a symbolic link.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		target, isLink := strings.CutPrefix(content, "-> ")
		var err error
		if isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// inspect checks every bundle of a hub on disk, as a run does, and holds what each format says of it against what may
// stand there. Checking and saying it must be cheap.
func inspect(t *testing.T, dir string) *report.Report {
	t.Helper()
	var r *report.Report
	var s *said
	frugal.Within(t, maxTook, maxHeap, func() {
		files, err := beneath.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		r = checked(t, files)
		s = say(t, files, r)
	})
	harmless(t, r, s)
	return r
}

// checked is the report of a check of every bundle.
func checked(t *testing.T, files fs.FS) *report.Report {
	t.Helper()
	c := config.Default()
	h, err := layout.Open(files, "", c)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := h.Bundles()
	if err != nil {
		t.Fatal(err)
	}
	var bundles []*layout.Bundle
	for _, p := range paths {
		b, err := h.Load(p)
		if err != nil {
			t.Fatalf("one bundle stops the whole run: %v", err)
		}
		bundles = append(bundles, b)
	}
	checker := rule.NewChecker(h, c, bundles)
	r := report.New()
	for _, b := range bundles {
		entry := &report.Bundle{
			Path: b.Path, Name: b.Text("name"), Kind: b.Text("kind"), Type: b.Text("type"), Version: b.Text("version"), Status: report.Checked,
			Seconds: map[string]float64{}, Findings: checker.Check(b), Published: []report.Publication{},
		}
		if finding.Count(entry.Findings, finding.Error) > 0 {
			entry.Status = report.Failed
		}
		r.Bundles = append(r.Bundles, entry)
	}
	return r
}

const (
	bundleDir = "executors/encoders/Foo/"
	// sound is a manifest in which nothing is wrong, and recipe a Dockerfile.
	sound  = "name: Foo0\nkind: encoder\ntype: pod\ndescription: It encodes.\n"
	recipe = "FROM scratch\nENTRYPOINT [\"/run\"]\n"
)

// one is a hub of one bundle, with some of its files.
func one(files map[string]string) map[string]string {
	all := map[string]string{"manifest.yml": sound, "Dockerfile": recipe, "README.md": "Foo", "tests/test_foo.py": "1"}
	maps.Copy(all, files)
	hub := map[string]string{}
	for name, content := range all {
		hub[bundleDir+name] = content
	}
	return hub
}

// says fails where no finding of the rule, at a file's line, has the words in its message.
func says(t *testing.T, r *report.Report, id, place, words string) {
	t.Helper()
	for _, f := range r.All() {
		if f.Rule == id && fmt.Sprintf("%s:%d", strings.TrimPrefix(f.File, bundleDir), f.Line) == place && strings.Contains(f.Message, words) {
			return
		}
	}
	t.Errorf("there is no %s at %s that says %q, but:\n%s", id, place, words, told(r))
}

// told are the first findings, cut.
func told(r *report.Report) string {
	var lines []string
	for _, f := range r.All() {
		lines = append(lines, fmt.Sprintf("%s %q:%d %.200q", f.Rule, f.File, f.Line, f.Message))
	}
	return strings.Join(lines[:min(len(lines), 12)], "\n")
}

// rules are the ids of the findings, each once.
func rules(r *report.Report) []string {
	found := map[string]bool{}
	for _, f := range r.All() {
		found[f.Rule] = true
	}
	return slices.Sorted(maps.Keys(found))
}
