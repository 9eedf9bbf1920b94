package pipeline_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/publish"
)

// put pushes an image of a version under the tags, and under no others, as a run leaves it that dies before its last one.
// The image says that it was made from the tree.
func (w *watched) put(t *testing.T, repository, version, tree string, tags ...string) {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{Labels: map[string]string{publish.TreeLabel: tree, "org.opencontainers.image.version": version}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		reference, err := name.NewTag(w.host + "/jinahub/" + repository + ":" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference, img); err != nil {
			t.Fatal(err)
		}
	}
}

// treeOf is the git tree hash of a bundle's directory.
func (h *hub) treeOf(bundle string) string {
	h.t.Helper()
	hash, err := history.TreeHash(filepath.Join(h.dir, filepath.FromSlash(bundle)))
	if err != nil {
		h.t.Fatal(err)
	}
	return hash
}

// TestMissing asks registries which bundles a run of "missing" is for.
func TestMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		tags    string
		put     func(t *testing.T, w *watched, tree string)
		want    bool
	}{
		"nothing is there":                          {version: "0.1.0", want: true},
		"another version is there":                  {version: "0.1.0", put: has("0.0.9", "0.0.9", "latest"), want: true},
		"all tags are there":                        {version: "0.1.0", put: has("0.1.0", "0.1.0", "latest")},
		"latest is not there":                       {version: "0.1.0", put: has("0.1.0", "0.1.0"), want: true},
		"only latest is there":                      {version: "0.1.0", put: has("0.1.0", "latest"), want: true},
		"one more tag is asked for":                 {version: "0.1.0", tags: "{version},latest,{major}.{minor}", put: has("0.1.0", "0.1.0", "latest"), want: true},
		"no moving tag is asked for":                {version: "0.1.0", tags: "{version}", put: has("0.1.0", "0.1.0")},
		"a pre-release, which has no latest":        {version: "0.1.0-rc.1", put: has("0.1.0-rc.1", "0.1.0-rc.1")},
		"build metadata, which a tag writes with _": {version: "0.1.0+gpu", put: has("0.1.0+gpu", "0.1.0_gpu", "latest")},
		"latest is a lower version's": {version: "0.1.0", put: func(t *testing.T, w *watched, tree string) {
			has("0.0.9", "0.0.9", "latest")(t, w, tree)
			has("0.1.0", "0.1.0")(t, w, tree)
		}, want: true},
		"latest is a higher version's": {version: "0.1.0", put: func(t *testing.T, w *watched, tree string) {
			has("0.1.0", "0.1.0")(t, w, tree)
			has("0.2.0", "0.2.0", "latest")(t, w, tree)
		}},
		"latest is of a higher version that is gone": {version: "0.1.0", put: func(t *testing.T, w *watched, tree string) {
			has("0.1.0", "0.1.0")(t, w, tree)
			has("0.2.0", "latest")(t, w, tree)
		}, want: true},
		// Whether it can be published is for the run to say; it is not missing.
		"it is there from other files": {version: "0.1.0", put: func(t *testing.T, w *watched, _ string) {
			has("0.1.0", "0.1.0", "latest")(t, w, strings.Repeat("1", 40))
		}},
		"the manifest makes no version": {version: "one", want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newTimed(t)
			w := newWatched(t)
			head := r.Commit(t, bundle("GoodEncoder", c.version))
			if c.put != nil {
				c.put(t, w, h.treeOf(encoderPath))
			}
			w.written("")
			given := map[string]string{"registry": w.host, "mode": "plan", "bundles": "missing"}
			if c.tags != "" {
				given["tags"] = c.tags
			}
			if got := len(h.run(pushed("", head), given).Bundles) > 0; got != c.want {
				t.Errorf("is it missing: %t, want %t", got, c.want)
			}
			if puts := w.written(""); len(puts) > 0 {
				t.Errorf("a plan has written %q", puts)
			}
		})
	}
}

// has puts an image of the version under the tags.
func has(version string, tags ...string) func(*testing.T, *watched, string) {
	return func(t *testing.T, w *watched, tree string) {
		t.Helper()
		w.put(t, encoderImage, version, tree, tags...)
	}
}

// TestMissingIsCompleted: a run that died before its last tag is completed, without a build, and then nothing is missing.
func TestMissingIsCompleted(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	w := newWatched(t)
	head := r.Commit(t, together(bundle("GoodEncoder", "0.1.0"), bundle("Whole", "0.1.0")))
	w.put(t, encoderImage, "0.1.0", h.treeOf(encoderPath), "0.1.0")
	w.put(t, "pod.encoder.whole", "0.1.0", h.treeOf("executors/encoders/Whole"), "0.1.0", "latest")
	w.written("")
	given := map[string]string{"registry": w.host, "bundles": "missing"}
	result := h.run(pushed("", head), given)
	expect(t, result, "GoodEncoder unchanged")
	if p := result.Publications(); len(p) != 1 || !p[0].Existed || !slices.Equal(p[0].Tags, []string{"0.1.0", "latest"}) {
		t.Errorf("published is %+v", p)
	}
	if puts, want := w.written(encoderImage), []string{"/v2/jinahub/" + encoderImage + "/manifests/latest"}; !slices.Equal(puts, want) {
		t.Errorf("written was %q, want %q", puts, want)
	}
	if a, b := w.digest(t, encoderImage+":latest"), w.digest(t, encoderImage+":0.1.0"); a == "" || a != b {
		t.Errorf("latest is %q, the version %q", a, b)
	}
	expect(t, h.run(pushed("", head), given), "")
}

// TestMissingInOneOfTwo: what one of two registries lacks is missing.
func TestMissingInOneOfTwo(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	one, two := newWatched(t), newWatched(t)
	head := r.Commit(t, bundle("GoodEncoder", "0.1.0"))
	one.put(t, encoderImage, "0.1.0", h.treeOf(encoderPath), "0.1.0", "latest")
	plan := func(registries string) string {
		return statuses(h.run(pushed("", head), map[string]string{"registry": registries, "mode": "plan", "bundles": "missing"}))
	}
	for registries, want := range map[string]string{
		one.host: "", two.host: "GoodEncoder checked", one.host + "," + two.host: "GoodEncoder checked", two.host + "," + one.host: "GoodEncoder checked",
	} {
		if got := plan(registries); got != want {
			t.Errorf("%s: got %q, want %q", registries, got, want)
		}
	}
}

// TestMissingOfBundlesThatDidNotChange: it is for all of the hub, whatever the event's commits are.
func TestMissingOfBundlesThatDidNotChange(t *testing.T) {
	t.Parallel()
	h, r := newTimed(t)
	before := r.Commit(t, together(bundle("GoodEncoder", "0.1.0"), bundle("Other", "0.1.0")))
	after := r.Commit(t, historytest.Files{"executors/encoders/Other/encode": "1"})
	result := h.run(pushed(before, after), map[string]string{"registry": newWatched(t).host, "mode": "plan", "bundles": "missing"})
	expect(t, result, "GoodEncoder checked; Other checked")
}

// TestMissingCannotBeTold: a registry that does not say what it has fails the run, which would else publish nothing and
// look as if nothing were missing. Where another one does say it, that one gets what it lacks.
func TestMissingCannotBeTold(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"one may do nothing":       faults["one may do nothing"],
		"it hangs up":              faults["it hangs up"],
		"tags may not be asked of": forbid("/tags/list"),
		"latest may not be seen":   forbid("/manifests/latest"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, r := newTimed(t)
			well, ill := newWatched(t), newWatched(t)
			head := r.Commit(t, bundle("GoodEncoder", "0.1.0"))
			for _, w := range []*watched{well, ill} {
				w.put(t, encoderImage, "0.1.0", h.treeOf(encoderPath), "0.1.0", "latest")
			}
			ill.become(fault)
			_, result, err := h.do(pushed("", head), map[string]string{"registry": ill.host, "bundles": "missing", "mode": "publish"})
			if err == nil || !strings.Contains(err.Error(), ill.host) || result.Error != err.Error() {
				t.Errorf("got the error %v, and %q in the report; want it to name %s", err, result.Error, ill.host)
			}
			if len(result.Bundles) > 0 {
				t.Errorf("the bundles are %q", result.Paths())
			}
			for _, registries := range []string{well.host + "," + ill.host, ill.host + "," + well.host} {
				run, result, err := h.do(pushed("", head), map[string]string{"registry": registries, "bundles": "missing", "mode": "publish"})
				if err != nil {
					t.Fatal(err)
				}
				expect(t, result, "GoodEncoder failed publish/failed")
				if f := errorOf(t, result.Bundles[0], "publish/failed"); !run.Failed() || !strings.Contains(f.Message, ill.host) {
					t.Errorf("it failed: %t; the finding does not name %s: %s", run.Failed(), ill.host, f.Message)
				}
				if p := result.Publications(); len(p) != 1 || !strings.HasPrefix(p[0].Image, well.host) {
					t.Errorf("published is %+v", p)
				}
			}
		})
	}
}

// forbid refuses requests whose path has this end.
func forbid(end string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, end) {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
}
