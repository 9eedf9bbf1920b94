package forge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
)

const pullRequestCommits = "GET /repos/jina-ai/jina-hub/pulls/7/commits"

// commits are n commits, the last of them a merge.
func commits(n int) []history.Commit {
	var all []history.Commit
	for i := range n {
		all = append(all, history.Commit{Hash: fmt.Sprintf("%040x", i+1), Message: fmt.Sprintf("feat: größer %d\n\nbody", i), Author: "A. Author", Parents: 1})
	}
	if n > 0 {
		all[n-1].Parents = 2
	}
	return all
}

// entry is a commit in GitHub's lists: the account that made it is not who git says did, and may be none.
func entry(c history.Commit) map[string]any {
	parents := []map[string]string{}
	for i := range c.Parents {
		parents = append(parents, map[string]string{"sha": fmt.Sprintf("%040x", i), "url": "https://api.github.com/repos/jina-ai/jina-hub/commits/" + base})
	}
	return map[string]any{
		"sha": c.Hash, "node_id": "MDY6Q29tbWl0", "author": nil, "committer": map[string]any{"login": "web-flow", "id": 19864447}, "parents": parents,
		"commit": map[string]any{
			"author":    map[string]string{"name": c.Author, "email": "author@example.com", "date": "2024-01-01T00:00:00Z"},
			"committer": map[string]string{"name": "GitHub", "email": "noreply@github.com", "date": "2024-01-01T00:00:00Z"},
			"message":   c.Message, "tree": map[string]string{"sha": head}, "comment_count": 0,
			"verification": map[string]any{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil},
		},
	}
}

// commitPages answers with the page of a list of commits that is asked for, wrapped as the question wants it.
func commitPages(all []history.Commit, wrap func([]map[string]any) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		page, size := 1, 30
		if n, err := strconv.Atoi(query.Get("page")); err == nil {
			page = n
		}
		if n, err := strconv.Atoi(query.Get("per_page")); err == nil {
			size = min(n, 100)
		}
		from, to := min((page-1)*size, len(all)), min(page*size, len(all))
		if to < len(all) {
			query.Set("page", strconv.Itoa(page+1))
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, query.Encode()))
		}
		entries := []map[string]any{}
		for _, c := range all[from:to] {
			entries = append(entries, entry(c))
		}
		answer(w, http.StatusOK, wrap(entries))
	}
}

func plain(entries []map[string]any) any { return entries }

// compared is a comparison that counts so many commits.
func compared(total int) func([]map[string]any) any {
	return func(entries []map[string]any) any {
		return map[string]any{
			"status": "ahead", "merge_base_commit": map[string]string{"sha": base}, "ahead_by": total, "behind_by": 0, "total_commits": total,
			"commits": entries, "files": []file{},
		}
	}
}

func TestPullRequestCommits(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int32{1: 1, 100: 1, 101: 2, 249: 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			g := serve(t, pullRequestCommits, commitPages(commits(n), plain))
			got, err := g.client(t, "").PullRequestCommits(t.Context(), 7)
			if err != nil || !slices.Equal(got, commits(n)) {
				t.Errorf("got %d commits, %v\n%+v", len(got), err, got)
			}
			g.wantRequests(t, requests)
		})
	}
}

func TestPullRequestCommitsDistrustsACutList(t *testing.T) {
	t.Parallel()
	g := serve(t, pullRequestCommits, commitPages(commits(250), plain))
	got, err := g.client(t, "").PullRequestCommits(t.Context(), 7)
	if !errors.Is(err, forge.ErrTooManyCommits) || !strings.Contains(err.Error(), "#7") || !slices.Equal(got, commits(250)) {
		t.Errorf("got %d commits, %v; want those that are listed, and ErrTooManyCommits", len(got), err)
	}
}

func TestCompareCommits(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int32{0: 1, 100: 1, 101: 2, 300: 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			g := serve(t, comparison, commitPages(commits(n), compared(n)))
			got, err := g.client(t, "").CompareCommits(t.Context(), base, head)
			if err != nil || !slices.Equal(got, commits(n)) {
				t.Errorf("got %d commits, %v\n%+v", len(got), err, got)
			}
			g.wantRequests(t, requests)
		})
	}
}

func TestCompareCommitsDistrustsACutList(t *testing.T) {
	t.Parallel()
	g := serve(t, comparison, commitPages(commits(250), compared(251)))
	got, err := g.client(t, "").CompareCommits(t.Context(), base, head)
	if err == nil || !strings.Contains(err.Error(), "251") || !strings.Contains(err.Error(), "250") {
		t.Errorf("got %d commits, %v; want an error that has both numbers", len(got), err)
	}
}

// commitQuestions are the questions about commits, with the permissions that they need.
var commitQuestions = []struct {
	name, pattern, permission, says string
	ask                             func(context.Context, *forge.Client) ([]history.Commit, error)
	answer                          http.HandlerFunc
}{
	{
		"the commits of a pull request", pullRequestCommits, "pull-requests: read", "list the commits of pull request #7",
		func(ctx context.Context, c *forge.Client) ([]history.Commit, error) {
			return c.PullRequestCommits(ctx, 7)
		},
		commitPages(commits(2), plain),
	},
	{
		"the commits between two", comparison, "contents: read", "list the commits between 1111111111 and 2222222222",
		func(ctx context.Context, c *forge.Client) ([]history.Commit, error) {
			return c.CompareCommits(ctx, base, head)
		},
		commitPages(commits(2), compared(2)),
	},
}

func TestARefusalOfCommitsNamesThePermissionAndIsFinal(t *testing.T) {
	t.Parallel()
	for _, q := range commitQuestions {
		for status, message := range map[int]string{
			http.StatusForbidden: "Resource not accessible by integration", http.StatusUnauthorized: "Bad credentials", http.StatusNotFound: "Not Found",
		} {
			t.Run(fmt.Sprintf("%s, %d", q.name, status), func(t *testing.T) {
				t.Parallel()
				g := serve(t, q.pattern, func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, message) })
				_, err := q.ask(t.Context(), g.client(t, "token"))
				if err == nil || !strings.Contains(err.Error(), q.says) || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), "`"+q.permission+"`") {
					t.Errorf("the error is %v; it should say what was asked, GitHub's words and the permission %s", err, q.permission)
				}
				g.wantRequests(t, 1)
			})
		}
	}
}

func TestTooManyQuestionsAboutCommits(t *testing.T) {
	t.Parallel()
	for _, q := range commitQuestions {
		for name, times := range map[string]int32{"once": 1, "for good": 100} {
			t.Run(q.name+", "+name, func(t *testing.T) {
				t.Parallel()
				var asked atomic.Int32
				g := serve(t, q.pattern, func(w http.ResponseWriter, r *http.Request) {
					if asked.Add(1) > times {
						q.answer(w, r)
						return
					}
					w.Header().Set("Retry-After", "0")
					refuse(w, http.StatusTooManyRequests, "API rate limit exceeded")
				})
				got, err := q.ask(t.Context(), g.client(t, ""))
				if times == 1 && (err != nil || !slices.Equal(got, commits(2))) {
					t.Errorf("got %+v, %v", got, err)
				}
				if times > 1 && (err == nil || !strings.Contains(err.Error(), q.says)) {
					t.Errorf("the error is %v; it should say what was asked", err)
				}
				g.wantRequests(t, min(times+1, 4))
			})
		}
	}
}
