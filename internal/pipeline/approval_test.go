package pipeline_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/pipeline"
)

// approvals stands for GitHub: it answers what a test gives it, and notes what it is asked.
type approvals struct {
	mutex sync.Mutex
	// of are the approvals by commit; the commit "" stands for every other.
	of  map[string]forge.Approval
	err error
	// last is the answer to LastCommit, and lastErr its error.
	last    string
	lastErr error
	asked   []string
}

func (a *approvals) Approval(_ context.Context, commit, branch string) (forge.Approval, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.asked = append(a.asked, commit+" in "+branch)
	if found, ok := a.of[commit]; ok {
		return found, a.err
	}
	return a.of[""], a.err
}

func (a *approvals) LastCommit(_ context.Context, head, path string) (string, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.asked = append(a.asked, "last of "+path+" up to "+head)
	return a.last, a.lastErr
}

// ask has a run ask for approvals.
func ask(a pipeline.Approvals) func(*pipeline.Run) {
	return func(r *pipeline.Run) { r.Approvals = a }
}

// forbidden is GitHub's API for a token that may not read pull requests.
func forbidden(t *testing.T) pipeline.Approvals {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message": "Resource not accessible by integration"}`))
	}))
	t.Cleanup(web.Close)
	client, err := forge.New(web.URL, "jina/hub", "token")
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestApproved publishes what was approved as often as the hub asks.
func TestApproved(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	for wanted, by := range map[string][]string{"1": {"ada"}, "2": {"ada", "bob", "cem"}} {
		t.Run(wanted, func(t *testing.T) {
			t.Parallel()
			h, s := newHub(t), newWatched(t)
			head := h.commit(good)
			a := &approvals{of: map[string]forge.Approval{head: {PullRequest: 7, By: by}}}
			expect(t, h.run(pushed("", head), map[string]string{"registry": s.host, "required-approvals": wanted}, ask(a)), "GoodEncoder published")
			if s.digest(t, encoderImage+":0.1.0") == "" {
				t.Error("the registry has nothing")
			}
			if want := []string{head + " in main"}; !slices.Equal(a.asked, want) {
				t.Errorf("asked was %q, want %q", a.asked, want)
			}
		})
	}
}

// TestUnapproved: whatever is not known to be approved stays out of the registry, and is not built either.
func TestUnapproved(t *testing.T) {
	t.Parallel()
	const page = "https://github.com/jina/hub/pull/7"
	for name, c := range map[string]struct {
		wanted string
		asked  func(t *testing.T) pipeline.Approvals
		says   []string
	}{
		"no approval": {
			asked: func(*testing.T) pipeline.Approvals {
				return &approvals{of: map[string]forge.Approval{"": {PullRequest: 7, URL: page}}}
			},
			says: []string{"pull request #7 (" + page + ")", "has 0 of the 1 approvals that `required-approvals` asks for", "have somebody else who may write to the repository approve its last state", "run this job again"},
		},
		"too few, and why others do not count": {
			wanted: "2",
			asked: func(*testing.T) pipeline.Approvals {
				return &approvals{of: map[string]forge.Approval{"": {PullRequest: 7, URL: page, By: []string{"ada"}, Not: []string{"bob may not write to it", "cem approved an earlier state"}}}}
			},
			says: []string{"has 1 of the 2 approvals", "(bob may not write to it; cem approved an earlier state)", "run this job again"},
		},
		"no pull request": {
			asked: func(*testing.T) pipeline.Approvals { return &approvals{} },
			says:  []string{"no pull request brought commit ", " to main: nobody has approved it", "bring changes by pull requests, or set it to 0"},
		},
		"the token may not ask": {
			asked: forbidden,
			says:  []string{"whether this bundle was approved cannot be told: ", "the workflow's token needs the permission `pull-requests: read`"},
		},
		"the API fails": {
			asked: func(*testing.T) pipeline.Approvals {
				// What came with an error does not count.
				return &approvals{of: map[string]forge.Approval{"": {PullRequest: 7, By: []string{"ada"}}}, err: errors.New("list the reviews: it is down")}
			},
			says: []string{"whether this bundle was approved cannot be told: list the reviews: it is down"},
		},
		"no API at all": {
			asked: func(*testing.T) pipeline.Approvals { return nil },
			says:  []string{"can only be asked in a workflow on GitHub; to publish from elsewhere, set `required-approvals` to 0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, s := newHub(t), newWatched(t)
			head := h.commit(good)
			given := map[string]string{"registry": s.host, "required-approvals": "1", "bundles": encoderPath}
			if c.wanted != "" {
				given["required-approvals"] = c.wanted
			}
			result := h.run(pushed("", head), given, ask(c.asked(t)))
			expect(t, result, "GoodEncoder failed publish/approval")
			f := errorOf(t, result.Bundles[0], "publish/approval")
			if f.File != encoderPath+"/manifest.yml" || f.Line != 5 {
				t.Errorf("it stands at %s:%d", f.File, f.Line)
			}
			for _, words := range c.says {
				if !strings.Contains(f.Message, words) {
					t.Errorf("it does not say %q: %s", words, f.Message)
				}
			}
			if puts := s.written(""); len(puts) > 0 || s.digest(t, encoderImage+":0.1.0") != "" {
				t.Errorf("written was %q", puts)
			}
			if took, built := result.Bundles[0].Seconds["build"]; built {
				t.Errorf("it was built, for %v s", took)
			}
			if p := result.Publications(); len(p) > 0 {
				t.Errorf("published is %+v", p)
			}
		})
	}
}

// TestUnapprovedInSpiteOfFailOn: that nothing fails the run lets nothing into the registry.
func TestUnapprovedInSpiteOfFailOn(t *testing.T) {
	t.Parallel()
	h, s := newHub(t), newWatched(t)
	result := h.run(pushed("", h.commit(good)), map[string]string{"registry": s.host, "required-approvals": "1", "fail-on": "never"}, ask(&approvals{}))
	expect(t, result, "GoodEncoder failed publish/approval")
	if puts := s.written(encoderImage); len(puts) > 0 {
		t.Errorf("written was %q", puts)
	}
}

// TestNothingToApprove: what the registry has already is not asked about, so that a run again needs no API.
func TestNothingToApprove(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newWatched(t)
	head := h.commit(good)
	expect(t, h.run(pushed("", head), map[string]string{"registry": s.host}), "GoodEncoder published")
	a := &approvals{err: errors.New("it is down")}
	given := map[string]string{"registry": s.host, "required-approvals": "1", "bundles": "all"}
	for _, asked := range []pipeline.Approvals{a, nil} {
		expect(t, h.run(pushed("", head), given, ask(asked)), "GoodEncoder unchanged")
	}
	if len(a.asked) > 0 {
		t.Errorf("asked was %q", a.asked)
	}
	// A second registry that lacks it is another publication.
	given["registry"] += "," + newWatched(t).host
	expect(t, h.run(pushed("", head), given, ask(a)), "GoodEncoder failed publish/approval")
}

// bundle are the files of one more bundle, whose image is made like the others'.
func bundle(name, version string) historytest.Files {
	dir := "executors/encoders/" + name
	return historytest.Files{
		dir + "/Dockerfile":   "FROM scratch\nCOPY . /workspace\nENTRYPOINT [\"/workspace/encode\"]\n",
		dir + "/manifest.yml": "name: " + name + "\nkind: encoder\ntype: pod\ndescription: encodes\nversion: " + version + "\n",
	}
}

// together is what is in any of the maps; of one key the last one's counts.
func together[M ~map[string]string](all ...M) M {
	sum := M{}
	for _, some := range all {
		maps.Copy(sum, some)
	}
	return sum
}

// newTimed is a hub whose commits are one minute after another.
func newTimed(t *testing.T) (*hub, *historytest.Repository) {
	t.Helper()
	r := historytest.New(t)
	return &hub{t, r.Dir, r.Git()}, r
}

// TestApprovalOfEach asks about each bundle by the commit that changed it, and publishes those that were approved.
func TestApprovalOfEach(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, r := newTimed(t)
	s := newWatched(t)
	approved := r.Commit(t, together(bundle("First", "0.1.0"), bundle("Second", "0.1.0")))
	first := r.Commit(t, bundle("First", "0.1.1"))
	other := r.Commit(t, bundle("Third", "0.1.0"))
	a := &approvals{of: map[string]forge.Approval{approved: {PullRequest: 1, By: []string{"ada"}}, first: {PullRequest: 2, By: []string{"ada"}}, other: {PullRequest: 3}}}
	given := map[string]string{"registry": s.host, "required-approvals": "1", "bundles": "all"}
	expect(t, h.run(pushed("", other), given, ask(a)), "First published; Second published; Third failed publish/approval")
	want := []string{approved + " in main", first + " in main", other + " in main"}
	slices.Sort(want)
	slices.Sort(a.asked)
	if !slices.Equal(a.asked, want) {
		t.Errorf("asked was %q, want %q", a.asked, want)
	}
	if s.digest(t, "pod.encoder.third:0.1.0") != "" {
		t.Error("the one that nobody approved is in the registry")
	}
}

// TestApprovalOfOneCommit: the bundles of one commit stand and fall together.
func TestApprovalOfOneCommit(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, r := newTimed(t)
	s := newWatched(t)
	r.Commit(t, historytest.Files{"README.md": "A hub.\n"})
	head := r.Commit(t, together(bundle("First", "0.1.0"), bundle("Second", "0.1.0")))
	a := &approvals{of: map[string]forge.Approval{head: {PullRequest: 1}}}
	given := map[string]string{"registry": s.host, "required-approvals": "1"}
	expect(t, h.run(pushed("", head), given, ask(a)), "First failed publish/approval; Second failed publish/approval")
	a.of[head] = forge.Approval{PullRequest: 1, By: []string{"ada"}}
	expect(t, h.run(pushed("", head), given, ask(a)), "First published; Second published")
	for _, asked := range a.asked {
		if asked != head+" in main" {
			t.Errorf("asked was %q", asked)
		}
	}
	if len(a.asked) != 4 {
		t.Errorf("it asked %d times", len(a.asked))
	}
}

// TestApprovalAsksAboutTheLastChange: however a change gets to main, asked about is the commit that last changed the
// bundle, and not the one that is checked out. Nothing is approved here, so that nothing is built.
func TestApprovalAsksAboutTheLastChange(t *testing.T) {
	t.Parallel()
	files := func(encode string) historytest.Files {
		return together(bundle("GoodEncoder", "0.1.0"), historytest.Files{encoderPath + "/encode": encode})
	}
	other := historytest.Files{"README.md": "A hub.\n"}
	for name, build := range map[string]func(t *testing.T, r *historytest.Repository, root string) (head, asked string){
		"a merge": func(t *testing.T, r *historytest.Repository, root string) (string, string) {
			topic := r.Commit(t, files("1"))
			r.Checkout(t, root)
			main := r.Commit(t, other)
			return r.Commit(t, files("1"), main, topic), topic
		},
		"a merge of several commits": func(t *testing.T, r *historytest.Repository, root string) (string, string) {
			r.Commit(t, files("1"))
			topic := r.Commit(t, files("2"))
			last := r.Commit(t, historytest.Files{"setup.py": "1"})
			r.Checkout(t, root)
			main := r.Commit(t, other)
			return r.Commit(t, together(files("2"), historytest.Files{"setup.py": "1"}), main, last), topic
		},
		"a merge that makes something of both": func(t *testing.T, r *historytest.Repository, _ string) (string, string) {
			base := r.Commit(t, files("1"))
			topic := r.Commit(t, historytest.Files{encoderPath + "/a": "1"})
			r.Checkout(t, base)
			main := r.Commit(t, historytest.Files{encoderPath + "/b": "1"})
			merge := r.Commit(t, historytest.Files{encoderPath + "/a": "1"}, main, topic)
			return merge, merge
		},
		"a squash, and a later one beside it": func(t *testing.T, r *historytest.Repository, _ string) (string, string) {
			squash := r.Commit(t, files("1"))
			return r.Commit(t, other), squash
		},
		"a rebase": func(t *testing.T, r *historytest.Repository, _ string) (string, string) {
			r.Commit(t, files("1"))
			last := r.Commit(t, historytest.Files{encoderPath + "/encode": "2"})
			return r.Commit(t, other), last
		},
		"a direct push": func(t *testing.T, r *historytest.Repository, _ string) (string, string) {
			head := r.Commit(t, files("1"))
			return head, head
		},
		"a direct push on top of a pull request": func(t *testing.T, r *historytest.Repository, root string) (string, string) {
			topic := r.Commit(t, files("1"))
			r.Checkout(t, root)
			r.Commit(t, files("1"), root, topic)
			head := r.Commit(t, historytest.Files{encoderPath + "/encode": "unseen"})
			return head, head
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newTimed(t)
			s := newWatched(t)
			head, want := build(t, r, r.Commit(t, historytest.Files{"LICENSE": "1"}))
			a := &approvals{}
			result := h.run(pushed("", head), map[string]string{"registry": s.host, "required-approvals": "1", "bundles": "all"}, ask(a))
			expect(t, result, "GoodEncoder failed publish/approval")
			if len(a.asked) != 1 || a.asked[0] != want+" in main" {
				t.Errorf("asked was %q, want %q", a.asked, want)
			}
			if f := errorOf(t, result.Bundles[0], "publish/approval"); !strings.Contains(f.Message, want[:10]) {
				t.Errorf("the message does not name commit %.10s: %s", want, f.Message)
			}
		})
	}
}

// TestApprovalOnThePublishBranch asks which pull request brought the commit there, and not to the default branch.
func TestApprovalOnThePublishBranch(t *testing.T) {
	t.Parallel()
	h, s := newHub(t), newWatched(t)
	head := h.commit(good)
	a := &approvals{}
	e := event.Event{Name: "push", Ref: "refs/heads/live", DefaultBranch: "main", SHA: head}
	result := h.run(e, map[string]string{"registry": s.host, "required-approvals": "1", "publish-branch": "live"}, ask(a))
	expect(t, result, "GoodEncoder failed publish/approval")
	if len(a.asked) != 1 || a.asked[0] != head+" in live" {
		t.Errorf("asked was %q", a.asked)
	}
}

// TestApprovalInAShallowCheckout: where the checkout ends too early, GitHub says which commit it was.
func TestApprovalInAShallowCheckout(t *testing.T) {
	t.Parallel()
	_, origin := newTimed(t)
	changed := origin.Commit(t, bundle("GoodEncoder", "0.1.0"))
	head := origin.Commit(t, historytest.Files{"README.md": "A hub.\n"})
	for name, c := range map[string]struct {
		depth int
		asked []string
		err   error
		says  string
	}{
		"one commit":                    {depth: 1, asked: []string{"last of " + encoderPath + " up to " + head, changed + " in main"}, says: changed[:10]},
		"all commits":                   {depth: 2, asked: []string{changed + " in main"}, says: changed[:10]},
		"one commit, and no permission": {depth: 1, asked: []string{"last of " + encoderPath + " up to " + head}, err: errors.New("it needs the permission `contents: read`"), says: "cannot be told: it needs the permission `contents: read`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workspace := origin.Fetch(t, "refs/heads/main", c.depth)
			h, s := &hub{t, workspace.Dir, workspace.Git()}, newWatched(t)
			a := &approvals{last: changed, lastErr: c.err}
			result := h.run(pushed("", head), map[string]string{"registry": s.host, "required-approvals": "1", "bundles": "all"}, ask(a))
			expect(t, result, "GoodEncoder failed publish/approval")
			if !slices.Equal(a.asked, c.asked) {
				t.Errorf("asked was %q, want %q", a.asked, c.asked)
			}
			if f := errorOf(t, result.Bundles[0], "publish/approval"); !strings.Contains(f.Message, c.says) {
				t.Errorf("it does not say %q: %s", c.says, f.Message)
			}
		})
	}
}
