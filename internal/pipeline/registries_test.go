package pipeline_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/report"
)

const (
	// encoderPath and encoderImage are the bundle's of the archive good.
	encoderPath  = "executors/encoders/GoodEncoder"
	encoderImage = "pod.encoder.goodencoder"
)

// pushed is a push to main.
func pushed(before, after string) event.Event {
	return event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main", Before: before, SHA: after}
}

// watched is a registry that tells what was written to it, and can be made to fail.
type watched struct {
	*server
	mutex sync.Mutex
	// puts are the paths of the manifests and blobs that were put, uploads left out that are only begun.
	puts []string
	// fault is what the registry answers instead; it reports whether it has.
	fault func(http.ResponseWriter, *http.Request) bool
}

func newWatched(t *testing.T, options ...memory.Option) *watched {
	t.Helper()
	w := &watched{}
	inner := memory.New(append(options, memory.Logger(log.New(io.Discard, "", 0)))...)
	web := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if w.fails(out, in) {
			return
		}
		inner.ServeHTTP(out, in)
	}))
	t.Cleanup(web.Close)
	w.server = &server{host: strings.TrimPrefix(web.URL, "http://")}
	return w
}

func (w *watched) fails(out http.ResponseWriter, in *http.Request) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.fault != nil && w.fault(out, in) {
		return true
	}
	if in.Method == http.MethodPut || in.Method == http.MethodPatch {
		w.puts = append(w.puts, in.URL.Path)
	}
	return false
}

// become changes what the registry answers; nil makes it well.
func (w *watched) become(fault func(http.ResponseWriter, *http.Request) bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.fault = fault
}

// written are the puts to one repository, or with "" to all, since the last call.
func (w *watched) written(repository string) []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var puts []string
	for _, path := range w.puts {
		if repository == "" || strings.HasPrefix(path, "/v2/jinahub/"+repository+"/") {
			puts = append(puts, path)
		}
	}
	w.puts = nil
	return puts
}

// referrers are the digests of what hangs on the image that a tag names, sorted.
func (s *server) referrers(t *testing.T, tag string) []string {
	t.Helper()
	repository, _, _ := strings.Cut(tag, ":")
	subject, err := name.NewDigest(s.host + "/jinahub/" + repository + "@" + s.digest(t, tag))
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Referrers(subject)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, d := range manifest.Manifests {
		digests = append(digests, d.Digest.String())
	}
	slices.Sort(digests)
	return digests
}

// errorOf is the one finding of a bundle that has a rule.
func errorOf(t *testing.T, b *report.Bundle, rule string) finding.Finding {
	t.Helper()
	for _, f := range b.Findings {
		if f.Rule == rule {
			return f
		}
	}
	t.Fatalf("%s has no finding of %s: %+v", b.Path, rule, b.Findings)
	return finding.Finding{}
}

// messages are what is found of all bundles and of none, a line each.
func messages(r *report.Report) string {
	var lines []string
	for _, f := range r.All() {
		lines = append(lines, f.Message)
	}
	return strings.Join(lines, "\n")
}

// TestEveryRegistry: one image goes to all of them, with what hangs on it.
func TestEveryRegistry(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	// The second keeps lists of referrers; in the first they are an index under a tag.
	h, one, two := newHub(t), newWatched(t), newWatched(t, memory.WithReferrersSupport(true))
	head := h.commit(good)
	result := h.run(pushed("", head), map[string]string{"registry": one.host + "," + two.host, "attest": "true"})
	expect(t, result, "GoodEncoder published")
	for _, tag := range []string{encoderImage + ":0.1.0", encoderImage + ":latest"} {
		if a, b := one.digest(t, tag), two.digest(t, tag); a == "" || a != b {
			t.Errorf("%s is %q in the one and %q in the other", tag, a, b)
		}
	}
	a, b := one.referrers(t, encoderImage+":0.1.0"), two.referrers(t, encoderImage+":0.1.0")
	if len(a) != 3 || !slices.Equal(a, b) {
		t.Errorf("the referrers are %q in the one and %q in the other", a, b)
	}
	p := result.Publications()
	if len(p) != 2 || !strings.HasPrefix(p[0].Image, one.host) || !strings.HasPrefix(p[1].Image, two.host) || p[0].Digest != p[1].Digest || p[0].Digest != one.digest(t, encoderImage+":latest") {
		t.Errorf("published is %+v", p)
	}
}

// faults are ways in which a registry does not do what it is asked for.
var faults = map[string]func(http.ResponseWriter, *http.Request) bool{
	"one may read only": func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	},
	"one may do nothing": func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	},
	"it takes no manifest": func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	},
	"it hangs up": func(w http.ResponseWriter, _ *http.Request) bool {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
		return true
	},
}

// TestOneRegistryFails: the other gets the image, the bundle fails with the name of the one that refuses, and the next run
// copies the image there. That run has another commit, by which an image that is built again would tell itself.
func TestOneRegistryFails(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	for fault, refuse := range faults {
		for _, order := range []string{"first", "last"} {
			t.Run(fault+", "+order, func(t *testing.T) {
				t.Parallel()
				h, well, ill := newHub(t), newWatched(t), newWatched(t)
				ill.become(refuse)
				given := map[string]string{"registry": well.host + "," + ill.host, "bundles": "all"}
				if order == "first" {
					given["registry"] = ill.host + "," + well.host
				}
				first := h.commit(good)
				r, result, err := h.do(pushed("", first), given)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, result, "GoodEncoder failed publish/failed")
				f := errorOf(t, result.Bundles[0], "publish/failed")
				if !strings.Contains(f.Message, ill.host) || strings.Contains(f.Message, well.host) {
					t.Errorf("the finding does not name the registry %s: %s", ill.host, f.Message)
				}
				if !r.Failed() {
					t.Error("the run does not fail")
				}
				published := well.digest(t, encoderImage+":0.1.0")
				if published == "" || well.digest(t, encoderImage+":latest") != published {
					t.Fatalf("the registry that is well has %q, and %q as latest", published, well.digest(t, encoderImage+":latest"))
				}
				if p := result.Publications(); len(p) != 1 || p[0].Digest != published || !strings.HasPrefix(p[0].Image, well.host) {
					t.Errorf("published is %+v", p)
				}

				ill.become(nil)
				if ill.digest(t, encoderImage+":0.1.0") != "" {
					t.Error("the one that refuses has the version")
				}
				well.written("")
				second := h.commit("-- README.md --\nA hub.\n")
				var said bytes.Buffer
				result = h.run(pushed(first, second), given, func(r *pipeline.Run) { r.Log = report.NewLog(&said, false) })
				expect(t, result, "GoodEncoder published")
				for _, tag := range []string{encoderImage + ":0.1.0", encoderImage + ":latest"} {
					if got := ill.digest(t, tag); got != published {
						t.Errorf("%s is %q in the registry that is well again, want %q", tag, got, published)
					}
				}
				if puts := well.written(encoderImage); len(puts) > 0 {
					t.Errorf("the registry that had it all was written to: %q", puts)
				}
				if took, built := result.Bundles[0].Seconds["build"]; built || !strings.Contains(said.String(), well.host+" has the image; it is copied from there") {
					t.Errorf("it was built, for %v s; the log says:\n%s", took, said.String())
				}
				if a, b := well.referrers(t, encoderImage+":latest"), ill.referrers(t, encoderImage+":latest"); len(a) != 1 || !slices.Equal(a, b) {
					t.Errorf("the referrers are %q where it was first and %q where it was copied to", a, b)
				}
			})
		}
	}
}

// TestNoRegistryThere: where nothing listens, the finding says so and the other registry is served.
func TestNoRegistryThere(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, s := newHub(t), newWatched(t)
	const closed = "127.0.0.1:1"
	result := h.run(pushed("", h.commit(good)), map[string]string{"registry": closed + "," + s.host})
	expect(t, result, "GoodEncoder failed publish/failed")
	if f := errorOf(t, result.Bundles[0], "publish/failed"); !strings.Contains(f.Message, "names a registry that this runner reaches ("+closed+")") {
		t.Errorf("the finding says %s", f.Message)
	}
	if s.digest(t, encoderImage+":0.1.0") == "" {
		t.Error("the other registry has nothing")
	}
}

// TestOtherTreeInOneRegistry: a version that one registry has from other files is not published anywhere: two registries
// would give two images under one name.
func TestOtherTreeInOneRegistry(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	h, empty, full := newHub(t), newWatched(t), newWatched(t)
	first := h.commit(good)
	expect(t, h.run(pushed("", first), map[string]string{"registry": full.host}), "GoodEncoder published")
	before := full.digest(t, encoderImage+":latest")
	full.written("")
	second := h.commit("-- " + encoderPath + "/encode --\nnew\n")
	for _, registries := range []string{empty.host + "," + full.host, full.host + "," + empty.host} {
		result := h.run(pushed("", second), map[string]string{"registry": registries, "bundles": "all"})
		expect(t, result, "GoodEncoder failed publish/exists")
		f := errorOf(t, result.Bundles[0], "publish/exists")
		if f.File != encoderPath+"/manifest.yml" || f.Line != 5 || !strings.Contains(f.Message, full.host) || !strings.Contains(f.Message, "write `version: 0.1.1`") {
			t.Errorf("the finding is %+v", f)
		}
		if took, built := result.Bundles[0].Seconds["build"]; built {
			t.Errorf("it was built, for %v s", took)
		}
		if a, b := empty.written(encoderImage), full.written(encoderImage); len(a)+len(b) > 0 {
			t.Errorf("written were %q and %q", a, b)
		}
	}
	if full.digest(t, encoderImage+":0.1.0") != before || full.digest(t, encoderImage+":latest") != before || empty.digest(t, encoderImage+":0.1.0") != "" {
		t.Error("a tag changed")
	}
}
