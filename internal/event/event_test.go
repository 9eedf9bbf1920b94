package event_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/event"
)

const (
	one  = "1111111111111111111111111111111111111111"
	two  = "2222222222222222222222222222222222222222"
	none = "0000000000000000000000000000000000000000"
	tip  = "ffffffffffffffffffffffffffffffffffffffff"

	repository  = `"repository": {"full_name": "jina-ai/jina-hub", "default_branch": "master"}`
	pullRequest = `{"action": "synchronize", "number": 7, "before": "` + none + `", "pull_request": {"number": 7, "merge_commit_sha": "` + none + `",
		"base": {"ref": "master", "sha": "` + one + `"}, "head": {"ref": "topic", "sha": "` + two + `"}}, ` + repository + `}`
)

func TestRead(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, event, ref, payload string
		want                      event.Event
	}{
		{
			"a pull request", "pull_request", "refs/pull/7/merge", pullRequest,
			event.Event{DefaultBranch: "master", PullRequest: 7, Base: one, Head: two},
		},
		{
			"a pull request seen from the base", "pull_request_target", "refs/heads/master", pullRequest,
			event.Event{DefaultBranch: "master", PullRequest: 7, Base: one, Head: two},
		},
		{
			"a push", "push", "refs/heads/master",
			`{"ref": "refs/heads/master", "before": "` + one + `", "after": "` + tip + `", "forced": false, ` + repository + `}`,
			event.Event{DefaultBranch: "master", Before: one},
		},
		{
			"a new branch", "push", "refs/heads/topic",
			`{"ref": "refs/heads/topic", "before": "` + none + `", "after": "` + tip + `", "created": true, ` + repository + `}`,
			event.Event{DefaultBranch: "master"},
		},
		{
			"a forced push", "push", "refs/heads/topic",
			`{"ref": "refs/heads/topic", "before": "` + one + `", "after": "` + tip + `", "forced": true, ` + repository + `}`,
			event.Event{DefaultBranch: "master", Before: one, Forced: true},
		},
		{
			"a merge group", "merge_group", "refs/heads/gh-readonly-queue/master/pr-7-" + one,
			`{"action": "checks_requested", "merge_group": {"base_ref": "refs/heads/master", "base_sha": "` + one + `", "head_sha": "` + two + `"}, ` + repository + `}`,
			event.Event{DefaultBranch: "master", Base: one, Head: two},
		},
		{
			"a run by hand", "workflow_dispatch", "refs/heads/master",
			`{"inputs": {"bundles": "all"}, "ref": "refs/heads/master", ` + repository + `}`,
			event.Event{DefaultBranch: "master"},
		},
		{
			"a run by the clock", "schedule", "refs/heads/master",
			`{"schedule": "0 0 * * *"}`,
			event.Event{},
		},
		{
			"an event that this program has never heard of", "moonrise", "refs/heads/master",
			`{"anything": []}`,
			event.Event{},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.Name, c.want.Repository, c.want.Ref, c.want.SHA = c.event, "jina-ai/jina-hub", c.ref, tip
			got, err := event.Read(runner(c.event, c.ref, payload(t, c.payload)))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestReadOutsideOfAWorkflow(t *testing.T) {
	t.Parallel()
	got, err := event.Read(func(string) string { return "" })
	if err != nil || got != (event.Event{}) {
		t.Errorf("got %+v, %v; want no event", got, err)
	}
}

func TestReadRefusesABrokenEvent(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"cut off": `{"number": 7,`, "no object": `[]`, "empty": ``} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := payload(t, text)
			_, err := event.Read(runner("pull_request", "refs/pull/7/merge", path))
			if err == nil || !strings.Contains(err.Error(), "pull_request") || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %v; it should name the event and its file", err)
			}
		})
	}
}

func TestReadWithoutTheEventsFile(t *testing.T) {
	t.Parallel()
	_, err := event.Read(runner("push", "refs/heads/master", filepath.Join(t.TempDir(), "event.json")))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v; it should be that the file is not there", err)
	}
}

func TestBranch(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"refs/heads/master":       "master",
		"refs/heads/feat/encoder": "feat/encoder",
		"refs/tags/v1.0.0":        "",
		"refs/pull/7/merge":       "",
		"":                        "",
	} {
		if got := (event.Event{Ref: ref}).Branch(); got != want {
			t.Errorf("the branch of %q is %q, want %q", ref, got, want)
		}
	}
}

// payload is a file as the runner leaves it.
func payload(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// runner is the environment that the runner gives a step.
func runner(name, ref, path string) func(string) string {
	variables := map[string]string{
		"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": path, "GITHUB_REPOSITORY": "jina-ai/jina-hub", "GITHUB_REF": ref, "GITHUB_SHA": tip,
	}
	return func(key string) string { return variables[key] }
}
