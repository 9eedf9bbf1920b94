package forge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/forge"
)

// remark is a comment on a line as GitHub writes it; the line is null where the line has changed since.
type remark struct {
	Path     string `json:"path"`
	Line     *int   `json:"line"`
	Side     string `json:"side"`
	CommitID string `json:"commit_id"`
	Body     string `json:"body"`
}

// changed is a file of a pull request with its diff.
type changed struct {
	Name   string `json:"filename"`
	Status string `json:"status"`
	Patch  string `json:"patch,omitempty"`
}

// reviewed is a pull request that takes reviews. It notes how many comments each request had.
type reviewed struct {
	*testing.T
	files   []changed
	remarks []remark
	asked   []int
	// minds reports a comment that GitHub refuses.
	minds func(remark) bool
}

func (p *reviewed) serve() *github {
	const pull = "/repos/jina-ai/jina-hub/pulls/7/"
	return serveAll(p.T, map[string]http.HandlerFunc{
		"GET " + pull + "files": func(w http.ResponseWriter, r *http.Request) {
			page(w, r, p.files, func(all []changed) any { return all })
		},
		"GET " + pull + "comments": func(w http.ResponseWriter, r *http.Request) {
			page(w, r, p.remarks, func(all []remark) any { return all })
		},
		"POST " + pull + "reviews": func(w http.ResponseWriter, r *http.Request) {
			var review struct {
				CommitID string   `json:"commit_id"`
				Event    string   `json:"event"`
				Body     string   `json:"body"`
				Comments []remark `json:"comments"`
			}
			if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.CommitID != head || review.Event != "COMMENT" || review.Body == "" {
				p.Errorf("the review is %+v, %v", review, err)
			}
			p.take(w, http.StatusOK, review.Comments)
		},
		"POST " + pull + "comments": func(w http.ResponseWriter, r *http.Request) {
			var one remark
			if err := json.NewDecoder(r.Body).Decode(&one); err != nil || one.CommitID != head {
				p.Errorf("the comment is %+v, %v", one, err)
			}
			p.take(w, http.StatusCreated, []remark{one})
		},
	})
}

// take takes all comments or none, as GitHub does.
func (p *reviewed) take(w http.ResponseWriter, status int, remarks []remark) {
	p.asked = append(p.asked, len(remarks))
	for _, r := range remarks {
		if r.Side != "RIGHT" || r.Line == nil || p.minds != nil && p.minds(r) {
			answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Unprocessable Entity", "errors": []string{"Line could not be resolved"}})
			return
		}
	}
	p.remarks = append(p.remarks, remarks...)
	answer(w, status, map[string]any{"id": 1})
}

// a diff of a file with two changed places; the head has a line more than the base between them.
const patch = "@@ -1,4 +1,5 @@ name: before\n name: Good\n-kind: encoder\n+knid: encodr\n+version: 1.0\r\n type: pod\n \n" +
	"@@ -20 +21,2 @@\n-license: mitt\n+license: mitt \n+avatar: x\n\\ No newline at end of file"

func suggestion(line int, old, text string) forge.Suggestion {
	return forge.Suggestion{Path: "a/manifest.yml", Line: line, Old: old, New: text, Message: "[rule](help) wrong"}
}

// TestSuggestOnShownLines has suggestions on every kind of line; those that cannot stand are handed back.
func TestSuggestOnShownLines(t *testing.T) {
	t.Parallel()
	p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "modified", patch}, {"a/model.bin", "added", ""}}}
	for i := range 120 { // GitHub lists a hundred a page
		p.files = append([]changed{{fmt.Sprintf("file-%03d", i), "added", "@@ -0,0 +1 @@\n+x"}}, p.files...)
	}
	stand := []forge.Suggestion{
		suggestion(1, "name: Good", "name: Better"), // shown, not changed
		suggestion(2, "knid: encodr", "kind: encoder"),
		suggestion(3, "version: 1.0", "version: 1.0.0"), // ends with CRLF
		suggestion(21, "license: mitt ", "license: mit"),
		suggestion(22, "avatar: x", "avatar: https://example.com"),
	}
	elsewhere := suggestion(1, "x", "y")
	elsewhere.Path = "a/model.bin"
	stranger := suggestion(1, "x", "y")
	stranger.Path = "b/manifest.yml"
	fall := []forge.Suggestion{
		suggestion(10, "keywords:", "keywords: []"),     // between the two places
		suggestion(2, "kind: encoder", "kind: indexer"), // what the line was
		suggestion(0, "", "x"),
		elsewhere, stranger,
	}
	left, err := p.serve().client(t, "token").Suggest(t.Context(), 7, head, append(slices.Clone(stand), fall...))
	if err != nil || !slices.Equal(left, fall) {
		t.Errorf("left %+v, %v", left, err)
	}
	if !slices.Equal(p.asked, []int{5}) {
		t.Errorf("the requests had %d comments, want one review with 5", p.asked)
	}
	const want = "<!-- hub-publish -->\n[rule](help) wrong\n\n```suggestion\nkind: encoder\n```"
	if got := p.remarks[1]; got.Path != "a/manifest.yml" || *got.Line != 2 || got.Body != want {
		t.Errorf("got %+v on line %d, want %q", got, *got.Line, want)
	}
}

// TestSuggestIsNotRepeated runs twice; the second time one of two suggestions stands no more, since its line changed.
func TestSuggestIsNotRepeated(t *testing.T) {
	t.Parallel()
	p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "modified", patch}}}
	for range 150 { // others', on more than a page
		p.remarks = append(p.remarks, remark{Path: "a/manifest.yml", Body: "nice"})
	}
	client := p.serve().client(t, "token")
	two := []forge.Suggestion{suggestion(2, "knid: encodr", "kind: encoder"), suggestion(22, "avatar: x", "avatar: y")}
	for range 2 {
		if left, err := client.Suggest(t.Context(), 7, head, two); err != nil || len(left) > 0 {
			t.Errorf("left %+v, %v", left, err)
		}
	}
	if !slices.Equal(p.asked, []int{2}) {
		t.Errorf("the requests had %d comments, want 2 in one", p.asked)
	}
	p.remarks[150].Line = nil
	p.remarks[151].Body = strings.ReplaceAll(p.remarks[151].Body, "\n", "\r\n")
	if _, err := client.Suggest(t.Context(), 7, head, two); err != nil || !slices.Equal(p.asked, []int{2, 1}) {
		t.Errorf("the requests had %d comments, %v", p.asked, err)
	}
}

// TestSuggestMany has more than one review takes.
func TestSuggestMany(t *testing.T) {
	t.Parallel()
	diff := "@@ -0,0 +1,70 @@"
	var all []forge.Suggestion
	for i := range 70 {
		diff += "\n+wrong"
		all = append(all, suggestion(i+1, "wrong", "right"))
	}
	p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "added", diff}}}
	left, err := p.serve().client(t, "token").Suggest(t.Context(), 7, head, all)
	if err != nil || len(left) > 0 || !slices.Equal(p.asked, []int{30, 30, 10}) || len(p.remarks) != 70 {
		t.Errorf("the requests had %d comments, %d are left, %v", p.asked, len(left), err)
	}
}

// TestSuggestLosesOne has GitHub refuse one of three: the others stand.
func TestSuggestLosesOne(t *testing.T) {
	t.Parallel()
	p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "modified", patch}}, minds: func(r remark) bool { return *r.Line == 2 }}
	all := []forge.Suggestion{suggestion(1, "name: Good", "x"), suggestion(2, "knid: encodr", "x"), suggestion(22, "avatar: x", "x")}
	left, err := p.serve().client(t, "token").Suggest(t.Context(), 7, head, all)
	if err != nil || !slices.Equal(left, all[1:2]) {
		t.Errorf("left %+v, %v", left, err)
	}
	if !slices.Equal(p.asked, []int{3, 1, 1, 1}) || len(p.remarks) != 2 {
		t.Errorf("the requests had %d comments, and %d stand", p.asked, len(p.remarks))
	}
}

// TestSuggestFences has a text that would end the suggestion it is in.
func TestSuggestFences(t *testing.T) {
	t.Parallel()
	p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "modified", patch}}}
	if _, err := p.serve().client(t, "token").Suggest(t.Context(), 7, head, []forge.Suggestion{suggestion(22, "avatar: x", "````\n@user")}); err != nil {
		t.Fatal(err)
	}
	if got := p.remarks[0].Body; !strings.HasSuffix(got, "\n`````suggestion\n````\n@user\n`````") {
		t.Errorf("got %q", got)
	}
}

func TestSuggestNothingAsksNothing(t *testing.T) {
	t.Parallel()
	p := &reviewed{T: t}
	g := p.serve()
	if left, err := g.client(t, "token").Suggest(t.Context(), 7, head, nil); left != nil || err != nil {
		t.Errorf("left %+v, %v", left, err)
	}
	g.wantRequests(t, 0)
}

func TestSuggestRefusalNamesThePermission(t *testing.T) {
	t.Parallel()
	const pull = "/repos/jina-ai/jina-hub/pulls/7/"
	for _, at := range []string{"GET " + pull + "files", "GET " + pull + "comments", "POST " + pull + "reviews"} {
		for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
			t.Run(fmt.Sprint(at, " ", status), func(t *testing.T) {
				t.Parallel()
				p := &reviewed{T: t, files: []changed{{"a/manifest.yml", "modified", patch}}}
				inner := p.serve()
				g := serveAll(t, map[string]http.HandlerFunc{
					"/": inner.Config.Handler.ServeHTTP,
					at: func(w http.ResponseWriter, _ *http.Request) {
						refuse(w, status, "Resource not accessible by integration")
					},
				})
				_, err := g.client(t, "token").Suggest(t.Context(), 7, head, []forge.Suggestion{suggestion(2, "knid: encodr", "x")})
				if err == nil || !strings.Contains(err.Error(), "`pull-requests: write`") {
					t.Errorf("the error is %v; it should name the permission", err)
				}
			})
		}
	}
}
