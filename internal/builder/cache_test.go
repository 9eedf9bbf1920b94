package builder_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder"
)

// cacheTest builds with a cache in a registry of its own.
type cacheTest struct {
	*testing.T
	registry *faulty
	storage  http.Handler
}

func newCacheTest(t *testing.T) *cacheTest {
	storage := newRegistry()
	return &cacheTest{t, newFaulty(t, storage), storage}
}

// build builds with a builder that knows nothing of those before it.
func (c *cacheTest) build(write bool, files string, args ...string) (v1.Image, *recorder) {
	c.Helper()
	repository, err := name.NewRepository(strings.TrimPrefix(c.registry.URL, "http://") + "/cache")
	if err != nil {
		c.Fatal(err)
	}
	b := newBuilder(c.T, func(o *builder.Options) {
		o.Store = store
		o.Cache = &builder.Cache{Repository: repository, Write: write}
		o.BuildArgs = append(o.BuildArgs, args...)
	})
	img, r, err := buildFiles(c.T, b, files)
	if err != nil {
		c.Fatalf("%v\n%s", err, r.output.String())
	}
	return img, r
}

// tampered changes the last byte of a blob that is not a configuration.
func (c *cacheTest) tampered(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	c.storage.ServeHTTP(whole, r)
	data := slices.Clone(whole.Body.Bytes())
	if data[0] != '{' {
		data[len(data)-1]++
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// ran is how many RUNs were executed: each of them prints the word.
func ran(r *recorder) int { return strings.Count(r.output.String(), "ran") }

func layerDigests(t *testing.T, img v1.Image) (digests []string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	return digests
}

// cachedRun has a RUN whose result differs from run to run, as its files' times do.
const cachedRun = `
-- Dockerfile --
ARG BASE
FROM $BASE
COPY before /before
RUN echo ran && cat /before > /made
COPY after /after
-- before --
1
-- after --
1
`

func TestCacheHits(t *testing.T) {
	t.Parallel()
	c := newCacheTest(t)
	first, r := c.build(true, cachedRun)
	if ran(r) != 1 {
		t.Fatalf("the first build ran %d instructions", ran(r))
	}
	second, r := c.build(false, cachedRun)
	if ran(r) != 0 {
		t.Errorf("the second build ran %d instructions", ran(r))
	}
	if got, want := layerDigests(t, second), layerDigests(t, first); !slices.Equal(got, want) {
		t.Errorf("the layers are %v, and were %v", got, want)
	}
	// The layers from the cache can be read when the build is over.
	if files := contents(t, second); files["/made"] != "1\n" {
		t.Errorf("the image holds %q", files["/made"])
	}
	third, r := c.build(false, strings.Replace(cachedRun, "-- after --\n1", "-- after --\n2", 1))
	if ran(r) != 0 {
		t.Error("a file that is copied after the RUN changes it")
	}
	if files := contents(t, third); files["/made"] != "1\n" || files["/after"] != "2\n" {
		t.Errorf("the image holds %q, %q", files["/made"], files["/after"])
	}
}

// TestCacheMisses changes what a RUN depends on, each time something else.
func TestCacheMisses(t *testing.T) {
	t.Parallel()
	head := "-- Dockerfile --\nARG BASE\nFROM $BASE\n"
	for name, test := range map[string]struct{ first, second string }{
		"a file that is copied before":       {cachedRun, strings.Replace(cachedRun, "-- before --\n1", "-- before --\n2", 1)},
		"the command":                        {cachedRun, strings.Replace(cachedRun, "> /made", ">> /made", 1)},
		"the environment":                    {cachedRun, strings.Replace(cachedRun, "RUN", "ENV A=b\nRUN", 1)},
		"the user":                           {cachedRun, strings.Replace(cachedRun, "COPY before", "USER 0:7\nCOPY before", 1)},
		"the working directory":              {cachedRun, strings.Replace(cachedRun, "RUN", "WORKDIR /tmp\nRUN", 1)},
		"a RUN before":                       {cachedRun, strings.Replace(cachedRun, "RUN", "RUN echo 1 > /one\nRUN", 1)},
		"a mounted file":                     {head + "RUN --mount=type=bind,target=/m echo ran\n-- f --\n1\n", head + "RUN --mount=type=bind,target=/m echo ran\n-- f --\n2\n"},
		"what a link leads to":               {head + "COPY link /f\nRUN echo ran\n-- link -> file --\n-- file --\n1\n", head + "COPY link /f\nRUN echo ran\n-- link -> file --\n-- file --\n2\n"},
		"what a linked directory holds":      {head + "COPY link/file /f\nRUN echo ran\n-- link -> dir --\n-- dir/file --\n1\n", head + "COPY link/file /f\nRUN echo ran\n-- link -> dir --\n-- dir/file --\n2\n"},
		"what a mounted link leads to":       {head + "RUN --mount=type=bind,source=link,target=/m echo ran\n-- link -> dir --\n-- dir/f --\n1\n", head + "RUN --mount=type=bind,source=link,target=/m echo ran\n-- link -> dir --\n-- dir/f --\n2\n"},
		"the name that a pattern finds":      {head + "COPY *.txt /d/\nRUN echo ran\n-- a.txt --\n1\n", head + "COPY *.txt /d/\nRUN echo ran\n-- b.txt --\n1\n"},
		"a file's place in its directory":    {head + "COPY d /d/\nRUN echo ran\n-- d/a/f --\n1\n", head + "COPY d /d/\nRUN echo ran\n-- d/b/f --\n1\n"},
		"where one file ends and one begins": {head + "COPY d /d/\nRUN echo ran\n-- d/a --\n1\n2\n-- d/b --\n3\n", head + "COPY d /d/\nRUN echo ran\n-- d/a --\n1\n-- d/b --\n2\n3\n"},
		"a file of another stage":            {"-- Dockerfile --\nARG BASE\nFROM scratch AS s\nCOPY f /\nFROM $BASE\nCOPY --from=s /f /\nRUN echo ran\n-- f --\n1\n", "-- Dockerfile --\nARG BASE\nFROM scratch AS s\nCOPY f /\nFROM $BASE\nCOPY --from=s /f /\nRUN echo ran\n-- f --\n2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCacheTest(t)
			if _, r := c.build(true, test.first); ran(r) != 1 {
				t.Fatalf("the first build ran %d instructions", ran(r))
			}
			if _, r := c.build(true, test.second); ran(r) != 1 {
				t.Error("the layer of another build was taken")
			}
			if _, r := c.build(true, test.first); ran(r) != 0 {
				t.Error("the first build's layer was not found")
			}
		})
	}
}

func TestCacheMissesForAnotherBase(t *testing.T) {
	t.Parallel()
	c := newCacheTest(t)
	other, err := push(c.registry.Server, "other", changedBase(t))
	if err != nil {
		t.Fatal(err)
	}
	c.build(true, cachedRun)
	if _, r := c.build(true, cachedRun, "BASE="+other); ran(r) != 1 {
		t.Error("the layer of another base image was taken")
	}
}

func TestCacheNotWritten(t *testing.T) {
	t.Parallel()
	c := newCacheTest(t)
	c.build(false, cachedRun)
	asked := c.registry.asked()
	for _, request := range asked {
		if !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ") {
			t.Errorf("the cache got %s", request)
		}
	}
	if len(asked) == 0 {
		t.Error("the cache was not asked")
	}
}

// TestCacheFaults asks a cache that is of no use: the build goes on without it, and says so where somebody can mend it.
func TestCacheFaults(t *testing.T) {
	t.Parallel()
	image := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v2/cache/blobs/")
	}
	all := func(*http.Request) bool { return true }
	for name, test := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		said  string
	}{
		"it fails":                    {times(-1, all, status(500)), "goes on without the cache"},
		"it may not be read":          {times(-1, manifests, status(401)), ""},
		"it is forbidden":             {times(-1, manifests, status(403)), ""},
		"it talks nonsense":           {times(-1, manifests, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }), "goes on without the cache"},
		"its layers are gone":         {times(-1, image, status(404)), "goes on without the cache"},
		"its layer was tampered with": {nil, "goes on without the cache"},
		"its layer is cut":            {times(-1, image, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }), "goes on without the cache"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCacheTest(t)
			c.build(true, cachedRun)
			if test.fault == nil {
				test.fault = times(-1, image, c.tampered)
			}
			c.registry.fault(test.fault)
			img, r := c.build(false, cachedRun)
			if ran(r) != 1 {
				t.Errorf("the build ran %d instructions", ran(r))
			}
			if got := r.output.String(); (test.said == "") != !strings.Contains(got, "the cache") || !strings.Contains(got, test.said) {
				t.Errorf("it says %q, want %q", got, test.said)
			}
			if files := contents(t, img); files["/made"] != "1\n" {
				t.Errorf("the image holds %q", files["/made"])
			}
		})
	}
	t.Run("there is none", func(t *testing.T) {
		t.Parallel()
		c := newCacheTest(t)
		c.registry.Close()
		if _, r := c.build(true, cachedRun); ran(r) != 1 || !strings.Contains(r.output.String(), "goes on without the cache") || !strings.Contains(r.output.String(), "could not be written") {
			t.Errorf("got %q", r.output.String())
		}
	})
}

// changedBase is the base image with one more file.
func changedBase(t *testing.T) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(base)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	more, err := layerOf(file("more", "more"))
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, more); err != nil {
		t.Fatal(err)
	}
	return img
}
