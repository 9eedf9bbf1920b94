package forge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/forge"
)

const ourself = "github-actions[bot]"

// comment is as GitHub writes it.
type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	User struct {
		Login string `json:"login"`
		Type  string `json:"type"`
	} `json:"user"`
}

// talk is a pull request's conversation. It notes what is done to it.
type talk struct {
	*testing.T
	comments []comment
	done     []string
	// trouble answers a request in GitHub's place where it returns true.
	trouble func(http.ResponseWriter, *http.Request) bool
}

func (k *talk) add(login, body string) {
	c := comment{ID: int64(len(k.comments) + len(k.done) + 1), Body: body}
	c.User.Login, c.User.Type = login, "Bot"
	k.comments = append(k.comments, c)
}

func (k *talk) serve() *github {
	const repo = "/repos/jina-ai/jina-hub"
	handlers := map[string]http.HandlerFunc{
		"POST /graphql": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]string{"login": ourself}}})
		},
		"GET " + repo + "/issues/7/comments": func(w http.ResponseWriter, r *http.Request) {
			page(w, r, k.comments, func(all []comment) any { return all })
		},
		"POST " + repo + "/issues/7/comments": func(w http.ResponseWriter, r *http.Request) {
			k.add(ourself, k.read(r))
			k.done = append(k.done, "create")
			answer(w, http.StatusCreated, k.comments[len(k.comments)-1])
		},
		"PATCH " + repo + "/issues/comments/{id}": func(w http.ResponseWriter, r *http.Request) {
			i := k.find(r)
			k.comments[i].Body = k.read(r)
			k.done = append(k.done, "edit")
			answer(w, http.StatusOK, k.comments[i])
		},
		"DELETE " + repo + "/issues/comments/{id}": func(w http.ResponseWriter, r *http.Request) {
			i := k.find(r)
			k.comments = slices.Delete(k.comments, i, i+1)
			k.done = append(k.done, "delete")
			w.WriteHeader(http.StatusNoContent)
		},
	}
	for pattern, handler := range handlers {
		handlers[pattern] = func(w http.ResponseWriter, r *http.Request) {
			if k.trouble == nil || !k.trouble(w, r) {
				handler(w, r)
			}
		}
	}
	return serveAll(k.T, handlers)
}

func (k *talk) read(r *http.Request) string {
	var c comment
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		k.Error(err)
	}
	return c.Body
}

func (k *talk) find(r *http.Request) int {
	i := slices.IndexFunc(k.comments, func(c comment) bool { return fmt.Sprint(c.ID) == r.PathValue("id") })
	if i < 0 {
		k.Fatalf("there is no comment %s", r.PathValue("id"))
	}
	return i
}

// own are the texts of our comments as people see them.
func (k *talk) own() []string {
	var all []string
	for _, c := range k.comments {
		if _, text, ok := strings.Cut(c.Body, "-->\n"); ok && c.User.Login == ourself {
			all = append(all, text)
		}
	}
	return all
}

func TestComment(t *testing.T) {
	t.Parallel()
	const failing, passing = "<!-- hub-publish: failing -->\n", "<!-- hub-publish: passing -->\n"
	type said struct{ login, body string }
	var chatter []said
	for i := range 250 {
		chatter = append(chatter, said{"someone", fmt.Sprint("remark ", i)})
	}
	for name, c := range map[string]struct {
		before []said
		done   string
		asked  int32
	}{
		"the first one":                         {nil, "create", 2},
		"the state stays":                       {[]said{{ourself, failing + "old"}}, "edit", 3},
		"nothing changes":                       {[]said{{ourself, failing + "new"}}, "", 2},
		"the state flips":                       {[]said{{ourself, passing + "old"}}, "create delete", 4},
		"a flip that was not finished":          {[]said{{ourself, passing + "older"}, {ourself, failing + "old"}}, "edit delete", 4},
		"one that was sent twice":               {[]said{{ourself, failing + "new"}, {ourself, failing + "new"}}, "delete", 3},
		"behind others', on the last page":      {append(slices.Clone(chatter), said{ourself, failing + "old"}), "edit", 5},
		"a stranger with our mark":              {[]said{{"stranger", failing + "old"}}, "create", 3},
		"another bot with our mark":             {[]said{{"other[bot]", passing + "old"}, {ourself, failing + "old"}}, "edit", 3},
		"our mark, quoted":                      {[]said{{ourself, "> " + failing + "old"}}, "create", 2},
		"another comment of the token's own":    {[]said{{ourself, "coverage: 80 %"}}, "create", 2},
		"a mark whose state is one that is not": {[]said{{ourself, "<!-- hub-publish: odd -->\nold"}}, "create delete", 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &talk{T: t}
			for _, s := range c.before {
				k.add(s.login, s.body)
			}
			strangers := len(c.before) - len(k.own())
			g := k.serve()
			if err := g.client(t, "token").Comment(t.Context(), 7, "new", forge.Failing); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(k.done, " "); got != c.done {
				t.Errorf("did %q, want %q", got, c.done)
			}
			if own := k.own(); name != "our mark, quoted" && !slices.Equal(own, []string{"new"}) {
				t.Errorf("our comments are %q", own)
			}
			if n := len(k.comments) - len(k.own()); n != strangers {
				t.Errorf("%d comments of others are left of %d", n, strangers)
			}
			g.wantRequests(t, c.asked)
		})
	}
}

// TestCommentAsksAServerOfOnesOwn has GraphQL beside the REST API, not below it.
func TestCommentAsksAServerOfOnesOwn(t *testing.T) {
	t.Parallel()
	var asked atomic.Bool
	g := serveAll(t, map[string]http.HandlerFunc{
		"GET /api/v3/repos/jina-ai/jina-hub/issues/7/comments": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, []map[string]any{{"id": 1, "body": "<!-- hub-publish: passing -->\nnew", "user": map[string]string{"login": ourself}}})
		},
		"POST /api/graphql": func(w http.ResponseWriter, _ *http.Request) {
			asked.Store(true)
			answer(w, http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]string{"login": ourself}}})
		},
	})
	client, err := forge.New(g.URL+"/api/v3", "jina-ai/jina-hub", "token")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Comment(t.Context(), 7, "new", forge.Passing); err != nil || !asked.Load() {
		t.Errorf("asked: %t, %v", asked.Load(), err)
	}
}

func TestCommentRefusals(t *testing.T) {
	t.Parallel()
	const forbidden = "Resource not accessible by integration"
	for name, c := range map[string]struct {
		method string
		status int
		answer any
		want   []string
	}{
		"no permission to list":      {"GET", http.StatusForbidden, map[string]string{"message": forbidden}, []string{forbidden, "`pull-requests: write`"}},
		"no permission to write":     {"POST /repos", http.StatusForbidden, map[string]string{"message": forbidden}, []string{forbidden, "`pull-requests: write`"}},
		"no permission to edit":      {"PATCH", http.StatusForbidden, map[string]string{"message": forbidden}, []string{forbidden, "`pull-requests: write`"}},
		"out of sight":               {"POST /repos", http.StatusNotFound, map[string]string{"message": "Not Found"}, []string{"Not Found", "`pull-requests: write`"}},
		"a body that GitHub minds":   {"POST /repos", http.StatusUnprocessableEntity, map[string]string{"message": "Body is too long"}, []string{"comment on pull request #7", "Body is too long"}},
		"GraphQL without an answer":  {"POST /graphql", http.StatusOK, map[string]any{"errors": []map[string]string{{"message": "Something went wrong"}}}, []string{"comment on pull request #7", "Something went wrong"}},
		"GraphQL that knows nothing": {"POST /graphql", http.StatusOK, map[string]any{}, []string{"does not say whose the token is"}},
		"no permission to remove":    {"DELETE", http.StatusForbidden, map[string]string{"message": forbidden}, []string{"older comment", "`pull-requests: write`"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &talk{T: t, trouble: func(w http.ResponseWriter, r *http.Request) bool {
				hit := strings.HasPrefix(r.Method+" "+r.URL.Path, c.method)
				if hit {
					answer(w, c.status, c.answer)
				}
				return hit
			}}
			state := forge.Passing // flips
			if c.method == "PATCH" {
				state = forge.Failing
			}
			k.add(ourself, "<!-- hub-publish: failing -->\nold")
			err := k.serve().client(t, "token").Comment(t.Context(), 7, "new", state)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v; it should say %s", err, want)
				}
			}
		})
	}
}

// TestCommentThatIsGone has somebody remove the old comment between two requests.
func TestCommentThatIsGone(t *testing.T) {
	t.Parallel()
	k := &talk{T: t, trouble: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			refuse(w, http.StatusNotFound, "Not Found")
		}
		return r.Method == http.MethodDelete
	}}
	k.add(ourself, "<!-- hub-publish: failing -->\nold")
	if err := k.serve().client(t, "token").Comment(t.Context(), 7, "new", forge.Passing); err != nil {
		t.Error(err)
	}
}

func TestCommentPassingTroubleIsRetried(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(http.ResponseWriter){
		"a server's fault": func(w http.ResponseWriter) { refuse(w, http.StatusServiceUnavailable, "Service unavailable") },
		"too many requests": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "You have exceeded a secondary rate limit")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			k := &talk{T: t, trouble: func(w http.ResponseWriter, r *http.Request) bool {
				first := r.Method == http.MethodPost && asked.Add(1) == 1
				if first {
					trouble(w)
				}
				return first
			}}
			start := time.Now()
			if err := k.serve().client(t, "token").Comment(t.Context(), 7, "new", forge.Passing); err != nil || len(k.own()) != 1 {
				t.Errorf("%d comments, %v", len(k.own()), err)
			}
			if waited := time.Since(start); waited < 400*time.Millisecond {
				t.Errorf("the second request came after %s", waited)
			}
		})
	}
}
