package forge_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/forge"
)

// checkRun is one with a number of annotations.
func checkRun(annotations int) forge.CheckRun {
	run := forge.CheckRun{Name: "hub-publish", ExternalID: "ci", Head: head, Conclusion: forge.Failure, Title: "errors", Summary: "Some errors."}
	for i := range annotations {
		run.Annotations = append(run.Annotations, forge.Annotation{
			Path: "a/manifest.yml", StartLine: i + 1, EndLine: i + 1, StartColumn: 3, EndColumn: 5, Level: forge.LevelFailure, Title: "manifest/name", Message: "wrong",
		})
	}
	return run
}

func TestCheckRunHasEveryAnnotation(t *testing.T) {
	t.Parallel()
	for annotations, requests := range map[int]int32{0: 2, 1: 3, 50: 3, 51: 4, 120: 5} {
		t.Run(fmt.Sprint(annotations), func(t *testing.T) {
			t.Parallel()
			c := &checks{T: t}
			g := c.serve()
			if err := g.client(t, "token").CheckRun(t.Context(), checkRun(annotations)); err != nil {
				t.Fatal(err)
			}
			want := run{ID: 100, Name: "hub-publish", ExternalID: "ci", HeadSHA: head, Status: "completed", Conclusion: "failure", Output: output{Title: "errors", Summary: "Some errors."}}
			if len(c.runs) != 1 || fmt.Sprint(*c.runs[0]) != fmt.Sprint(want) {
				t.Errorf("got %+v, want %+v", *c.runs[0], want)
			}
			kept := c.kept[100]
			if len(kept) != annotations {
				t.Fatalf("%d annotations of %d", len(kept), annotations)
			}
			for i, a := range kept {
				if a.StartLine != i+1 || a.EndLine != i+1 || *a.StartColumn != 3 || *a.EndColumn != 5 || a.Level != "failure" || a.Title != "manifest/name" || a.Message != "wrong" {
					t.Errorf("got %+v", a)
				}
			}
			g.wantRequests(t, requests)
		})
	}
}

// TestCheckRunIsOneForACommit runs twice on a commit: what is there is not added again, and what is not wanted any more
// is not shown.
func TestCheckRunIsOneForACommit(t *testing.T) {
	t.Parallel()
	fewer := checkRun(130)
	fewer.Annotations = fewer.Annotations[1:]
	fixed := checkRun(0)
	fixed.Conclusion = forge.Success
	twice := checkRun(2)
	twice.Annotations[1] = twice.Annotations[0]
	other := checkRun(1)
	other.ExternalID = "release"
	for name, c := range map[string]struct {
		first, second forge.CheckRun
		runs, last    int
	}{
		"the same":                      {checkRun(130), checkRun(130), 1, 130},
		"more":                          {checkRun(3), checkRun(130), 1, 130},
		"the first ones":                {checkRun(0), checkRun(3), 1, 3},
		"one is gone":                   {checkRun(130), fewer, 2, 129},
		"all are gone":                  {checkRun(3), fixed, 2, 0},
		"there never were any":          {checkRun(0), fixed, 1, 0},
		"two equal ones instead of one": {checkRun(1), twice, 1, 2},
		"one instead of two equal ones": {twice, checkRun(1), 2, 1},
		"another workflow's":            {other, checkRun(1), 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			github := &checks{T: t}
			client := github.serve().client(t, "token")
			for _, run := range []forge.CheckRun{c.first, c.second} {
				if err := client.CheckRun(t.Context(), run); err != nil {
					t.Fatal(err)
				}
			}
			last := github.runs[len(github.runs)-1]
			if len(github.runs) != c.runs || len(github.kept[last.ID]) != c.last || last.Conclusion != string(c.second.Conclusion) {
				t.Errorf("%d runs; the last, a %s, has %d annotations", len(github.runs), last.Conclusion, len(github.kept[last.ID]))
			}
		})
	}
}

// TestCheckRunFindsItsOwnAmongMany has runs of other workflows come after it, more than a page of them.
func TestCheckRunFindsItsOwnAmongMany(t *testing.T) {
	t.Parallel()
	c := &checks{T: t}
	client := c.serve().client(t, "token")
	ids := []string{"ci"}
	for i := range 120 {
		ids = append(ids, fmt.Sprint("other", i))
	}
	for _, id := range append(ids, "ci") {
		run := checkRun(0)
		run.ExternalID = id
		if err := client.CheckRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.runs) != len(ids) {
		t.Errorf("%d runs of %d workflows", len(c.runs), len(ids))
	}
}

// TestCheckRunKeepsToTheLimits has texts and places that GitHub does not take as they are; the fake says so.
func TestCheckRunKeepsToTheLimits(t *testing.T) {
	t.Parallel()
	c := &checks{T: t}
	run := checkRun(0)
	run.Title, run.Summary = strings.Repeat("ü", 1000), strings.Repeat("ü", 100_000)
	places := []forge.Annotation{
		{StartLine: 0, EndLine: 0},
		{StartLine: 3, EndLine: 2, StartColumn: 1, EndColumn: 2},
		{StartLine: 3, EndLine: 5, StartColumn: 1, EndColumn: 2},
		{StartLine: 3, StartColumn: 7},
		{StartLine: 3, EndLine: 3, StartColumn: 7, EndColumn: 2},
		{StartLine: 3, EndLine: 3, EndColumn: 2},
	}
	for _, a := range places {
		a.Path, a.Level, a.Title, a.Message = "a.yml", forge.LevelWarning, strings.Repeat("ü", 1000), strings.Repeat("x", 70_000)
		run.Annotations = append(run.Annotations, a)
	}
	if err := c.serve().client(t, "token").CheckRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	for i, a := range c.kept[100] {
		if !utf8.ValidString(a.Title+a.Message) || !strings.HasSuffix(a.Message, "x…") || len(a.Message) != 64<<10 {
			t.Errorf("%d: the message has %d bytes, the title is %q", i, len(a.Message), a.Title)
		}
	}
}

// TestCheckRunLosesOneBatch has GitHub refuse one of three batches: the others are there, and the error says what is not.
func TestCheckRunLosesOneBatch(t *testing.T) {
	t.Parallel()
	c := &checks{T: t, trouble: func(w http.ResponseWriter, _ *http.Request, r run) bool {
		second := len(r.Output.Annotations) > 0 && r.Output.Annotations[0].StartLine == 51
		if second {
			answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Invalid request.", "errors": []string{"No subschema matched."}})
		}
		return second
	}}
	err := c.serve().client(t, "token").CheckRun(t.Context(), checkRun(120))
	if err == nil || !strings.Contains(err.Error(), "add 50 annotations to the check run hub-publish") || !strings.Contains(err.Error(), "No subschema matched") {
		t.Errorf("the error is %v", err)
	}
	if n := len(c.kept[100]); n != 70 || c.runs[0].Status != "completed" {
		t.Errorf("%d annotations, %s; want 70 in a run that is completed", n, c.runs[0].Status)
	}
}

func TestCheckRunPassingTroubleIsRetried(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(http.ResponseWriter){
		"a server's fault": func(w http.ResponseWriter) { refuse(w, http.StatusBadGateway, "Server Error") },
		"too many requests": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "You have exceeded a secondary rate limit")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			c := &checks{T: t, trouble: func(w http.ResponseWriter, _ *http.Request, r run) (now bool) {
				if len(r.Output.Annotations) > 0 {
					once.Do(func() { trouble(w); now = true })
				}
				return now
			}}
			start := time.Now()
			err := c.serve().client(t, "token").CheckRun(t.Context(), checkRun(60))
			if err != nil || len(c.kept[100]) != 60 || time.Since(start) < 400*time.Millisecond {
				t.Errorf("%d annotations after %s, %v", len(c.kept[100]), time.Since(start), err)
			}
		})
	}
}

func TestCheckRunRefusalNamesThePermission(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		for _, at := range []string{"GET", "POST", "PATCH"} {
			t.Run(fmt.Sprint(at, " ", status), func(t *testing.T) {
				t.Parallel()
				c := &checks{T: t}
				if at != "GET" {
					c.trouble = func(w http.ResponseWriter, r *http.Request, _ run) bool {
						if r.Method == at {
							refuse(w, status, "Resource not accessible by integration")
						}
						return r.Method == at
					}
				}
				g := c.serve()
				if at == "GET" {
					g = serveAll(t, map[string]http.HandlerFunc{"GET /": func(w http.ResponseWriter, _ *http.Request) {
						refuse(w, status, "Resource not accessible by integration")
					}})
				}
				err := g.client(t, "token").CheckRun(t.Context(), checkRun(120))
				if err == nil || !strings.Contains(err.Error(), "`checks: write`") || strings.Count(err.Error(), "checks: write") != 1 {
					t.Errorf("the error is %v; it should name the permission, once", err)
				}
				g.wantRequests(t, map[string]int32{"GET": 1, "POST": 2, "PATCH": 3}[at])
			})
		}
	}
}
