package pipeline_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/report"
)

// fan is a hub that is published by one job a bundle, which a plan comes before and a summary behind.
type fan struct {
	*hub
	*historytest.Repository
	*watched
	event event.Event
	// planned are the bundles of the plan, as the summary's input has them.
	planned string
}

// newFan is at a commit that adds two bundles, changes one, removes one, and leaves one as it is.
func newFan(t *testing.T) *fan {
	t.Helper()
	h, r := newTimed(t)
	f := &fan{hub: h, Repository: r, watched: newWatched(t)}
	before := r.Commit(t, together(bundle("Same", "0.1.0"), bundle("Changed", "0.1.0"), bundle("Gone", "0.1.0")))
	f.put(t, "pod.encoder.same", "0.1.0", h.treeOf("executors/encoders/Same"), "0.1.0", "latest")
	if err := os.RemoveAll(filepath.Join(h.dir, "executors/encoders/Gone")); err != nil {
		t.Fatal(err)
	}
	after := r.Commit(t, together(bundle("Changed", "0.2.0"), bundle("First", "0.1.0"), bundle("Second", "1.0.0-rc.1")))
	f.event = pushed(before, after)
	return f
}

// plan is the first job, and returns the paths that its matrix has.
func (f *fan) plan(given map[string]string) []string {
	f.t.Helper()
	values, err := f.run(f.event, together(given, map[string]string{"mode": "plan"})).Values()
	if err != nil {
		f.t.Fatal(err)
	}
	var matrix struct {
		Include []struct{ Bundle, Name, Version, Image string }
	}
	if err := json.Unmarshal([]byte(values["matrix"]), &matrix); err != nil {
		f.t.Fatal(err)
	}
	var paths []string
	for _, entry := range matrix.Include {
		paths = append(paths, entry.Bundle)
	}
	f.planned = values["bundles"]
	return paths
}

// job publishes one bundle, and leaves its report where the summary's job would download it to.
func (f *fan) job(path string, given map[string]string) {
	f.t.Helper()
	result := f.run(f.event, together(given, map[string]string{"mode": "publish", "bundles": path}))
	f.leave(filepath.Base(path), result)
}

func (f *fan) leave(job string, result *report.Report) {
	f.t.Helper()
	dir := filepath.Join(f.dir, ".hub-publish/reports", job)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if _, err := result.WriteJSON(dir); err != nil {
		f.t.Fatal(err)
	}
}

// summary are the inputs of the last job.
func (f *fan) summary(given map[string]string) map[string]string {
	return together(given, map[string]string{"mode": "summary", "reports": ".hub-publish/reports/**/report.json", "bundles": f.planned})
}

// holds is everything that a namespace of the registry has: the digests by repository and tag. Of the catalog it is what is
// listed, since that names the namespace.
func (s *server) holds(t *testing.T, namespace string) map[string]string {
	t.Helper()
	all, err := name.NewRegistry(s.host)
	if err != nil {
		t.Fatal(err)
	}
	repositories, err := remote.Catalog(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for _, path := range repositories {
		short, ok := strings.CutPrefix(path, namespace+"/")
		if !ok {
			continue
		}
		tags, err := remote.List(all.Repo(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			descriptor, err := remote.Head(all.Repo(path).Tag(tag))
			if err != nil {
				t.Fatal(err)
			}
			held[short+":"+tag] = descriptor.Digest.String()
		}
	}
	if c := s.catalog(t, namespace); c != nil {
		held["catalog:latest"] = c.Revision + " " + strings.ReplaceAll(listed(c), namespace+"/", "")
	}
	return held
}

// TestFanOut: many jobs leave a registry as one job leaves it.
func TestFanOut(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	paths := f.plan(given)
	if got := fmt.Sprint(paths); got != "[executors/encoders/Changed executors/encoders/First executors/encoders/Second]" {
		t.Fatalf("the plan has %s", got)
	}
	for _, path := range paths {
		f.job(path, given)
	}
	if f.catalog(t, "jinahub") != nil {
		t.Error("one of the jobs has pushed a catalog, which is of one bundle's moment")
	}
	run, result, err := f.do(f.event, f.summary(given))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, result, "Changed published; First published; Second published")
	if run.Failed() || len(result.Findings) > 0 || result.Mode != "summary" || result.Head != f.event.SHA || result.Base != f.event.Before {
		t.Errorf("it failed: %t; mode %s, base %s, head %s; found was:\n%s", run.Failed(), result.Mode, result.Base, result.Head, messages(result))
	}
	if p := result.Publications(); len(p) != 3 || p[0].Digest != f.digest(t, "pod.encoder.changed:0.2.0") {
		t.Errorf("published is %+v", p)
	}

	// What was there before is there in both.
	f.copy(t, "pod.encoder.same", "alone")
	alone := map[string]string{"registry": f.host, "namespace": "alone", "mode": "publish", "bundles": "changed"}
	expect(t, f.run(f.event, alone), "Changed published; First published; Gone removed; Second published")
	many, one := f.holds(t, "jinahub"), f.holds(t, "alone")
	if !maps.Equal(many, one) {
		t.Errorf("many jobs leave\n%v\none leaves\n%v", many, one)
	}
	for _, tag := range []string{"pod.encoder.changed:latest", "pod.encoder.first:0.1.0", "pod.encoder.second:1.0.0-rc.1", "pod.encoder.same:latest", "catalog:latest"} {
		if many[tag] == "" {
			t.Errorf("there is no %s in %v", tag, many)
		}
	}

	// The summary's job again has nothing to do.
	f.written("")
	expect(t, f.run(f.event, f.summary(given)), "Changed published; First published; Second published")
	if puts := f.written(""); len(puts) > 0 {
		t.Errorf("written was %q", puts)
	}
}

// copy copies a repository with all of its tags into another namespace.
func (s *server) copy(t *testing.T, repository, namespace string) {
	t.Helper()
	from, err := name.NewRepository(s.host + "/jinahub/" + repository)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		img, err := remote.Image(from.Tag(tag))
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(from.Registry.Repo(namespace, repository).Tag(tag), img); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFanOutWithAFailure: the job that fails leaves its report, and the others' bundles are published.
func TestFanOutWithAFailure(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	f.event.SHA = f.Commit(t, historytest.Files{"executors/encoders/First/Dockerfile": "FROM scratch\nRUN [\"/nothing\"]\nCMD [\"/nothing\"]\n"})
	for _, path := range f.plan(given) {
		f.job(path, given)
	}
	run, result, err := f.do(f.event, f.summary(given))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, result, "Changed published; First failed build/failed; Second published")
	if !run.Failed() {
		t.Error("the run does not fail")
	}
	c := f.catalog(t, "jinahub")
	if c == nil || len(c.Bundles) != 4 || len(c.Find("executors/encoders/First").Published) != 0 || len(c.Find("executors/encoders/Changed").Published) != 1 {
		t.Errorf("the catalog lists %s", listed(c))
	}
}

// TestMissingReport: a job that left none is a finding, so that the summary does not pass for it.
func TestMissingReport(t *testing.T) {
	t.Parallel()
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	var kept *report.Report
	for _, path := range f.plan(given) {
		// The jobs stop before they build: what they did does not matter here.
		result := f.run(f.event, together(given, map[string]string{"mode": "check", "bundles": path}))
		result.Mode = "publish"
		if strings.HasSuffix(path, "/First") {
			kept = result
			continue
		}
		f.leave(filepath.Base(path), result)
	}
	run, result, err := f.do(f.event, f.summary(given))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, result, "Changed checked; Second checked")
	if len(result.Findings) != 1 || result.Findings[0].Rule != "publish/failed" || result.Findings[0].Severity != "error" ||
		!strings.Contains(result.Findings[0].Message, "executors/encoders/First left no report") || !strings.Contains(result.Findings[0].Message, "run the failed jobs again") {
		t.Errorf("found was %+v", result.Findings)
	}
	if !run.Failed() {
		t.Error("the run does not fail")
	}
	// A job that was run again, as the message says, leaves its report.
	f.leave("First", kept)
	if result := f.run(f.event, f.summary(given)); len(result.Findings) > 0 {
		t.Errorf("found was %s", messages(result))
	}
}

// TestReportWithAnError: a job that ended before its work was done leaves that in its report.
func TestReportWithAnError(t *testing.T) {
	t.Parallel()
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	for _, path := range f.plan(given) {
		result := f.run(f.event, together(given, map[string]string{"mode": "check", "bundles": path}))
		result.Mode = "publish"
		if strings.HasSuffix(path, "/First") {
			result.Error = "open the builder: it is not there"
		}
		f.leave(filepath.Base(path), result)
	}
	run, result, err := f.do(f.event, f.summary(given))
	if err != nil {
		t.Fatal(err)
	}
	if !run.Failed() || len(result.Findings) != 1 || !strings.Contains(result.Findings[0].Message, "a job ended before its work was done: open the builder: it is not there") {
		t.Errorf("it failed: %t; found was %+v", run.Failed(), result.Findings)
	}
}

// TestReportsOfAnotherCommit are refused, and nothing is written: they tell nothing of what is checked out.
func TestReportsOfAnotherCommit(t *testing.T) {
	t.Parallel()
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	for _, path := range f.plan(given) {
		f.leave(filepath.Base(path), f.run(f.event, together(given, map[string]string{"mode": "check", "bundles": path})))
	}
	f.written("")
	later := f.Commit(t, historytest.Files{"README.md": "A hub.\n"})
	_, result, err := f.do(pushed(f.event.SHA, later), f.summary(given))
	if err == nil || !strings.Contains(err.Error(), f.event.SHA[:10]) || !strings.Contains(err.Error(), later[:10]) || !strings.Contains(err.Error(), "check out the commit that the jobs had") {
		t.Errorf("got the error %v", err)
	}
	if result.Error == "" || len(f.written("")) > 0 {
		t.Errorf("the report has the error %q, or something was written", result.Error)
	}
	// Two of one commit and one of another are of different runs.
	stray := f.run(pushed(f.event.SHA, later), together(given, map[string]string{"mode": "check", "bundles": "executors/encoders/Same"}))
	f.leave("Same", stray)
	if _, _, err := f.do(f.event, f.summary(given)); err == nil || !strings.Contains(err.Error(), "are of different runs") {
		t.Errorf("got the error %v", err)
	}
}

// TestReportsThatAreNone: an input that names no report, or something else, is an error that says so.
func TestReportsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"no file":                 {"", "", "input reports: it names no file; download the reports of the other jobs"},
		"no report":               {".hub-publish/reports/a/report.json", "[]", ".hub-publish/reports/a/report.json: read a job's report: "},
		"a report of other words": {".hub-publish/reports/a/report.json", `{"version": 1, "mode": "deploy", "bundles": [], "findings": []}`, `its mode "deploy" is not one of`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFan(t)
			if c.file != "" {
				f.Write(t, historytest.Files{c.file: c.content})
			}
			f.planned = `["executors/encoders/First"]`
			f.written("")
			if _, _, err := f.do(f.event, f.summary(map[string]string{"registry": f.host})); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got the error %v, want %q", err, c.want)
			}
			if puts := f.written(""); len(puts) > 0 {
				t.Errorf("written was %q", puts)
			}
		})
	}
}

// TestForgedReport: a job has run a stranger's build, so that the catalog does not take its report's word for what is
// published.
func TestForgedReport(t *testing.T) {
	t.Parallel()
	f := newFan(t)
	given := map[string]string{"registry": f.host}
	f.plan(given)
	for _, path := range []string{"executors/encoders/Changed", "executors/encoders/First", "executors/encoders/Second", "executors/encoders/Same"} {
		result := f.run(f.event, together(given, map[string]string{"mode": "check", "bundles": path}))
		b := result.Bundles[0]
		result.Mode, b.Status = "publish", report.Published
		b.Published = []report.Publication{{Bundle: path, Image: b.Image, Version: b.Version, Digest: "sha256:" + strings.Repeat("0", 64), Tags: []string{b.Version}}}
		f.leave(filepath.Base(path), result)
	}
	f.run(f.event, f.summary(given))
	expectCatalog(t, f.catalog(t, "jinahub"), "Changed 0.2.0", "First 0.1.0", f.line(t, "Same", "0.1.0"), "Second 1.0.0-rc.1")
}
