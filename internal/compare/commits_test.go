package compare_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
)

// listed is what GitHub's API knows about commits in a case; to any other question it answers 403.
type listed struct {
	// pullRequest is how many commits pull request 7 has by GitHub's list.
	pullRequest int
	// comparisons are by base...head, as the number of commits.
	comparisons map[string]int
}

// client is a client for this API. The questions it was asked are in asked.
func (l listed) client(t *testing.T, r repository) (client *forge.Client, asked func() []string) {
	t.Helper()
	var (
		mutex     sync.Mutex
		questions []string
	)
	note := func(question string) {
		mutex.Lock()
		defer mutex.Unlock()
		questions = append(questions, question)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/jina-ai/jina-hub/pulls/7/commits", func(w http.ResponseWriter, request *http.Request) {
		note("pull request")
		if l.pullRequest == 0 {
			forbid(w)
			return
		}
		answer(w, entries(l.pullRequest))
	})
	mux.HandleFunc("GET /repos/jina-ai/jina-hub/compare/{commits}", func(w http.ResponseWriter, request *http.Request) {
		question := r.names(request.PathValue("commits"))
		note(question)
		n, ok := l.comparisons[question]
		if !ok {
			forbid(w)
			return
		}
		answer(w, map[string]any{"total_commits": n, "commits": entries(n)})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client, err := forge.New(server.URL, "jina-ai/jina-hub", "")
	if err != nil {
		t.Fatal(err)
	}
	return client, func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return questions
	}
}

// entries are GitHub's entries for n commits, named c0, c1 and so on.
func entries(n int) []map[string]any {
	var all []map[string]any
	for i := range n {
		all = append(all, map[string]any{"sha": fmt.Sprintf("c%d", i), "commit": map[string]string{"message": "feat: a"}, "parents": []map[string]string{{"sha": "p"}}})
	}
	return all
}

// numbered are the names of n commits.
func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("c%d", i))
	}
	return all
}

func TestCommits(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	staleSHA := pullRequest
	staleSHA.Head = "4444444444444444444444444444444444444444"
	cases := []struct {
		name  string
		event event.Event
		// checkout and depth are what actions/checkout was told; depth 0 is everything.
		checkout string
		depth    int
		listed   listed
		want     []string
		asks     []string
	}{
		{name: "a pull request's merge, with everything", event: pullRequest, checkout: merge, want: []string{head}},
		{name: "a pull request's merge, after the pull request went on", event: staleSHA, checkout: merge, want: []string{head}},
		{name: "a pull request's merge, checked out on pull_request_target", event: fromTheBase, checkout: merge, want: []string{head}},
		{name: "a pull request's head, with everything", event: pullRequest, checkout: head, want: []string{head}},
		{
			name: "a pull request's merge, with fetch-depth 2", event: pullRequest, checkout: merge, depth: 2,
			listed: listed{pullRequest: 2}, want: numbered(2), asks: []string{"pull request"},
		},
		{
			name: "a pull request's head, with fetch-depth 1", event: pullRequest, checkout: head, depth: 1,
			listed: listed{pullRequest: 2}, want: numbered(2), asks: []string{"pull request"},
		},
		{
			name: "the base instead of the pull request", event: fromTheBase, checkout: base,
			listed: listed{pullRequest: 2}, want: numbered(2), asks: []string{"pull request"},
		},
		{
			name: "a shallow pull request of more commits than GitHub lists", event: pullRequest, checkout: merge, depth: 2,
			listed: listed{pullRequest: 250, comparisons: map[string]int{"fork...head": 251}}, want: numbered(251), asks: []string{"pull request", "fork...head"},
		},
		{
			name: "a shallow pull request whose commits the token may not list", event: pullRequest, checkout: merge, depth: 2,
			listed: listed{comparisons: map[string]int{"fork...head": 2}}, want: numbered(2), asks: []string{"pull request", "fork...head"},
		},
		{name: "a merge group, with everything", event: mergeGroup, checkout: merge, want: []string{head, merge}},
		{
			name: "a merge group, with fetch-depth 2", event: mergeGroup, checkout: merge, depth: 2,
			listed: listed{comparisons: map[string]int{"base...merge": 2}}, want: numbered(2), asks: []string{"base...merge"},
		},
		{name: "a push", event: push, checkout: base},
		{name: "a run by hand", event: event.Event{Name: "workflow_dispatch"}, checkout: base},
		{name: "no event", checkout: head},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, asked := c.listed.client(t, r)
			commits, err := compare.Commits(t.Context(), r.event(c.event), r.Fetch(t, refs+c.checkout, c.depth).Open(t), api)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, commit := range commits {
				got = append(got, r.names(commit.Hash))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("the commits are %q, want %q", got, c.want)
			}
			if questions := asked(); !slices.Equal(questions, c.asks) {
				t.Errorf("GitHub was asked for %q, want %q", questions, c.asks)
			}
		})
	}
}

func TestCommitsRefuses(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	workspace := r.Fetch(t, refs+merge, 2)
	api, _ := listed{}.client(t, r)
	for _, c := range []struct {
		name  string
		event event.Event
		api   compare.CommitsAPI
		want  []string
	}{
		{"a shallow pull request whose commits GitHub does not tell", pullRequest, api, []string{"pull request #7", "`fetch-depth: 0`", "`pull-requests: read`", "403"}},
		{"a shallow merge group whose commits GitHub does not tell", mergeGroup, api, []string{"merge group", "`fetch-depth: 0`", "`contents: read`", "403"}},
		{"a shallow pull request without GitHub", pullRequest, compare.NoAPI{}, []string{"pull request #7", "`fetch-depth: 0`", "GITHUB_REPOSITORY"}},
		{"a shallow merge group without GitHub", mergeGroup, compare.NoAPI{}, []string{"merge group", "`fetch-depth: 0`", "GITHUB_REPOSITORY"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := compare.Commits(t.Context(), r.event(c.event), workspace.Open(t), c.api)
			if err == nil {
				t.Fatalf("it found %+v", got)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q; it should say %q", err, want)
				}
			}
		})
	}
}

func TestCommitsWithoutACommit(t *testing.T) {
	t.Parallel()
	var got []history.Commit
	got, err := compare.Commits(t.Context(), event.Event{Name: "pull_request"}, historytest.New(t).Open(t), compare.NoAPI{})
	if err == nil {
		t.Errorf("a repository without a commit: got %+v", got)
	}
}
