package forge_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jina/hub-publish/internal/forge"
)

const (
	earlier = "0123456789012345678901234567890123456789"
	merge   = "4444444444444444444444444444444444444444"

	pullsOf   = "GET /repos/jina-ai/jina-hub/commits/{commit}/pulls"
	reviewsOf = "GET /repos/jina-ai/jina-hub/pulls/{number}/reviews"
	levelOf   = "GET /repos/jina-ai/jina-hub/collaborators/{user}/permission"
	commitsOf = "GET /repos/jina-ai/jina-hub/commits"
)

// account is one on GitHub, and what it may do in the repository.
type account struct {
	id               int64
	kind, permission string
}

var accounts = map[string]account{
	"grace":           {1906, "User", "write"}, // who opens pull requests
	"Grace":           {9906, "User", "write"},
	"renamed":         {1906, "User", "write"},
	"ada":             {1815, "User", "write"},
	"linus":           {1969, "User", "admin"},
	"mallory":         {666, "User", "read"},
	"trent":           {667, "User", "none"},
	"dependabot[bot]": {49699333, "Bot", "write"},
	"helper":          {777, "Bot", "write"},
	"fake[BOT]":       {778, "User", "write"},
}

// recorded is an object as GitHub writes it, but for some fields, which dots divide into names.
func recorded(t *testing.T, name string, but map[string]any) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "approvals", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	for field, value := range but {
		in, names := object, strings.Split(field, ".")
		for _, name := range names[:len(names)-1] {
			in = in[name].(map[string]any)
		}
		last := names[len(names)-1]
		if _, ok := in[last]; !ok {
			t.Fatalf("GitHub's %s has no %s", name, field)
		}
		in[last] = value
	}
	return object
}

// review is one with a state of the last state of the pull request, or of the commit that is named. Without a reviewer, the
// account was deleted.
type review struct{ by, state, of string }

func (r review) answer(t *testing.T) map[string]any {
	but := map[string]any{"state": r.state, "commit_id": cmp.Or(r.of, head)}
	if a, ok := accounts[r.by]; ok {
		maps.Copy(but, map[string]any{"user.login": r.by, "user.id": a.id, "user.type": a.kind})
	} else {
		but["user"] = nil
	}
	if r.of == "null" {
		but["commit_id"] = nil
	}
	return recorded(t, "review", but)
}

// request is a pull request of grace's, merged into main, with what differs from the recorded one.
type request struct {
	number  int
	but     map[string]any
	reviews []review
}

func (r request) answer(t *testing.T) map[string]any {
	but := map[string]any{"number": r.number, "html_url": fmt.Sprint("https://github.com/jina-ai/jina-hub/pull/", r.number)}
	maps.Copy(but, r.but)
	return recorded(t, "pull", but)
}

// forgeWith is GitHub with the pull requests that brought commits. trouble answers in its place where it has a status for the
// question.
func forgeWith(t *testing.T, brought map[string][]request, trouble map[string]int) *github {
	t.Helper()
	handlers := map[string]http.HandlerFunc{
		pullsOf: func(w http.ResponseWriter, r *http.Request) {
			pulls := []map[string]any{}
			for _, p := range brought[r.PathValue("commit")] {
				pulls = append(pulls, p.answer(t))
			}
			page(w, r, pulls, func(all []map[string]any) any { return all })
		},
		reviewsOf: func(w http.ResponseWriter, r *http.Request) {
			reviews := []map[string]any{}
			for _, p := range slices.Concat(slices.Collect(maps.Values(brought))...) {
				if fmt.Sprint(p.number) == r.PathValue("number") && len(reviews) == 0 {
					for _, one := range p.reviews {
						reviews = append(reviews, one.answer(t))
					}
				}
			}
			page(w, r, reviews, func(all []map[string]any) any { return all })
		},
		levelOf: func(w http.ResponseWriter, r *http.Request) {
			login := r.PathValue("user")
			answer(w, http.StatusOK, recorded(t, "permission", map[string]any{
				"permission": accounts[login].permission, "role_name": accounts[login].permission, "user.login": login, "user.id": accounts[login].id,
			}))
		},
	}
	for question, status := range trouble {
		handlers[question] = func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, "no") }
	}
	return serveAll(t, handlers)
}

// many are the same review many times.
func many(n int, one review) []review { return slices.Repeat([]review{one}, n) }

func TestApprovalCountsReviews(t *testing.T) {
	t.Parallel()
	// Each pull request costs a request for the list, and one for its reviews.
	const both = 2
	cases := []struct {
		name     string
		reviews  []review
		by, not  []string
		requests int32
	}{
		{"approved", []review{{"ada", "APPROVED", ""}}, []string{"ada"}, nil, both + 1},
		{"approved by two", []review{{"linus", "APPROVED", ""}, {"ada", "APPROVED", ""}}, []string{"ada", "linus"}, nil, both + 2},
		{"nobody reviewed it", nil, nil, nil, both},
		{"only comments", []review{{"ada", "COMMENTED", ""}, {"linus", "PENDING", ""}}, nil, nil, both},
		{"dismissed", []review{{"ada", "DISMISSED", ""}}, nil, []string{"ada's review was dismissed"}, both},
		{"approved again after a dismissal", []review{{"ada", "DISMISSED", earlier}, {"ada", "APPROVED", ""}}, []string{"ada"}, nil, both + 1},
		{"an earlier state", []review{{"ada", "APPROVED", earlier}}, nil, []string{"ada approved an earlier state (0123456789)"}, both},
		{"a state that is gone", []review{{"ada", "APPROVED", "null"}}, nil, []string{"ada approved an earlier state"}, both},
		{"an earlier state, then the last", []review{{"ada", "APPROVED", earlier}, {"ada", "APPROVED", ""}}, []string{"ada"}, nil, both + 1},
		{"one's own", []review{{"grace", "APPROVED", ""}}, nil, []string{"grace opened it"}, both},
		{"one's own by another name", []review{{"renamed", "APPROVED", ""}}, nil, []string{"renamed opened it"}, both},
		{"one's own by another spelling", []review{{"Grace", "APPROVED", ""}}, nil, []string{"Grace opened it"}, both},
		{"changes asked for", []review{{"ada", "CHANGES_REQUESTED", ""}}, nil, []string{"ada asked for changes"}, both},
		{"changes asked for after approving", []review{{"ada", "APPROVED", ""}, {"ada", "CHANGES_REQUESTED", ""}}, nil, []string{"ada asked for changes after approving"}, both},
		{"approved after asking for changes", []review{{"ada", "CHANGES_REQUESTED", earlier}, {"ada", "APPROVED", ""}}, []string{"ada"}, nil, both + 1},
		{"another asks for changes", []review{{"linus", "APPROVED", ""}, {"ada", "CHANGES_REQUESTED", ""}}, []string{"linus"}, []string{"ada asked for changes"}, both + 1},
		{"a comment after approving", []review{{"ada", "APPROVED", ""}, {"ada", "COMMENTED", ""}, {"ada", "PENDING", ""}}, []string{"ada"}, nil, both + 1},
		{"a bot", []review{{"dependabot[bot]", "APPROVED", ""}}, nil, []string{"dependabot[bot] is a bot"}, both},
		{"a bot by its type", []review{{"helper", "APPROVED", ""}}, nil, []string{"helper is a bot"}, both},
		{"a bot by its name", []review{{"fake[BOT]", "APPROVED", ""}}, nil, []string{"fake[BOT] is a bot"}, both},
		{"deleted accounts", []review{{"", "APPROVED", ""}, {"", "APPROVED", ""}}, nil, []string{"a reviewer's account was deleted"}, both},
		{"a stranger", []review{{"mallory", "APPROVED", ""}}, nil, []string{"mallory may not write to the repository"}, both + 1},
		{"a stranger to a private repository", []review{{"trent", "APPROVED", ""}}, nil, []string{"trent may not write to the repository"}, both + 1},
		{
			"some count",
			[]review{{"mallory", "APPROVED", ""}, {"ada", "APPROVED", ""}, {"linus", "APPROVED", earlier}, {"grace", "APPROVED", ""}},
			[]string{"ada"},
			[]string{"grace opened it", "linus approved an earlier state (0123456789)", "mallory may not write to the repository"},
			both + 2,
		},
		{"the last of a hundred reviews", append(many(99, review{"ada", "COMMENTED", ""}), review{"ada", "APPROVED", ""}), []string{"ada"}, nil, both + 1},
		{"approved on the second page", append(many(100, review{"ada", "CHANGES_REQUESTED", earlier}), review{"ada", "APPROVED", ""}), []string{"ada"}, nil, both + 2},
		{"changes asked for on the second page", append(many(100, review{"ada", "APPROVED", ""}), review{"ada", "CHANGES_REQUESTED", ""}), nil, []string{"ada asked for changes after approving"}, both + 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := forgeWith(t, map[string][]request{merge: {{7, nil, c.reviews}}}, nil)
			got, err := g.client(t, "token").Approval(t.Context(), merge, "main")
			want := forge.Approval{PullRequest: 7, URL: "https://github.com/jina-ai/jina-hub/pull/7", By: c.by, Not: c.not}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
			g.wantRequests(t, c.requests)
		})
	}
}

func TestApprovalFindsThePullRequest(t *testing.T) {
	t.Parallel()
	type fields = map[string]any
	ada, linus := review{"ada", "APPROVED", ""}, review{"linus", "APPROVED", ""}
	one := func(but fields) []request { return []request{{7, but, []review{ada}}} }
	cases := []struct {
		name   string
		commit string
		pulls  []request
		want   int // the pull request's number
		by     []string
	}{
		{"a merge", merge, one(nil), 7, []string{"ada"}},
		{"a commit that a merge brought", head, one(nil), 7, []string{"ada"}},
		{"an earlier commit that a merge brought", earlier, one(nil), 7, []string{"ada"}},
		{"a squash", merge, one(fields{"title": "feat: add Foo (#7)", "merge_commit_sha": merge}), 7, []string{"ada"}},
		{"a rebase, of which GitHub tells the last commit", earlier, one(fields{"merge_commit_sha": merge}), 7, []string{"ada"}},
		{"a fork's", merge, one(fields{"head.label": "grace:feat-foo", "head.repo.full_name": "grace/jina-hub", "head.repo.fork": true}), 7, []string{"ada"}},
		{"of a fork that is gone", merge, one(fields{"head.repo": nil}), 7, []string{"ada"}},
		{"of an account that is gone", merge, one(fields{"user": nil}), 7, []string{"ada"}},
		{"the repository by another spelling", merge, one(fields{"base.repo.full_name": "Jina-AI/jina-hub"}), 7, []string{"ada"}},
		{"none", merge, nil, 0, nil},
		{"one that is open", merge, one(fields{"state": "open", "merged_at": nil, "closed_at": nil}), 0, nil},
		{"one that was closed", merge, one(fields{"merged_at": nil}), 0, nil},
		{"one into another branch", merge, one(fields{"base.ref": "feat-all"}), 0, nil},
		{"one into a branch of another case", merge, one(fields{"base.ref": "Main"}), 0, nil},
		{"one into a fork", merge, one(fields{"base.repo.full_name": "mallory/jina-hub"}), 0, nil},
		{"one into a repository that is gone", merge, one(fields{"base.repo": nil}), 0, nil},
		{"one whose last state is not known", merge, []request{{7, fields{"head.sha": ""}, []review{{"ada", "APPROVED", "null"}}}}, 7, nil},
		{"the best approved", merge, []request{{5, nil, nil}, {6, nil, []review{ada, linus}}, {7, nil, []review{ada}}}, 6, []string{"ada", "linus"}},
		{"the first of two that are approved", merge, []request{{8, nil, []review{linus}}, {7, nil, []review{ada}}, {9, nil, []review{ada}}}, 7, []string{"ada"}},
		{"the first of two that are not", merge, []request{{8, nil, nil}, {7, nil, nil}}, 7, nil},
		{"the merged one", merge, []request{{7, fields{"merged_at": nil}, []review{ada, linus}}, {8, nil, []review{ada}}}, 8, []string{"ada"}},
		{"on a second page", merge, append(slices.Repeat([]request{{6, fields{"merged_at": nil}, nil}}, 100), one(nil)...), 7, []string{"ada"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := forgeWith(t, map[string][]request{c.commit: c.pulls}, nil)
			got, err := g.client(t, "token").Approval(t.Context(), c.commit, "main")
			if err != nil || got.PullRequest != c.want || !slices.Equal(got.By, c.by) {
				t.Errorf("got %+v, %v; want #%d, approved by %q", got, err, c.want, c.by)
			}
			if (got.URL == "") != (c.want == 0) {
				t.Errorf("the address is %q", got.URL)
			}
		})
	}
}

func TestApprovalIsNothingAfterARefusal(t *testing.T) {
	t.Parallel()
	for _, q := range []struct{ pattern, says, permission string }{
		{pullsOf, "list the pull requests that brought commit 4444444444", "pull-requests: read"},
		{reviewsOf, "list the reviews of pull request #7", "pull-requests: read"},
		{levelOf, "may write to the repository", "metadata: read"}, // of whoever is asked about first
	} {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity} {
			t.Run(fmt.Sprint(q.pattern, " ", status), func(t *testing.T) {
				t.Parallel()
				// Of two pull requests one may be known to be approved when the trouble comes.
				brought := map[string][]request{merge: {{7, nil, []review{{"linus", "APPROVED", ""}, {"ada", "APPROVED", ""}}}, {8, nil, nil}}}
				client := forgeWith(t, brought, map[string]int{q.pattern: status}).client(t, "token")
				for range 2 {
					got, err := client.Approval(t.Context(), merge, "main")
					if err == nil || !strings.Contains(err.Error(), q.says) {
						t.Errorf("the error is %v; it should say %q", err, q.says)
					}
					if named := err != nil && strings.Contains(err.Error(), "`"+q.permission+"`"); named == (status == http.StatusUnprocessableEntity) {
						t.Errorf("the error is %v; a refusal, and nothing else, should name the permission %s", err, q.permission)
					}
					if !reflect.DeepEqual(got, forge.Approval{}) {
						t.Errorf("got %+v with an error", got)
					}
				}
			})
		}
	}
}

func TestApprovalOfOneOfTwoThatCannotBeTold(t *testing.T) {
	t.Parallel()
	ada := []review{{"ada", "APPROVED", ""}}
	g := forgeWith(t, map[string][]request{merge: {{7, nil, ada}, {8, nil, ada}}}, map[string]int{"GET /repos/jina-ai/jina-hub/pulls/8/reviews": http.StatusForbidden})
	got, err := g.client(t, "token").Approval(t.Context(), merge, "main")
	if err == nil || !strings.Contains(err.Error(), "#8") || !reflect.DeepEqual(got, forge.Approval{}) {
		t.Errorf("got %+v, %v; want nothing, and an error that names #8", got, err)
	}
}

// TestApprovalIsAskedOnce asks about what is known: all of it, a pull request by another of its commits, a reviewer.
func TestApprovalIsAskedOnce(t *testing.T) {
	t.Parallel()
	seven := request{7, nil, []review{{"ada", "APPROVED", ""}}}
	eight := request{8, nil, []review{{"ada", "APPROVED", ""}}}
	g := forgeWith(t, map[string][]request{merge: {seven}, earlier: {seven}, base: {eight}}, nil)
	client := g.client(t, "token")
	for _, c := range []struct {
		name, commit, branch string
		pull                 int
		requests             int32 // until then
	}{
		{"a commit", merge, "main", 7, 3},
		{"the same", merge, "main", 7, 3},
		{"another of the same pull request", earlier, "main", 7, 4},
		{"another pull request with the same reviewer", base, "main", 8, 6},
		{"another branch", merge, "release", 0, 7},
		{"a commit that nothing brought", head, "main", 0, 8},
		{"the same commit that nothing brought", head, "main", 0, 8},
	} {
		got, err := client.Approval(t.Context(), c.commit, c.branch)
		if err != nil || got.PullRequest != c.pull {
			t.Errorf("%s: got %+v, %v; want #%d", c.name, got, err, c.pull)
		}
		if n := g.requests.Load(); n != c.requests {
			t.Errorf("%s: %d requests until then, want %d", c.name, n, c.requests)
		}
		if len(got.By) > 0 {
			got.By[0] = "mallory" // the next caller's are its own
		}
	}
	if got, err := client.Approval(t.Context(), merge, "main"); err != nil || !slices.Equal(got.By, []string{"ada"}) {
		t.Errorf("after a caller changed its answer: got %+v, %v", got, err)
	}
}

// TestApprovalIsSharedByWhoAsksAtOnce has one of those who wait give up: the others do not lose the answer.
func TestApprovalIsSharedByWhoAsksAtOnce(t *testing.T) {
	t.Parallel()
	asked, goOn := make(chan struct{}), make(chan struct{})
	inner := forgeWith(t, map[string][]request{merge: {{7, nil, []review{{"ada", "APPROVED", ""}}}}}, nil)
	g := serveAll(t, map[string]http.HandlerFunc{
		"/": inner.Config.Handler.ServeHTTP,
		pullsOf: func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			<-goOn
			inner.Config.Handler.ServeHTTP(w, r)
		},
	})
	client := g.client(t, "token")
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := client.Approval(ctx, merge, "main")
		gaveUp <- err
	}()
	<-asked
	var others sync.WaitGroup
	for range 10 {
		others.Go(func() {
			if got, err := client.Approval(t.Context(), merge, "main"); err != nil || !slices.Equal(got.By, []string{"ada"}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	cancel()
	if err := <-gaveUp; err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("who gave up got %v", err)
	}
	close(goOn)
	others.Wait()
	g.wantRequests(t, 3)
}

// TestApprovalIsAskedAgainAfterTrouble does not take trouble for an answer.
func TestApprovalIsAskedAgainAfterTrouble(t *testing.T) {
	t.Parallel()
	var once sync.Once
	inner := forgeWith(t, map[string][]request{merge: {{7, nil, []review{{"ada", "APPROVED", ""}}}}}, nil)
	g := serveAll(t, map[string]http.HandlerFunc{
		"/": inner.Config.Handler.ServeHTTP,
		reviewsOf: func(w http.ResponseWriter, r *http.Request) {
			refused := false
			once.Do(func() { refused = true; refuse(w, http.StatusForbidden, "no") })
			if !refused {
				inner.Config.Handler.ServeHTTP(w, r)
			}
		},
	})
	client := g.client(t, "token")
	if got, err := client.Approval(t.Context(), merge, "main"); err == nil {
		t.Errorf("got %+v", got)
	}
	if got, err := client.Approval(t.Context(), merge, "main"); err != nil || !slices.Equal(got.By, []string{"ada"}) {
		t.Errorf("the second time: got %+v, %v", got, err)
	}
}

func TestLastCommit(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"executors/encoders/Foo":  "per_page=1&path=executors/encoders/Foo&sha=" + head,
		"executors/encoders/Foo/": "per_page=1&path=executors/encoders/Foo&sha=" + head,
		"a b&c":                   "per_page=1&path=a b&c&sha=" + head,
		".":                       "per_page=1&path=&sha=" + head,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			g := serve(t, commitsOf, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				if got := fmt.Sprintf("per_page=%s&path=%s&sha=%s", q.Get("per_page"), q.Get("path"), q.Get("sha")); got != want {
					t.Errorf("it asks for %s, want %s", got, want)
				}
				answer(w, http.StatusOK, []any{recorded(t, "commit", nil)})
			})
			if got, err := g.client(t, "").LastCommit(t.Context(), head, path); err != nil || got != merge {
				t.Errorf("got %q, %v; want %q", got, err, merge)
			}
			g.wantRequests(t, 1)
		})
	}
}

func TestLastCommitThatGitHubDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]any{"an empty list": []any{}, "a commit without a name": []any{recorded(t, "commit", map[string]any{"sha": ""})}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, commitsOf, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, answered) })
			got, err := g.client(t, "").LastCommit(t.Context(), head, "executors/Foo")
			if err == nil || got != "" || !strings.Contains(err.Error(), "executors/Foo") || !strings.Contains(err.Error(), "2222222222") {
				t.Errorf("got %q, %v; the error should name the path and the commit", got, err)
			}
		})
	}
}

func TestLastCommitRefusalNamesThePermission(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			g := serve(t, commitsOf, func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, "Not Found") })
			got, err := g.client(t, "token").LastCommit(t.Context(), head, "executors/Foo")
			if err == nil || got != "" || !strings.Contains(err.Error(), "`contents: read`") {
				t.Errorf("got %q, %v; the error should name the permission", got, err)
			}
			g.wantRequests(t, 1)
		})
	}
}
