//go:build e2e

package e2e

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A contributor sees every fault of a bundle at once, each where it is.
func TestPullRequestAnnotations(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	bad := newBundle(t, "BadEncoder", "1.0")
	other := newBundle(t, "OtherEncoder", "0.0.1")
	h.add(bad)
	h.add(other)
	manifest := strings.Replace(bad.manifest(), "name: BadEncoder", "name: Bad!Encoder", 1)
	h.write(bad.path()+"/manifest.yml", manifest)
	h.commit("feat: add two encoders")
	head := h.branch("fix: drop the Dockerfile", func() {
		h.git("rm", "--quiet", bad.path()+"/Dockerfile")
	})
	// What others merged in the meantime is not this pull request's.
	h.write(other.path()+"/other.txt", "more\n")
	h.commit("fix: something else")

	payload, workspace := h.propose(head)
	got := action{event: "pull_request", payload: payload, workspace: workspace}.run(t)
	got.expectExit(t, 1)

	file := bad.path() + "/manifest.yml"
	lineOf := func(key string) int {
		return slices.IndexFunc(strings.Split(manifest, "\n"), func(line string) bool {
			return strings.HasPrefix(line, key+":")
		}) + 1
	}
	expected := map[string]int{
		"bundle/missing-file": 1,
		"manifest/name":       lineOf("name"),
		"manifest/value-type": lineOf("version"),
		"version/not-bumped":  lineOf("version"),
	}
	for _, a := range got.errors() {
		if line, ok := expected[a.title]; !ok || a.file != file || a.line != line {
			t.Errorf("unexpected annotation %+v", a)
		}
		delete(expected, a.title)
	}
	if len(expected) > 0 {
		t.Errorf("no annotations for %v", expected)
	}
	for _, a := range got.annotations {
		if !strings.HasPrefix(a.file, bad.path()+"/") {
			t.Errorf("an annotation outside of the changed bundle: %+v", a)
		}
	}

	if selected := list[string](t, got, "bundles"); !slices.Equal(selected, []string{bad.path()}) {
		t.Errorf("bundles: %q", selected)
	}
	if failed := list[string](t, got, "failed"); !slices.Equal(failed, []string{bad.path()}) {
		t.Errorf("failed: %q", failed)
	}
	if got.outputs["errors"] != "4" {
		t.Errorf("errors: %q", got.outputs["errors"])
	}
	if named := strings.TrimPrefix(got.outputs["report"], "/github/workspace/"); path.Clean(named) != ".hub-publish/report.json" {
		t.Errorf("report: %q", named)
	}
	if status := got.report.status(bad.path()); status != "failed" {
		t.Errorf("status in the report: %q", status)
	}
	if strings.TrimSpace(got.summary) == "" {
		t.Error("no job summary")
	}
}

// A failing build points at its line of the Dockerfile, and what it prints stays text.
func TestBuildFailure(t *testing.T) {
	t.Parallel()
	inEachPlace(t, buildFailure)
}

func buildFailure(t *testing.T, p place) {
	h := newHub(t)
	broken := newBundle(t, "BrokenEncoder", "0.0.1")
	broken.dockerfile = lines(
		"FROM "+baseImage(t),
		"COPY . /workspace",
		"RUN echo '::error::hijack'; echo '##[error]hijack'; echo '::set-env name=X::y'; echo 'the cheese is gone' >&2; exit 7",
		`ENTRYPOINT ["true"]`,
	)
	head := h.branch("feat: add an encoder", func() { h.add(broken) })

	payload, workspace := h.propose(head)
	got := action{event: "pull_request", payload: payload, workspace: workspace}.in(p).run(t)
	got.expectExit(t, 1)
	expectIsolation(t, got.log, p)

	if errors := got.errors(); len(errors) != 1 {
		t.Errorf("%d error annotations: %+v", len(errors), errors)
	} else {
		a := errors[0]
		if a.title != "build/failed" || a.file != broken.path()+"/Dockerfile" || a.line != 3 {
			t.Errorf("the annotation: %+v", a)
		}
		if !strings.Contains(a.message, "the cheese is gone") {
			t.Errorf("the message has not the end of the output: %q", a.message)
		}
	}
	if got.environment != "" {
		t.Errorf("the build changed the job's environment: %q", got.environment)
	}
}

var saysNothingToDo = regexp.MustCompile(`(?i)nothing|\bno\b.*\bbundles?\b`)

// Most pull requests of a hub change no bundle. Not in parallel: it tells the time.
func TestNothingToDo(t *testing.T) {
	h := newHub(t)
	h.add(newBundle(t, "GoodEncoder", "0.0.1"))
	h.commit("feat: add an encoder")
	head := h.branch("docs: explain", func() { h.write("README.md", "# A better hub\n") })
	payload, workspace := h.propose(head)

	var seconds []float64
	for range 5 {
		got := action{event: "pull_request", payload: payload, workspace: workspace}.run(t)
		got.expectExit(t, 0)
		if len(got.annotations) > 0 {
			t.Errorf("annotations: %+v", got.annotations)
		}
		if selected := list[string](t, got, "bundles"); len(selected) > 0 {
			t.Errorf("bundles: %q", selected)
		}
		if !saysNothingToDo.MatchString(got.log) {
			t.Error("the log does not say that there was nothing to do")
		}
		seconds = append(seconds, got.seconds)
	}
	slices.Sort(seconds)
	t.Logf("container run with nothing to do: median %.2f s of %.2f", seconds[len(seconds)/2], seconds)
}
