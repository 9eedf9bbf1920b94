package forge_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/forge"
)

const manifestPath = "executors/encoders/Foo/manifest.yml"

// branch is a pull request's branch with one file on it.
type branch struct {
	repository, content string
	refuse              int
	messages            []string
}

func (b *branch) serve(t *testing.T) *github {
	return serveAll(t, map[string]http.HandlerFunc{
		"GET /repos/jina-ai/jina-hub/pulls/7": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]any{"number": 7, "head": map[string]any{"ref": "dependabot/x", "repo": map[string]any{"full_name": b.repository}}})
		},
		"GET /repos/jina-ai/jina-hub/contents/" + manifestPath: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("ref") != "dependabot/x" {
				t.Errorf("it reads %s", r.URL)
			}
			answer(w, http.StatusOK, map[string]any{"type": "file", "encoding": "base64", "sha": "abc", "path": manifestPath, "content": base64.StdEncoding.EncodeToString([]byte(b.content))})
		},
		"PUT /repos/jina-ai/jina-hub/contents/" + manifestPath: func(w http.ResponseWriter, r *http.Request) {
			if b.refuse > 0 {
				answer(w, b.refuse, map[string]any{"message": "Resource not accessible by integration"})
				return
			}
			var commit struct{ Message, Content, SHA, Branch string }
			if err := json.NewDecoder(r.Body).Decode(&commit); err != nil || commit.SHA != "abc" || commit.Branch != "dependabot/x" {
				t.Errorf("it commits %+v, %v", commit, err)
			}
			content, err := base64.StdEncoding.DecodeString(commit.Content)
			if err != nil {
				t.Error(err)
			}
			b.content, b.messages = string(content), append(b.messages, commit.Message)
			answer(w, http.StatusOK, map[string]any{})
		},
	})
}

func TestBump(t *testing.T) {
	t.Parallel()
	edit := forge.Suggestion{Path: manifestPath, Line: 2, Old: "version: 0.0.1", New: "version: 0.0.2"}
	for name, test := range map[string]struct {
		branch branch
		edit   forge.Suggestion
		want   string // the file
		err    string
	}{
		"a version":               {branch{repository: "jina-ai/jina-hub", content: "name: Foo\nversion: 0.0.1\nkind: encoder\n"}, edit, "name: Foo\nversion: 0.0.2\nkind: encoder\n", ""},
		"Windows' ends of lines":  {branch{repository: "jina-ai/jina-hub", content: "name: Foo\r\nversion: 0.0.1\r\n"}, edit, "name: Foo\r\nversion: 0.0.2\r\n", ""},
		"a byte order mark":       {branch{repository: "jina-ai/jina-hub", content: "\ufeffversion: 0.0.1\n"}, forge.Suggestion{Path: manifestPath, Line: 1, Old: "version: 0.0.1", New: "version: 0.0.2"}, "\ufeffversion: 0.0.2\n", ""},
		"raised already":          {branch{repository: "jina-ai/jina-hub", content: "name: Foo\nversion: 0.0.2\n"}, edit, "name: Foo\nversion: 0.0.2\n", "line 2 is not what it was"},
		"a fork":                  {branch{repository: "ada/jina-hub", content: "name: Foo\nversion: 0.0.1\n"}, edit, "name: Foo\nversion: 0.0.1\n", "in a fork"},
		"a missing permission":    {branch{repository: "jina-ai/jina-hub", content: "name: Foo\nversion: 0.0.1\n", refuse: 403}, edit, "name: Foo\nversion: 0.0.1\n", "contents: write"},
		"another branch by now":   {branch{repository: "jina-ai/jina-hub", content: "name: Foo\n"}, edit, "name: Foo\n", "line 2 is not what it was"},
		"a file that got shorter": {branch{repository: "jina-ai/jina-hub", content: "name: Foo"}, edit, "name: Foo", "line 2 is not there any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := test.branch
			err := b.serve(t).client(t, "token").Bump(t.Context(), 7, []forge.Suggestion{test.edit})
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %v, want %q", err, test.err)
			}
			if b.content != test.want {
				t.Errorf("the file is %q, want %q", b.content, test.want)
			}
			if test.err == "" && test.branch.content != test.want && (len(b.messages) != 1 || b.messages[0] != "chore: raise the version of executors/encoders/Foo") {
				t.Errorf("the commits are %q", b.messages)
			}
		})
	}
}
