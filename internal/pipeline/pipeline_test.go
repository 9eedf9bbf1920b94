package pipeline_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/report"
)

func TestMain(m *testing.M) {
	builder.RunChild()
	os.Exit(m.Run())
}

// hub is a repository that a test changes and runs the pipeline on.
type hub struct {
	t   testing.TB
	dir string
	git *git.Repository
}

func newHub(t testing.TB) *hub {
	t.Helper()
	dir := t.TempDir()
	repository, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return &hub{t, dir, repository}
}

// commit writes files, given as a txtar archive, and commits them; an empty file is removed.
func (h *hub) commit(files string) string {
	h.t.Helper()
	return h.commitAs(files, "feat: a change")
}

// commitAs is commit with a message.
func (h *hub) commitAs(files, message string) string {
	h.t.Helper()
	for _, f := range txtar.Parse([]byte(files)).Files {
		path := filepath.Join(h.dir, f.Name)
		var err error
		if len(f.Data) == 0 {
			err = os.Remove(path)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, f.Data, 0o644)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	worktree, err := h.git.Worktree()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := worktree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		h.t.Fatal(err)
	}
	hash, err := worktree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9, 0)}})
	if err != nil {
		h.t.Fatal(err)
	}
	return hash.String()
}

// pace has a test wait for no longer than it must.
var pace = registry.Pace{First: time.Millisecond, Most: 10 * time.Millisecond, Total: 200 * time.Millisecond, Answer: 10 * time.Second, Commit: 10 * time.Second}

// do is run for a test that wants the run itself, or expects an error.
func (h *hub) do(e event.Event, given map[string]string, change ...func(*pipeline.Run)) (*pipeline.Run, *report.Report, error) {
	h.t.Helper()
	// The images hold a text where a program would be: who tries them says so.
	inputs, err := input.Read(given, func(key string) string {
		return map[string]string{"INPUT_USAGE-TESTS": "off", "INPUT_REQUIRED-APPROVALS": "0"}[key]
	})
	if err != nil {
		h.t.Fatal(err)
	}
	repository, err := history.Open(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	defer root.Close()
	r := &pipeline.Run{Inputs: inputs, Event: e, Dir: h.dir, Files: root.FS(), Repository: repository, API: compare.NoAPI{}, Log: report.NewLog(io.Discard, false), Pace: pace}
	for _, change := range change {
		change(r)
	}
	result, err := r.Do(h.t.Context())
	return r, result, err
}

// run runs the pipeline for an event, after a change.
func (h *hub) run(e event.Event, given map[string]string, change ...func(*pipeline.Run)) *report.Report {
	h.t.Helper()
	_, result, err := h.do(e, given, change...)
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

// push runs the pipeline as on a push to main.
func (h *hub) push(before, after string, given map[string]string) *report.Report {
	h.t.Helper()
	return h.run(pushed(before, after), given)
}

// server is a registry that counts what is written to it, the catalog left out; refuse makes it refuse all of that.
type server struct {
	host   string
	writes atomic.Int64
	refuse atomic.Bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			if s.refuse.Load() {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			if !strings.HasPrefix(r.URL.Path, "/v2/jinahub/catalog/") {
				s.writes.Add(1)
			}
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.host = strings.TrimPrefix(web.URL, "http://")
	return s
}

// digest is what a tag names, or "".
func (s *server) digest(t *testing.T, tag string) string {
	t.Helper()
	reference, err := name.ParseReference(s.host + "/jinahub/" + tag)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := remote.Head(reference)
	if err != nil {
		return ""
	}
	return descriptor.Digest.String()
}

const good = `
-- executors/encoders/GoodEncoder/Dockerfile --
FROM scratch
COPY . /workspace
ENTRYPOINT ["/workspace/encode"]
-- executors/encoders/GoodEncoder/manifest.yml --
name: GoodEncoder
kind: encoder
type: pod
description: encodes
version: 0.1.0
`

// statuses are the bundles' last path parts with what became of them, and the rules of their errors.
func statuses(r *report.Report) string {
	var parts []string
	for _, b := range r.Bundles {
		part := filepath.Base(b.Path) + " " + string(b.Status)
		for _, f := range b.Findings {
			if f.Severity == finding.Error {
				part += " " + f.Rule
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

func expect(t *testing.T, r *report.Report, want string) {
	t.Helper()
	if got := statuses(r); got != want {
		t.Errorf("got %q, want %q", got, want)
		for _, f := range r.All() {
			t.Log(f.Message)
		}
	}
}

// TestPublish goes through a bundle's life on main.
func TestPublish(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newServer(t)
	inputs := map[string]string{"registry": s.host}
	all := map[string]string{"registry": s.host, "bundles": "all"}

	first := h.commit(good)
	expect(t, h.push("", first, inputs), "GoodEncoder published")
	published := s.digest(t, "pod.encoder.goodencoder:0.1.0")
	if published == "" || published != s.digest(t, "pod.encoder.goodencoder:latest") {
		t.Errorf("the version is %q, latest %q", published, s.digest(t, "pod.encoder.goodencoder:latest"))
	}

	writes := s.writes.Load()
	again := h.push("", first, inputs)
	expect(t, again, "GoodEncoder unchanged")
	if p := again.Publications(); len(p) != 1 || !p[0].Existed || p[0].Digest != published {
		t.Errorf("published is %v", p)
	}
	if n := s.writes.Load() - writes; n != 0 {
		t.Errorf("%d requests wrote to the registry, which had it all", n)
	}

	second := h.commit("-- executors/encoders/GoodEncoder/encode --\nnew\n")
	expect(t, h.push(first, second, inputs), "GoodEncoder failed version/not-bumped")
	expect(t, h.push(first, second, all), "GoodEncoder failed version/not-bumped")
	expect(t, h.push("", second, all), "GoodEncoder failed publish/exists")
	if now := s.digest(t, "pod.encoder.goodencoder:0.1.0"); now != published {
		t.Errorf("the version was overwritten: %s, then %s", published, now)
	}

	third := h.commit("-- executors/encoders/GoodEncoder/manifest.yml --\nname: GoodEncoder\nkind: encoder\ntype: pod\ndescription: encodes\nversion: 0.2.0\n")
	expect(t, h.push(first, third, inputs), "GoodEncoder published")
	if s.digest(t, "pod.encoder.goodencoder:latest") != s.digest(t, "pod.encoder.goodencoder:0.2.0") {
		t.Error("latest did not move")
	}

	fourth := h.commit("-- executors/encoders/GoodEncoder/Dockerfile --\n-- executors/encoders/GoodEncoder/encode --\n-- executors/encoders/GoodEncoder/manifest.yml --\n")
	expect(t, h.push(third, fourth, inputs), "GoodEncoder removed")
}

// TestOneFailure shows that one bundle's failure is its own.
func TestOneFailure(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newServer(t)
	h.commit(good + `
-- executors/encoders/BrokenEncoder/Dockerfile --
FROM scratch
RUN ["/nothing"]
-- executors/encoders/BrokenEncoder/manifest.yml --
name: BrokenEncoder
kind: encoder
type: pod
description: does not build
-- executors/encoders/WrongEncoder/Dockerfile --
FROM scratch
-- executors/encoders/WrongEncoder/manifest.yml --
name: Wrong!Encoder
kind: encoder
type: pod
description: has a wrong name
`)
	result := h.push("", "", map[string]string{"registry": s.host})
	expect(t, result, "BrokenEncoder failed build/failed; GoodEncoder published; WrongEncoder failed manifest/name")
	if s.digest(t, "pod.encoder.brokenencoder:latest") != "" {
		t.Error("the broken bundle was published")
	}
}

// TestPermissionFirst shows that nobody waits for a build whose image cannot be pushed.
func TestPermissionFirst(t *testing.T) {
	t.Parallel()
	h, s := newHub(t), newServer(t)
	s.refuse.Store(true)
	h.commit(good)
	result := h.push("", "", map[string]string{"registry": s.host})
	expect(t, result, "GoodEncoder failed publish/failed")
	if took, built := result.Bundles[0].Seconds["build"]; built {
		t.Errorf("it was built, for %v s", took)
	}
	findings := result.Bundles[0].Findings
	if m := findings[len(findings)-1].Message; !strings.Contains(m, "check that the inputs username and password") {
		t.Errorf("the message does not say what to check: %s", m)
	}
}

// TestTwoRegistries completes the registry that lacks a version, and leaves the other alone.
func TestTwoRegistries(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, one, two := newHub(t), newServer(t), newServer(t)
	h.commit(good)
	expect(t, h.push("", "", map[string]string{"registry": one.host}), "GoodEncoder published")
	writes := one.writes.Load()
	both := map[string]string{"registry": one.host + "," + two.host}
	result := h.push("", "", both)
	expect(t, result, "GoodEncoder published")
	if p := result.Publications(); len(p) != 2 || !p[0].Existed || p[1].Existed {
		t.Errorf("published is %v", p)
	}
	if n := one.writes.Load() - writes; n != 0 {
		t.Errorf("%d requests wrote to the registry that had it all", n)
	}
	expect(t, h.push("", "", map[string]string{"registry": both["registry"], "bundles": "missing"}), "")
}

// TestPullRequest builds bundles with findings too, and pushes nothing.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newServer(t)
	base := h.commit(good)
	head := h.commit("-- executors/encoders/GoodEncoder/Dockerfile --\nFROM scratch\nRUN [\"/nothing\"]\n")
	result := h.run(event.Event{Name: "pull_request", PullRequest: 1, Base: base, Head: head, SHA: head, DefaultBranch: "main"}, map[string]string{"registry": s.host})
	expect(t, result, "GoodEncoder failed version/not-bumped build/failed")
	if s.writes.Load() != 0 {
		t.Error("something was pushed")
	}
}

// TestMode holds the input mode's auto against the contract.
func TestMode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event event.Event
		given map[string]string
		want  string
	}{
		"push to the default branch":       {event: event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main"}, want: "publish"},
		"push to another branch":           {event: event.Event{Name: "push", Ref: "refs/heads/topic", DefaultBranch: "main"}, want: "check"},
		"push to the publish branch":       {event: event.Event{Name: "push", Ref: "refs/heads/live", DefaultBranch: "main"}, given: map[string]string{"publish-branch": "live"}, want: "publish"},
		"push of a tag":                    {event: event.Event{Name: "push", Ref: "refs/tags/main", DefaultBranch: "main"}, want: "check"},
		"by hand":                          {event: event.Event{Name: "workflow_dispatch", Ref: "refs/heads/main", DefaultBranch: "main"}, want: "check"},
		"on a schedule":                    {event: event.Event{Name: "schedule", Ref: "refs/heads/main", DefaultBranch: "main"}, want: "check"},
		"by hand, with the mode published": {event: event.Event{Name: "workflow_dispatch"}, given: map[string]string{"mode": "plan"}, want: "plan"},
		"at a terminal":                    {want: "check"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.commit("-- README.md --\nan empty hub\n")
			if got := h.run(test.event, test.given).Mode; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// BenchmarkCheck selects and checks all bundles of a hub of 100.
func BenchmarkCheck(b *testing.B) {
	h := newHub(b)
	var files strings.Builder
	for i := range 100 {
		files.WriteString(strings.ReplaceAll(good, "GoodEncoder", fmt.Sprintf("Encoder%d", i)))
	}
	h.commit(files.String())
	for b.Loop() {
		if n := len(h.run(event.Event{}, map[string]string{"bundles": "all"}).Bundles); n != 100 {
			b.Fatalf("%d bundles", n)
		}
	}
}
