package forge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// serveAll is GitHub's API with several answers.
func serveAll(t *testing.T, handlers map[string]http.HandlerFunc) *github {
	t.Helper()
	g := &github{}
	mux := http.NewServeMux()
	for pattern, handler := range handlers {
		mux.HandleFunc(pattern, handler)
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// page answers with the page of a list that is asked for; wrap makes the body of its items.
func page[T any](w http.ResponseWriter, r *http.Request, items []T, wrap func([]T) any) {
	query := r.URL.Query()
	number, size := 1, 30
	if n, err := strconv.Atoi(query.Get("page")); err == nil {
		number = n
	}
	if n, err := strconv.Atoi(query.Get("per_page")); err == nil {
		size = min(n, 100)
	}
	from, to := min((number-1)*size, len(items)), min(number*size, len(items))
	if to < len(items) {
		query.Set("page", strconv.Itoa(number+1))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, r.Host, r.URL.Path, query.Encode()))
	}
	answer(w, http.StatusOK, wrap(items[from:to]))
}

// annotation and run are as GitHub writes them.
type annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Title       string `json:"title"`
	Message     string `json:"message"`
	RawDetails  string `json:"raw_details"`
}

type output struct {
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Count       int          `json:"annotations_count"`
	Annotations []annotation `json:"annotations,omitempty"`
}

type run struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	ExternalID string `json:"external_id"`
	HeadSHA    string `json:"head_sha"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	DetailsURL string `json:"details_url"`
	Output     output `json:"output"`
}

// checks are GitHub's check runs of one commit.
type checks struct {
	*testing.T
	mutex sync.Mutex
	runs  []*run
	kept  map[int64][]annotation
	// trouble answers a request in GitHub's place where it returns true.
	trouble func(http.ResponseWriter, *http.Request, run) bool
}

func (c *checks) serve() *github {
	if c.kept == nil {
		c.kept = map[int64][]annotation{}
	}
	const repo = "/repos/jina-ai/jina-hub"
	return serveAll(c.T, map[string]http.HandlerFunc{
		"GET " + repo + "/commits/" + head + "/check-runs": c.list,
		"POST " + repo + "/check-runs":                     c.create,
		"PATCH " + repo + "/check-runs/{id}":               c.change,
		"GET " + repo + "/check-runs/{id}/annotations":     c.annotations,
	})
}

func (c *checks) list(w http.ResponseWriter, r *http.Request) {
	var named []run
	for _, r2 := range slices.Backward(c.runs) { // the last first
		if r2.Name == r.URL.Query().Get("check_name") && (r.URL.Query().Get("filter") == "all" || len(named) == 0) {
			shown := *r2
			shown.Output.Count = len(c.kept[r2.ID])
			named = append(named, shown)
		}
	}
	page(w, r, named, func(runs []run) any { return map[string]any{"total_count": len(named), "check_runs": runs} })
}

func (c *checks) create(w http.ResponseWriter, r *http.Request) {
	created := &run{ID: int64(100 + len(c.runs))}
	if c.take(w, r, created) {
		c.runs = append(c.runs, created)
		answer(w, http.StatusCreated, created)
	}
}

func (c *checks) change(w http.ResponseWriter, r *http.Request) {
	for _, there := range c.runs {
		if fmt.Sprint(there.ID) == r.PathValue("id") {
			if c.take(w, r, there) {
				answer(w, http.StatusOK, there)
			}
			return
		}
	}
	refuse(w, http.StatusNotFound, "Not Found")
}

// take reads a run into another and adds its annotations, or refuses what GitHub refuses.
func (c *checks) take(w http.ResponseWriter, r *http.Request, into *run) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	changed := *into
	if err := json.NewDecoder(r.Body).Decode(&changed); err != nil {
		c.Error(err)
	}
	if c.trouble != nil && c.trouble(w, r, changed) {
		return false
	}
	var why []string
	if n := len(changed.Output.Annotations); n > 50 {
		why = append(why, fmt.Sprintf("%d annotations", n))
	}
	if utf8.RuneCountInString(changed.Output.Summary) > 65_535 || changed.Output.Summary == "" || changed.Output.Title == "" {
		why = append(why, "the summary or the title")
	}
	for _, a := range changed.Output.Annotations {
		columns := a.StartColumn != nil || a.EndColumn != nil
		if a.Path == "" || a.StartLine < 1 || a.EndLine < a.StartLine || len(a.Message) > 64<<10 || a.Message == "" || utf8.RuneCountInString(a.Title) > 255 ||
			columns && (a.StartLine != a.EndLine || a.StartColumn == nil || a.EndColumn == nil || *a.EndColumn < *a.StartColumn) {
			why = append(why, fmt.Sprintf("%+v", a))
		}
	}
	if why != nil {
		c.Errorf("GitHub refuses %s", strings.Join(why, ", "))
		refuse(w, http.StatusUnprocessableEntity, "Invalid request.")
		return false
	}
	c.kept[changed.ID] = append(c.kept[changed.ID], changed.Output.Annotations...)
	changed.Output.Annotations = nil
	*into = changed
	return true
}

func (c *checks) annotations(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		c.Error(err)
	}
	page(w, r, c.kept[id], func(all []annotation) any { return all })
}
