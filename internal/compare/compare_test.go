package compare_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
)

type files = historytest.Files

// A case speaks of commits by these names. The branch main went on from fork to base while the branch topic got to
// head; merge is what GitHub makes of the two.
//
//	fork ── base ── merge
//	   └─── head ───┘
const (
	fork  = "fork"
	base  = "base"
	head  = "head"
	merge = "merge"

	refs = "refs/commits/"
)

const (
	manifest = "executors/encoders/Foo/manifest.yml"
	// The manifest is "1" at fork and base, and "2" at head and merge.
	readme = "README.md"
	// The readme is added by base.
)

type repository struct {
	*historytest.Repository
	commits map[string]string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{historytest.New(t), map[string]string{}}
	r.commits[fork] = r.Commit(t, files{manifest: "1"})
	r.commits[base] = r.Commit(t, files{readme: "Read me."})
	r.Checkout(t, r.commits[fork])
	r.commits[head] = r.Commit(t, files{manifest: "2"})
	r.Checkout(t, r.commits[base])
	r.commits[merge] = r.Commit(t, files{manifest: "2"}, r.commits[base], r.commits[head])
	for name, commit := range r.commits {
		r.SetRef(t, refs+name, commit)
	}
	r.SetRef(t, "refs/heads/main", r.commits[base])
	r.SetRef(t, "refs/heads/topic", r.commits[head])
	r.Checkout(t, r.commits[base])
	return r
}

// hash is the commit of a name; what is no name is left as it is.
func (r repository) hash(name string) string {
	if commit, ok := r.commits[name]; ok {
		return commit
	}
	return name
}

// names writes a text with the commits' names.
func (r repository) names(text string) string {
	for name, commit := range r.commits {
		text = strings.ReplaceAll(text, commit, name)
	}
	return text
}

// github is what GitHub's API knows in a case; to any other question it answers 403.
type github struct {
	// pullRequest are the files of pull request 7.
	pullRequest []string
	// comparisons are by base...head, as the merge base and the files.
	comparisons map[string][]string
	// contents are by commit:path.
	contents map[string]string
}

// many are more files than GitHub lists for a comparison, fewer than it does for a pull request.
func many() []string { return slices.Repeat([]string{manifest}, 300) }

// client is a client for this API. The questions it was asked are in asked.
func (g github) client(t *testing.T, r repository) (client *forge.Client, asked func() []string) {
	t.Helper()
	var (
		mutex     sync.Mutex
		questions []string
	)
	note := func(format string, args ...any) string {
		mutex.Lock()
		defer mutex.Unlock()
		question := r.names(fmt.Sprintf(format, args...))
		questions = append(questions, question)
		return question
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/jina-ai/jina-hub/pulls/7/files", func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		page = max(page, 1)
		if page == 1 {
			note("pull request")
		}
		if g.pullRequest == nil {
			forbid(w)
			return
		}
		from, to := min((page-1)*100, len(g.pullRequest)), min(page*100, len(g.pullRequest))
		if to < len(g.pullRequest) {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?per_page=100&page=%d>; rel="next"`, r.Host, r.URL.Path, page+1))
		}
		answer(w, changed(g.pullRequest[from:to]))
	})
	mux.HandleFunc("GET /repos/jina-ai/jina-hub/compare/{commits}", func(w http.ResponseWriter, request *http.Request) {
		found, ok := g.comparisons[note("%s", request.PathValue("commits"))]
		if !ok {
			forbid(w)
			return
		}
		answer(w, map[string]any{"merge_base_commit": map[string]string{"sha": r.hash(found[0])}, "files": changed(found[1:])})
	})
	mux.HandleFunc("GET /repos/jina-ai/jina-hub/contents/{path...}", func(w http.ResponseWriter, r *http.Request) {
		content, ok := g.contents[note("%s:%s", r.URL.Query().Get("ref"), r.PathValue("path"))]
		if !ok {
			http.Error(w, `{"message": "Not Found"}`, http.StatusNotFound)
			return
		}
		answer(w, map[string]string{"type": "file", "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(content))})
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

// changed are GitHub's entries for paths; a minus before a path says that the file is removed.
func changed(paths []string) []map[string]string {
	entries := []map[string]string{}
	for _, p := range paths {
		status := "modified"
		if path, removed := strings.CutPrefix(p, "-"); removed {
			p, status = path, "removed"
		}
		entries = append(entries, map[string]string{"filename": p, "status": status})
	}
	return entries
}

func answer(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }

func forbid(w http.ResponseWriter) {
	http.Error(w, `{"message": "Resource not accessible by integration"}`, http.StatusForbidden)
}

func written(changes []history.Change) []string {
	slices.SortStableFunc(changes, func(a, b history.Change) int { return cmp.Compare(a.Path, b.Path) })
	var paths []string
	for _, c := range changes {
		if c.Removed {
			paths = append(paths, "-"+c.Path)
		} else {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

var (
	pullRequest = event.Event{Name: "pull_request", Ref: "refs/pull/7/merge", SHA: merge, DefaultBranch: "main", PullRequest: 7, Base: fork, Head: head}
	fromTheBase = event.Event{Name: "pull_request_target", Ref: "refs/heads/main", SHA: base, DefaultBranch: "main", PullRequest: 7, Base: fork, Head: head}
	mergeGroup  = event.Event{Name: "merge_group", Ref: "refs/heads/gh-readonly-queue/main/pr-7", SHA: merge, DefaultBranch: "main", Base: base, Head: merge}
	push        = event.Event{Name: "push", Ref: "refs/heads/main", SHA: base, DefaultBranch: "main", Before: fork}
	firstPush   = event.Event{Name: "push", Ref: "refs/heads/main", SHA: base, DefaultBranch: "main"}
	newBranch   = event.Event{Name: "push", Ref: "refs/heads/topic", SHA: head, DefaultBranch: "main"}
	newTag      = event.Event{Name: "push", Ref: "refs/tags/v1", SHA: head, DefaultBranch: "main"}
	forced      = event.Event{Name: "push", Ref: "refs/heads/main", SHA: base, DefaultBranch: "main", Before: head, Forced: true}
)

func TestFind(t *testing.T) {
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
		github   github
		wantBase string
		want     []string
		// asks are the questions that GitHub must get, those for the manifest at the base included.
		asks []string
	}{
		{
			name: "a pull request's merge, with fetch-depth 2", event: pullRequest, checkout: merge, depth: 2,
			wantBase: base, want: []string{manifest},
		},
		{
			name: "a pull request's merge, with everything", event: pullRequest, checkout: merge, depth: 0,
			wantBase: base, want: []string{manifest},
		},
		{
			name: "a pull request's merge, with fetch-depth 1", event: pullRequest, checkout: merge, depth: 1,
			github:   github{pullRequest: []string{manifest, "-old.py"}, contents: map[string]string{base + ":" + manifest: "1"}},
			wantBase: base, want: []string{manifest, "-old.py"},
			asks: []string{"pull request", base + ":" + manifest},
		},
		{
			name: "a pull request's merge, after the pull request went on", event: staleSHA, checkout: merge, depth: 2,
			wantBase: base, want: []string{manifest},
		},
		{
			name: "a pull request's merge, checked out on pull_request_target", event: fromTheBase, checkout: merge, depth: 2,
			wantBase: base, want: []string{manifest},
		},
		{
			name: "a pull request's head, with everything", event: pullRequest, checkout: head, depth: 0,
			wantBase: fork, want: []string{manifest},
		},
		{
			name: "a pull request's head, with fetch-depth 1", event: pullRequest, checkout: head, depth: 1,
			github: github{
				comparisons: map[string][]string{"fork...head": {fork, manifest}}, pullRequest: []string{manifest},
				contents: map[string]string{fork + ":" + manifest: "1"},
			},
			wantBase: fork, want: []string{manifest},
			asks: []string{"fork...head", "pull request", fork + ":" + manifest},
		},
		{
			name: "a pull request's head, with fetch-depth 1 and more files than a comparison lists", event: fromTheBase, checkout: head, depth: 1,
			github: github{
				comparisons: map[string][]string{"fork...head": append([]string{fork}, many()...)}, pullRequest: many(),
				contents: map[string]string{fork + ":" + manifest: "1"},
			},
			wantBase: fork, want: many(),
			asks: []string{"fork...head", "pull request", fork + ":" + manifest},
		},
		{
			name: "a merge group, with fetch-depth 2", event: mergeGroup, checkout: merge, depth: 2,
			wantBase: base, want: []string{manifest},
		},
		{
			name: "a merge group, with fetch-depth 1", event: mergeGroup, checkout: merge, depth: 1,
			github: github{
				comparisons: map[string][]string{"base...merge": {base, manifest}},
				contents:    map[string]string{base + ":" + manifest: "1"},
			},
			wantBase: base, want: []string{manifest},
			asks: []string{"base...merge", base + ":" + manifest},
		},
		{
			name: "a push, with fetch-depth 2", event: push, checkout: base, depth: 2,
			wantBase: fork, want: []string{readme},
		},
		{
			name: "a push, with fetch-depth 1", event: push, checkout: base, depth: 1,
			github: github{
				comparisons: map[string][]string{"fork...base": {fork, readme}},
				contents:    map[string]string{fork + ":" + manifest: "1"},
			},
			wantBase: fork, want: []string{readme},
			asks: []string{"fork...base", fork + ":" + manifest},
		},
		{
			name: "a new branch, with everything", event: newBranch, checkout: head, depth: 0,
			wantBase: fork, want: []string{manifest},
		},
		{
			name: "a new branch, with fetch-depth 1", event: newBranch, checkout: head, depth: 1,
			github: github{
				comparisons: map[string][]string{"main...head": {fork, manifest}},
				contents:    map[string]string{fork + ":" + manifest: "1"},
			},
			wantBase: fork, want: []string{manifest},
			asks: []string{"main...head", fork + ":" + manifest},
		},
		{
			name: "a new tag, with everything", event: newTag, checkout: head, depth: 0,
			wantBase: fork, want: []string{manifest},
		},
		{
			// The manifest goes back to "1"; nothing between fork and base says so.
			name: "a forced push, with what it dropped", event: forced, checkout: base, depth: 0,
			wantBase: head, want: []string{readme, manifest},
		},
		{
			name: "a forced push, with fetch-depth 1", event: forced, checkout: base, depth: 1,
			github: github{
				comparisons: map[string][]string{"head...base": {fork, readme}, "base...head": {fork, manifest}},
				contents:    map[string]string{head + ":" + manifest: "2"},
			},
			wantBase: head, want: []string{readme, manifest},
			asks: []string{"head...base", "base...head", head + ":" + manifest},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, asked := c.github.client(t, r)
			got, err := compare.Find(t.Context(), r.event(c.event), r.Fetch(t, refs+c.checkout, c.depth).Open(t), api)
			if err != nil {
				t.Fatal(err)
			}
			if r.names(got.Base) != c.wantBase || r.names(got.Head) != c.checkout {
				t.Fatalf("compared %q with %q, want %q with %q", r.names(got.Base), r.names(got.Head), c.wantBase, c.checkout)
			}
			slices.SortFunc(c.want, func(a, b string) int { return cmp.Compare(strings.TrimPrefix(a, "-"), strings.TrimPrefix(b, "-")) })
			if paths := written(got.Changes); !slices.Equal(paths, c.want) {
				t.Errorf("the changes are %q, want %q", paths, c.want)
			}
			if !strings.Contains(got.How, got.Base[:10]) {
				t.Errorf("what was compared reads %q; it should name the base %.10s", got.How, got.Base)
			}
			wantFile := "1"
			if c.wantBase == head {
				wantFile = "2"
			}
			if content, err := got.BaseFile(t.Context(), manifest); err != nil || string(content) != wantFile {
				t.Errorf("the manifest at the base is %q, %v; want %q", content, err, wantFile)
			}
			if questions := asked(); !slices.Equal(questions, c.asks) {
				t.Errorf("GitHub was asked for %q, want %q", questions, c.asks)
			}
			if content, err := got.BaseFile(t.Context(), "absent"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file that the base does not have: %q, %v; want fs.ErrNotExist", content, err)
			}
		})
	}
}

// event is an event with the commits that its names stand for.
func (r repository) event(e event.Event) event.Event {
	e.SHA, e.Base, e.Head, e.Before = r.hash(e.SHA), r.hash(e.Base), r.hash(e.Head), r.hash(e.Before)
	return e
}

// TestFindNothingToCompareWith is about runs where every bundle counts.
func TestFindNothingToCompareWith(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	cases := []struct {
		name     string
		event    event.Event
		checkout string
		github   github
		how      string
	}{
		{"a run by hand", event.Event{Name: "workflow_dispatch"}, base, github{}, "a workflow_dispatch event has no base"},
		{"a run by the clock", event.Event{Name: "schedule"}, base, github{}, "a schedule event has no base"},
		{"the default branch's first push", firstPush, base, github{}, "first push"},
		{"a new branch that GitHub does not compare", newBranch, head, github{}, "the new branch could not be compared"},
		{"a forced push that GitHub does not compare", forced, base, github{}, "the forced push could not be compared"},
		{"a forced push of which GitHub compares one direction", forced, base, github{comparisons: map[string][]string{"head...base": {fork, readme}}}, "the forced push could not be compared"},
		{"a push of too many files", push, base, github{comparisons: map[string][]string{"fork...base": append([]string{fork}, many()...)}}, "that many changed files"},
		{"a merge group of too many files", mergeGroup, merge, github{comparisons: map[string][]string{"base...merge": append([]string{base}, many()...)}}, "that many changed files"},
		{"a pull request of too many files", pullRequest, merge, github{pullRequest: slices.Repeat(many(), 10)}, "that many changed files"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, _ := c.github.client(t, r)
			got, err := compare.Find(t.Context(), r.event(c.event), r.Fetch(t, refs+c.checkout, 1).Open(t), api)
			if err != nil {
				t.Fatal(err)
			}
			if got.Base != "" || r.names(got.Head) != c.checkout {
				t.Errorf("compared %q with %q; want nothing with %q", r.names(got.Base), r.names(got.Head), c.checkout)
			}
			if !strings.Contains(got.How, c.how) || !strings.HasSuffix(got.How, "every bundle counts") {
				t.Errorf("the log says %q; it should say %q and that every bundle counts", got.How, c.how)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	const tooShallow = "the checkout is too shallow"
	// On pull_request_target the default branch is checked out unless told otherwise, and its newest commit is often a
	// merge too: of another pull request.
	otherMerge := fromTheBase
	otherMerge.SHA, otherMerge.Head = merge, "4444444444444444444444444444444444444444"
	cases := []struct {
		name     string
		event    event.Event
		checkout string
		depth    int
		github   github
		want     []string
	}{
		{"the base instead of the pull request", pullRequest, base, 0, github{}, []string{"neither the head of pull request #7", "actions/checkout"}},
		{"the default branch on pull_request_target", fromTheBase, base, 1, github{}, []string{"neither the head of pull request #7", "actions/checkout"}},
		{"another pull request's merge on pull_request_target", otherMerge, merge, 0, github{}, []string{"neither the head of pull request #7", "actions/checkout"}},
		{"a shallow pull request whose files GitHub does not tell", pullRequest, merge, 1, github{}, []string{tooShallow, "fetch-depth: 2", "pull-requests: read"}},
		{"a shallow head whose merge base GitHub does not tell", pullRequest, head, 1, github{}, []string{tooShallow, "fetch-depth", "contents: read"}},
		{"a shallow push that GitHub does not compare", push, base, 1, github{}, []string{tooShallow, "fetch-depth: 0", "contents: read"}},
		{"a shallow merge group that GitHub does not compare", mergeGroup, merge, 1, github{}, []string{tooShallow, "fetch-depth", "contents: read"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, _ := c.github.client(t, r)
			got, err := compare.Find(t.Context(), r.event(c.event), r.Fetch(t, refs+c.checkout, c.depth).Open(t), api)
			if err == nil {
				t.Fatalf("it compared %q with %q", r.names(got.Base), r.names(got.Head))
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q; it should say %q", err, want)
				}
			}
		})
	}
}

// TestFindAsksForAFileThatThePartialCloneLacks is about `filter: blob:none`, which leaves out what files held before.
func TestFindAsksForAFileThatThePartialCloneLacks(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	api, asked := github{contents: map[string]string{base + ":" + manifest: "1"}}.client(t, r)
	r.Checkout(t, r.commits[merge])
	r.Lose(t, plumbing.ComputeHash(plumbing.BlobObject, []byte("1")))
	got, err := compare.Find(t.Context(), r.event(pullRequest), r.Open(t), api)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := got.BaseFile(t.Context(), manifest); err != nil || string(content) != "1" {
		t.Errorf("the manifest at the base is %q, %v", content, err)
	}
	if questions := asked(); !slices.Equal(questions, []string{base + ":" + manifest}) {
		t.Errorf("GitHub was asked for %q", questions)
	}
}

func TestFindLocally(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	cases := []struct {
		name     string
		checkout string
		depth    int
		edits    files
		wantBase string
		want     []string
	}{
		{"a branch", head, 0, nil, fork, []string{manifest}},
		{"a branch with uncommitted changes", head, 0, files{"new.py": "1", manifest: historytest.Gone}, fork, []string{manifest, "-" + manifest, "new.py"}},
		{"the upstream branch with uncommitted changes", base, 0, files{readme: "2"}, base, []string{readme}},
		{"the upstream branch as it is", base, 0, nil, base, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			workspace := r.Fetch(t, refs+c.checkout, c.depth)
			workspace.Write(t, c.edits)
			got, err := compare.Find(t.Context(), event.Event{}, workspace.Open(t), compare.NoAPI{})
			if err != nil {
				t.Fatal(err)
			}
			if r.names(got.Base) != c.wantBase {
				t.Errorf("compared with %q, want %q", r.names(got.Base), c.wantBase)
			}
			if paths := written(got.Changes); !slices.Equal(paths, c.want) {
				t.Errorf("the changes are %q, want %q", paths, c.want)
			}
			if content, err := got.BaseFile(t.Context(), manifest); err != nil || string(content) != "1" {
				t.Errorf("the manifest at the base is %q, %v; want what was committed there", content, err)
			}
		})
	}
}

func TestFindLocallyWithoutAnUpstream(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	alone := historytest.New(t)
	commit := alone.Commit(t, files{manifest: "1"})
	alone.Checkout(t, commit)
	if err := alone.Git().Storer.RemoveReference("refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	for name, workspace := range map[string]*history.Repository{
		"there is no branch main or master": alone.Open(t),
		"is not in this clone":              r.shallowWithUpstream(t).Open(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := compare.Find(t.Context(), event.Event{}, workspace, compare.NoAPI{})
			if err != nil || got.Base != "" || !strings.Contains(got.How, name) {
				t.Errorf("got %+v, %v; want every bundle", got, err)
			}
		})
	}
}

// shallowWithUpstream is a clone of depth 1 that knows where main is.
func (r repository) shallowWithUpstream(t *testing.T) *historytest.Repository {
	t.Helper()
	workspace := r.Fetch(t, refs+head, 1)
	workspace.SetRef(t, "refs/remotes/origin/main", r.commits[base])
	return workspace
}

func TestFindWithoutACommit(t *testing.T) {
	t.Parallel()
	if got, err := compare.Find(t.Context(), event.Event{}, historytest.New(t).Open(t), compare.NoAPI{}); err == nil {
		t.Errorf("a repository without a commit: got %+v", got)
	}
}
