package pipeline_test

import (
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
)

// propose runs the pipeline as on a pull request, which only checks unless the inputs say otherwise.
func (h *hub) propose(base, head string, given map[string]string) *report.Report {
	h.t.Helper()
	return h.run(event.Event{Name: "pull_request", PullRequest: 1, Base: base, Head: head, SHA: head, DefaultBranch: "main"}, given)
}

// TestPublishedBefore: a pull request hears before its merge that its version is in the registry from other files.
func TestPublishedBefore(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newServer(t)
	inputs := map[string]string{"registry": s.host, "mode": "check"}
	base := h.commit(good)
	expect(t, h.push("", base, map[string]string{"registry": s.host}), "GoodEncoder published")
	expect(t, h.propose(base, base, map[string]string{"registry": s.host, "mode": "check", "bundles": "all"}), "GoodEncoder checked")

	other := h.commit("-- executors/encoders/GoodEncoder/encode --\nnew\n")
	result := h.propose(base, other, inputs)
	expect(t, result, "GoodEncoder failed version/not-bumped version/published")
	published := result.Bundles[0].Findings[len(result.Bundles[0].Findings)-1]
	if published.Rule != "version/published" || published.Line != 5 || published.Fix == nil || published.Fix.Text != "0.1.1" {
		t.Errorf("the finding is %+v", published)
	}

	raised := h.commit("-- executors/encoders/GoodEncoder/manifest.yml --\nname: GoodEncoder\nkind: encoder\ntype: pod\ndescription: encodes\nversion: 0.1.1\n")
	expect(t, h.propose(base, raised, inputs), "GoodEncoder checked")
}

// TestImageWithoutCommand: an image that nobody can run is not published.
func TestImageWithoutCommand(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newServer(t)
	h.commit(good + "-- executors/encoders/GoodEncoder/Dockerfile --\nFROM scratch AS base\nFROM base\nCOPY . /workspace\n")
	result := h.push("", "", map[string]string{"registry": s.host})
	expect(t, result, "GoodEncoder failed image/entrypoint")
	for _, f := range result.All() {
		if f.Rule == "image/entrypoint" && (f.Line != 2 || !strings.HasSuffix(f.File, "/Dockerfile")) {
			t.Errorf("it stands at %s:%d", f.File, f.Line)
		}
	}
	if s.digest(t, "pod.encoder.goodencoder:latest") != "" {
		t.Error("it was published")
	}
}

// TestCommitMessages: a pull request's commits are checked, and the input turns it off.
func TestCommitMessages(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	base := h.commitAs(good, "feat: a bundle")
	head := h.commitAs("-- executors/encoders/GoodEncoder/encode --\nnew\n-- executors/encoders/GoodEncoder/manifest.yml --\nname: GoodEncoder\nkind: encoder\ntype: pod\ndescription: encodes\nversion: 0.1.1\n", "Update Stuff.")
	check := map[string]string{"mode": "check", "registry": "127.0.0.1:1"}
	result := h.propose(base, head, check)
	if len(result.Findings) != 1 || result.Findings[0].Rule != "commit/conventional" || !strings.Contains(result.Findings[0].Message, head[:7]) {
		t.Errorf("the findings are %+v", result.Findings)
	}
	check["commit-lint"] = "off"
	if result := h.propose(base, head, check); len(result.Findings) != 0 {
		t.Errorf("it is off, and there are %+v", result.Findings)
	}
}

// TestConfiguration: the hub's file and comments in a bundle decide what counts.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	base := h.commit(good)
	const changed = "-- executors/encoders/GoodEncoder/encode --\nnew\n"
	for _, step := range []struct{ name, files, want string }{
		{"without a file", changed, "GoodEncoder failed version/not-bumped"},
		{"a rule that is off", changed + "-- .github/hub-publish.yml --\nrules:\n  version/not-bumped: off\n", "GoodEncoder checked"},
		{"off elsewhere", changed + "-- .github/hub-publish.yml --\noverrides:\n  - paths: [executors/indexers]\n    rules: {version/not-bumped: off}\n", "GoodEncoder failed version/not-bumped"},
		{"off here", changed + "-- .github/hub-publish.yml --\noverrides:\n  - paths: [executors/encoders/Good*]\n    rules: {version/not-bumped: off}\n", "GoodEncoder checked"},
		{"a file that needs no version", changed + "-- .github/hub-publish.yml --\nunversioned: [encode]\n", "GoodEncoder checked"},
		{"a comment", changed + "-- .github/hub-publish.yml --\n-- executors/encoders/GoodEncoder/manifest.yml --\nname: GoodEncoder\nkind: encoder\ntype: pod\ndescription: encodes\nversion: 0.1.0 # hub-publish ignore=version/not-bumped it is a test\n", "GoodEncoder checked version/not-bumped"},
	} {
		head := h.commit(step.files)
		result := h.propose(base, head, map[string]string{"mode": "check", "registry": "127.0.0.1:1", "commit-lint": "off"})
		if got := statuses(result); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
		if step.name == "a comment" && finding.Count(result.All(), finding.Error) != 0 {
			t.Errorf("what is let pass counts: %+v", result.All())
		}
	}
}
