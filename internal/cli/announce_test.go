package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jina/hub-publish/internal/cli"
)

// api is as much of GitHub as a pull request's run writes to: it notes what is written, or refuses it.
type api struct {
	refuse bool
	mutex  sync.Mutex
	writes map[string]string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/graphql"):
		fmt.Fprint(w, `{"data":{"viewer":{"login":"github-actions[bot]"}}}`)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/check-runs"):
		fmt.Fprint(w, `{"total_count":0,"check_runs":[]}`)
	case r.Method == http.MethodGet:
		fmt.Fprint(w, `[]`)
	case a.refuse:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"Resource not accessible by integration"}`)
	default:
		a.mutex.Lock()
		a.writes[r.Method+" "+r.URL.Path] = string(body)
		a.mutex.Unlock()
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id":1,"html_url":"https://github.com/octo/hub/runs/1"}`)
	}
}

// TestAnnounce runs a pull request with more errors than a step may have annotations, where the token may write and where
// it may not.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"a token that may write": false, "a token that may only read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, commit := hub(t)
			write(t, dir, "README.md", "a hub\n")
			base := commit("docs: begin")
			for i := range 12 {
				bundle := fmt.Sprintf("executors/encoders/Wrong%d/", i)
				write(t, dir, bundle+"Dockerfile", "FROM scratch\nENTRYPOINT [\"/encode\"]\n")
				write(t, dir, bundle+"manifest.yml", fmt.Sprintf("name: Wrong%d\nkind: encodr\ntype: pod\ndescription: encodes\n", i))
			}
			head := commit("feat: twelve bundles")
			a := &api{refuse: refuse, writes: map[string]string{}}
			server := httptest.NewServer(a)
			defer server.Close()
			state := t.TempDir()
			payload, err := json.Marshal(map[string]any{
				"number": 7, "repository": map[string]any{"full_name": "octo/hub", "default_branch": "main"},
				"pull_request": map[string]any{"number": 7, "base": map[string]any{"sha": base, "ref": "main"}, "head": map[string]any{"sha": head, "ref": "topic"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			write(t, state, "event.json", string(payload))
			status, out, _ := call(t, "/", map[string]string{
				"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": dir, "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": filepath.Join(state, "event.json"),
				"GITHUB_REF": "refs/pull/7/merge", "GITHUB_SHA": head, "GITHUB_REPOSITORY": "octo/hub", "GITHUB_API_URL": server.URL, "GITHUB_SERVER_URL": "https://github.com",
				"GITHUB_OUTPUT": filepath.Join(state, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(state, "summary"),
				"INPUT_MODE": "check", "INPUT_TOKEN": "secret-token", "INPUT_REGISTRY": "127.0.0.1:1", "INPUT_SARIF-FILE": "hub.sarif",
			})
			if status != cli.Failed {
				t.Errorf("exit status %d\n%s", status, out)
			}
			if n := strings.Count(out, "\n::error"); n != 10 {
				t.Errorf("%d error annotations", n)
			}
			summary, err := os.ReadFile(filepath.Join(state, "summary"))
			if err != nil || strings.Count(string(summary), "encodr") != 12 {
				t.Errorf("the summary does not have all findings: %v", err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "hub.sarif")); err != nil || strings.Count(string(data), `"manifest/kind"`) < 12 {
				t.Errorf("the SARIF file does not have all findings: %v", err)
			}
			last := strings.LastIndex(out, "::error")
			if refuse {
				for _, permission := range []string{"checks: write", "pull-requests: write"} {
					if at := strings.Index(out, permission); at < last || strings.Count(out, permission) != 1 {
						t.Errorf("the permission %s is not named once, behind the annotations:\n%s", permission, out)
					}
				}
				return
			}
			if body := a.writes["POST /repos/octo/hub/issues/7/comments"]; !strings.Contains(body, "12 errors") {
				t.Errorf("the comment is %q", body)
			}
			if body := a.writes["POST /repos/octo/hub/check-runs"]; !strings.Contains(body, head) || !strings.Contains(body, "12 errors") {
				t.Errorf("the check run is %q", body)
			}
			if body := a.writes["PATCH /repos/octo/hub/check-runs/1"]; strings.Count(body, "\"annotation_level\":\"failure\"") != 12 {
				t.Errorf("its annotations are %q", body)
			}
		})
	}
}
