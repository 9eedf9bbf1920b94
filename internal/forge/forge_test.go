package forge_test

import (
	"context"
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
)

const (
	base = "1111111111111111111111111111111111111111"
	head = "2222222222222222222222222222222222222222"
)

// file is an entry of GitHub's lists of changed files.
type file struct {
	Name     string `json:"filename"`
	Status   string `json:"status"`
	Previous string `json:"previous_filename,omitempty"`
}

func numbered(n int) []file {
	var files []file
	for i := range n {
		files = append(files, file{Name: fmt.Sprintf("file-%04d", i), Status: "modified"})
	}
	return files
}

// every is one of each kind of change, and paths what they come to.
var (
	every = []file{
		{"executors/encoders/Foo/new.py", "added", ""},
		{"executors/encoders/Foo/manifest.yml", "modified", ""},
		{"executors/encoders/Foo/old.py", "removed", ""},
		{"executors/encoders/Foo/to.py", "renamed", "executors/encoders/Foo/from.py"},
		{"executors/encoders/Foo/twin.py", "copied", "executors/encoders/Foo/single.py"},
		{"executors/encoders/Foo/run.sh", "changed", ""},
	}
	paths = []history.Change{
		{Path: "executors/encoders/Foo/new.py"},
		{Path: "executors/encoders/Foo/manifest.yml"},
		{Path: "executors/encoders/Foo/old.py", Removed: true},
		{Path: "executors/encoders/Foo/to.py"},
		{Path: "executors/encoders/Foo/from.py", Removed: true},
		{Path: "executors/encoders/Foo/twin.py"},
		{Path: "executors/encoders/Foo/run.sh"},
	}
)

// github is GitHub's API for one test; it counts the requests.
type github struct {
	*httptest.Server
	requests atomic.Int32
}

func serve(t *testing.T, pattern string, handler http.HandlerFunc) *github {
	t.Helper()
	g := &github{}
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, handler)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *github) client(t *testing.T, token string) *forge.Client {
	t.Helper()
	c, err := forge.New(g.URL, "jina-ai/jina-hub", token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (g *github) wantRequests(t *testing.T, want int32) {
	t.Helper()
	if got := g.requests.Load(); got != want {
		t.Errorf("GitHub was asked %d times, want %d", got, want)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers as GitHub does where it says no.
func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}

const (
	pullRequestFiles = "GET /repos/jina-ai/jina-hub/pulls/7/files"
	comparison       = "GET /repos/jina-ai/jina-hub/compare/" + base + "..." + head
	contents         = "GET /repos/jina-ai/jina-hub/contents/{path...}"
)

// pages answers with the page of a list that is asked for, and links to the next as GitHub does.
func pages(files []file) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		page, size := 1, 30
		if n, err := strconv.Atoi(query.Get("page")); err == nil {
			page = n
		}
		if n, err := strconv.Atoi(query.Get("per_page")); err == nil {
			size = min(n, 100)
		}
		from, to := min((page-1)*size, len(files)), min(page*size, len(files))
		if to < len(files) {
			query.Set("page", strconv.Itoa(page+1))
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, query.Encode()))
		}
		answer(w, http.StatusOK, files[from:to])
	}
}

func TestPullRequestChanges(t *testing.T) {
	t.Parallel()
	g := serve(t, pullRequestFiles, pages(every))
	got, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
	if err != nil || !slices.Equal(got, paths) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, paths)
	}
}

func TestPullRequestChangesReadsEveryPage(t *testing.T) {
	t.Parallel()
	for files, requests := range map[int]int32{0: 1, 100: 1, 101: 2, 250: 3} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			t.Parallel()
			g := serve(t, pullRequestFiles, pages(numbered(files)))
			got, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
			if err != nil || len(got) != files {
				t.Fatalf("got %d files, %v", len(got), err)
			}
			if files > 0 && got[files-1].Path != fmt.Sprintf("file-%04d", files-1) {
				t.Errorf("the last file is %q", got[files-1].Path)
			}
			g.wantRequests(t, requests)
		})
	}
}

func TestPullRequestChangesDistrustsACutList(t *testing.T) {
	t.Parallel()
	for files, tooMany := range map[int]bool{2999: false, 3000: true} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			t.Parallel()
			g := serve(t, pullRequestFiles, pages(numbered(files)))
			got, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
			if errors.Is(err, forge.ErrTooMany) != tooMany || (len(got) == files) == tooMany {
				t.Errorf("got %d files, %v", len(got), err)
			}
		})
	}
}

// comparing answers as GitHub does: with all files on the first page, the rest of which are commits.
func comparing(files []file) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		shown := files
		if r.URL.Query().Has("page") {
			shown = []file{}
		} else {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=2>; rel="next"`, r.Host, r.URL.Path))
		}
		answer(w, http.StatusOK, map[string]any{
			"status": "diverged", "merge_base_commit": map[string]string{"sha": base}, "total_commits": 1000, "files": shown,
		})
	}
}

func TestCompareChanges(t *testing.T) {
	t.Parallel()
	g := serve(t, comparison, comparing(every))
	got, mergeBase, err := g.client(t, "").CompareChanges(t.Context(), base, head)
	if err != nil || mergeBase != base || !slices.Equal(got, paths) {
		t.Errorf("got  %+v, %s, %v\nwant %+v, %s", got, mergeBase, err, paths, base)
	}
	g.wantRequests(t, 1)
}

func TestCompareChangesDistrustsACutList(t *testing.T) {
	t.Parallel()
	for files, tooMany := range map[int]bool{299: false, 300: true} {
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			t.Parallel()
			g := serve(t, comparison, comparing(numbered(files)))
			got, mergeBase, err := g.client(t, "").CompareChanges(t.Context(), base, head)
			if errors.Is(err, forge.ErrTooMany) != tooMany || (len(got) == files) == tooMany {
				t.Errorf("got %d files, %v", len(got), err)
			}
			if mergeBase != base {
				t.Errorf("the merge base is %q; it is known however many files there are", mergeBase)
			}
		})
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	g := serve(t, contents, func(w http.ResponseWriter, r *http.Request) {
		switch path := r.PathValue("path"); {
		case r.URL.Query().Get("ref") != base:
			refuse(w, http.StatusNotFound, "No commit found for the ref "+r.URL.Query().Get("ref"))
		case path == "executors/encoders/A name#1/manifest.yml":
			// GitHub breaks the lines of what it encodes.
			text := base64.StdEncoding.EncodeToString([]byte("name: Fünf\n"))
			answer(w, http.StatusOK, map[string]any{"type": "file", "encoding": "base64", "path": path, "content": text[:8] + "\n" + text[8:] + "\n"})
		case path == "executors":
			answer(w, http.StatusOK, []map[string]string{{"type": "dir", "name": "encoders", "path": "executors/encoders"}})
		default:
			refuse(w, http.StatusNotFound, "Not Found")
		}
	})
	client := g.client(t, "")

	got, err := client.File(t.Context(), base, "executors/encoders/A name#1/manifest.yml")
	if err != nil || string(got) != "name: Fünf\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := client.File(t.Context(), base, "executors/encoders/New/manifest.yml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: got %q, %v; want fs.ErrNotExist", got, err)
	}
	if got, err := client.File(t.Context(), base, "executors"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory: got %q, %v; want an error of its own", got, err)
	}
}

func TestARefusalNamesThePermissionAndIsFinal(t *testing.T) {
	t.Parallel()
	questions := []struct {
		name, pattern, permission string
		ask                       func(context.Context, *forge.Client) error
	}{
		{"the files of a pull request", pullRequestFiles, "pull-requests: read", func(ctx context.Context, c *forge.Client) error {
			_, err := c.PullRequestChanges(ctx, 7)
			return err
		}},
		{"a comparison", comparison, "contents: read", func(ctx context.Context, c *forge.Client) error {
			_, _, err := c.CompareChanges(ctx, base, head)
			return err
		}},
		{"a file", contents, "contents: read", func(ctx context.Context, c *forge.Client) error {
			_, err := c.File(ctx, base, "README.md")
			return err
		}},
	}
	for _, q := range questions {
		for status, message := range map[int]string{http.StatusForbidden: "Resource not accessible by integration", http.StatusUnauthorized: "Bad credentials"} {
			t.Run(fmt.Sprintf("%s, %d", q.name, status), func(t *testing.T) {
				t.Parallel()
				g := serve(t, q.pattern, func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, message) })
				err := q.ask(t.Context(), g.client(t, "token"))
				if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), "`"+q.permission+"`") {
					t.Errorf("the error is %v; it should give GitHub's words and the permission %s", err, q.permission)
				}
				g.wantRequests(t, 1)
			})
		}
	}
}

func TestAPullRequestOutOfSightNamesThePermission(t *testing.T) {
	t.Parallel()
	g := serve(t, pullRequestFiles, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "Not Found") })
	_, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
	if err == nil || !strings.Contains(err.Error(), "`pull-requests: read`") {
		t.Errorf("the error is %v; GitHub hides what a token may not see, so the permission should be named", err)
	}
}

func TestPassingTroubleIsRetried(t *testing.T) {
	t.Parallel()
	pause := func(seconds string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", seconds)
			refuse(w, http.StatusTooManyRequests, "API rate limit exceeded")
		}
	}
	for _, c := range []struct {
		name    string
		trouble http.HandlerFunc
		least   time.Duration
	}{
		{"a server's fault", func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusInternalServerError, "Server Error")
		}, 100 * time.Millisecond},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 100 * time.Millisecond},
		{"too many requests, come back at once", pause("0"), 0},
		{"too many requests, come back in a second", pause("1"), time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			g := serve(t, pullRequestFiles, func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					c.trouble(w, r)
					return
				}
				pages(every)(w, r)
			})
			start := time.Now()
			got, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
			if err != nil || !slices.Equal(got, paths) {
				t.Errorf("got %+v, %v", got, err)
			}
			if waited := time.Since(start); waited < c.least {
				t.Errorf("the second request came after %s, want %s at least", waited, c.least)
			}
			g.wantRequests(t, 2)
		})
	}
}

func TestTroubleThatLastsIsAnError(t *testing.T) {
	t.Parallel()
	g := serve(t, pullRequestFiles, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		refuse(w, http.StatusTooManyRequests, "API rate limit exceeded")
	})
	_, err := g.client(t, "").PullRequestChanges(t.Context(), 7)
	if err == nil || !strings.Contains(err.Error(), "list the files of pull request #7") {
		t.Errorf("the error is %v; it should say what was asked", err)
	}
	g.wantRequests(t, 4)
}

func TestARunThatEndsDoesNotSitOutAPause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	g := serve(t, pullRequestFiles, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		refuse(w, http.StatusTooManyRequests, "API rate limit exceeded")
		time.AfterFunc(50*time.Millisecond, cancel)
	})
	start := time.Now()
	_, err := g.client(t, "").PullRequestChanges(ctx, 7)
	if !errors.Is(err, context.Canceled) || time.Since(start) > 10*time.Second {
		t.Errorf("after %s the error is %v", time.Since(start), err)
	}
	g.wantRequests(t, 1)
}

func TestTheTokenIsSent(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{"": "", "secret": "Bearer secret"} {
		g := serve(t, pullRequestFiles, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("with the token %q the header is %q, want %q", token, got, want)
			}
			pages(nil)(w, r)
		})
		if _, err := g.client(t, token).PullRequestChanges(t.Context(), 7); err != nil {
			t.Error(err)
		}
	}
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url, repository, want string }{
		{"a repository without an owner", "https://api.github.com", "jina-hub", "GITHUB_REPOSITORY"},
		{"an address that is none", "https://api github.com:port", "jina-ai/jina-hub", "GITHUB_API_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := forge.New(c.url, c.repository, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v; it should name %s", err, c.want)
			}
		})
	}
}
