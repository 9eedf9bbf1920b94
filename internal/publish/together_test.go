package publish_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/jina/hub-publish/internal/publish"
)

// TestTogether has other runs publish a version from the same tree, all of which saw none before, in the moments that decide
// which image it is. What this run says of it is what the registry has in the end.
func TestTogether(t *testing.T) {
	t.Parallel()
	const version = "1.0.0"
	atTag := func(method string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == method && strings.HasSuffix(r.URL.Path, "/manifests/"+version)
		}
	}
	for name, c := range map[string]struct {
		// before is the request that matters, takes how long the registry takes for it beyond what it does, and status what it
		// answers; 0 is what it would.
		before func(*http.Request) bool
		takes  time.Duration
		status int
		// writes has how long after the request came the other runs write.
		writes []time.Duration
	}{
		"one is there when this run asks": {before: atTag(http.MethodGet), writes: []time.Duration{0}},
		"one is there and is replaced":    {before: atTag(http.MethodGet), writes: []time.Duration{0, grace / 4}},
		"one comes during the push and is replaced": {
			before: func(r *http.Request) bool { return r.Method == http.MethodPut },
			writes: []time.Duration{0, grace / 4},
		},
		"this one is replaced":                   {before: atTag(http.MethodPut), writes: []time.Duration{grace / 4}},
		"one comes before this run writes again": {before: atTag(http.MethodPut), status: http.StatusServiceUnavailable, writes: []time.Duration{0}},
		"this one is replaced by one as slow":    {before: atTag(http.MethodPut), takes: grace, writes: []time.Duration{2*grace + grace/2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			images := make([]v1.Image, len(c.writes))
			for i := range images {
				images[i] = annotated(t)
			}
			var w *world
			begun := false
			var others sync.WaitGroup
			w = newWorld(t, func(r *http.Request) int {
				if begun || !c.before(r) {
					return 0
				}
				begun = true
				for i, after := range c.writes {
					if after == 0 {
						w.write(t, version, images[i])
						continue
					}
					others.Go(func() {
						time.Sleep(after)
						w.write(t, version, images[i])
					})
				}
				time.Sleep(c.takes)
				return c.status
			})
			patient := pace
			patient.Grace = grace
			w.Publisher = paced(t, nil, patient)
			result, err := w.Publish(t.Context(), w.target(t, version), publish.Release{Image: annotated(t), Tree: tree})
			if err != nil {
				t.Fatal(err)
			}
			others.Wait()
			want, err := images[len(images)-1].Digest()
			if err != nil {
				t.Fatal(err)
			}
			if result.Digest != want || !result.Existed {
				t.Errorf("got %s (existed: %t), want %s", result.Digest, result.Existed, want)
			}
			for _, tag := range []string{version, "latest"} {
				if got := w.digest(t, tag); got != want {
					t.Errorf("the registry has %s at %s, want %s", got, tag, want)
				}
			}
		})
	}
}

// grace is how long after the last change of a version's tag a run looks at it again.
const grace = 2 * time.Second

// annotated is an image whose manifest says its tree.
func annotated(t *testing.T) v1.Image {
	t.Helper()
	img := mutate.MediaType(image(t, nil), types.OCIManifestSchema1)
	return mutate.Annotations(img, map[string]string{publish.TreeLabel: tree}).(v1.Image)
}

// write is another run's: it does not come by the world's front.
func (w *world) write(t *testing.T, tag string, img v1.Image) {
	raw, err := img.RawManifest()
	if err != nil {
		t.Error(err)
	}
	r := httptest.NewRequest(http.MethodPut, "/v2/"+w.repository.RepositoryStr()+"/manifests/"+tag, bytes.NewReader(raw))
	r.Header.Set("Content-Type", string(types.OCIManifestSchema1))
	answer := httptest.NewRecorder()
	w.behind.ServeHTTP(answer, r)
	if answer.Code != http.StatusCreated {
		t.Errorf("another run was told %d %s", answer.Code, answer.Body)
	}
}
