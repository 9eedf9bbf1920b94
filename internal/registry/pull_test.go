package registry_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/registry"
)

// TestMirrors looks for a base image at the mirrors, in their order, and then where it is from.
func TestMirrors(t *testing.T) {
	t.Parallel()
	refuses := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		})
	}
	unwell := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for title, test := range map[string]struct {
		first, second       http.Handler // nil is a registry that has the image
		fromFirst, fromNext bool         // where the image is found; else where it is from
	}{
		"the first has it":      {nil, nil, true, false},
		"the first lacks it":    {refuses(404), nil, false, true},
		"the first denies it":   {refuses(403), nil, false, true},
		"the first wants login": {faulty.New(inMemory(), faulty.Token("ada", "right")), nil, false, true},
		"the first is not well": {unwell, nil, false, true},
		"neither has it":        {refuses(404), refuses(404), false, false},
		"neither is well":       {unwell, refuses(500), false, false},
	} {
		for _, by := range []string{"tag", "digest"} {
			t.Run(title+"/"+by, func(t *testing.T) {
				t.Parallel()
				image := imageOf(t, "some")
				having := func(h http.Handler) *faulty.Proxy {
					if h == nil {
						h = inMemory()
						write(t, h, repository(t, "localhost/library/base").Tag("1"), image)
					}
					return faulty.New(h)
				}
				first, second, origin := having(test.first), having(test.second), having(nil)
				at := repository(t, serve(t, origin)+"/library/base")
				c := client(t, registry.Options{Mirrors: []registry.Mirror{{Of: at.Registry, At: serve(t, first)}, {Of: at.Registry, At: serve(t, second)}}})
				var asked name.Reference = at.Tag("1")
				want := "/v2/library/base/manifests/1"
				if by == "digest" {
					asked = at.Digest(digestOf(t, image).String())
					want = "/v2/library/base/manifests/" + digestOf(t, image).String()
				}
				got, err := c.Image(t.Context(), asked, nil)
				if err != nil {
					t.Fatal(err)
				}
				if digestOf(t, got) != digestOf(t, image) {
					t.Errorf("got %s", digestOf(t, got))
				}
				if there := count(second, "GET "+want) > 0; test.fromNext && !there || test.fromFirst && len(second.Requests()) > 0 {
					t.Errorf("the second mirror was asked %q", second.Requests())
				}
				if there := count(origin, "GET "+want) > 0; there == (test.fromFirst || test.fromNext) {
					t.Errorf("where it is from was asked %q", origin.Requests())
				}
				if len(first.Requests()) == 0 || test.fromFirst && !slices.Contains(first.Requests(), "GET "+want) {
					t.Errorf("the first mirror was asked %q", first.Requests())
				}
			})
		}
	}
}

// TestMirrorAway does without a mirror at which nobody listens.
func TestMirrorAway(t *testing.T) {
	t.Parallel()
	inner := inMemory()
	at := repository(t, serve(t, inner)+"/library/base")
	write(t, inner, at.Tag("1"), imageOf(t, "some"))
	for _, mirror := range []string{"127.0.0.1:1", "127.0.0.1:1/proxy", "no name"} {
		c := client(t, registry.Options{Mirrors: []registry.Mirror{{Of: at.Registry, At: mirror}}})
		if _, err := c.Image(t.Context(), at.Tag("1"), nil); err != nil {
			t.Errorf("%s: %v", mirror, err)
		}
	}
}

// TestMirrorWithPath finds images below a path, as Harbor's proxy caches have them.
func TestMirrorWithPath(t *testing.T) {
	t.Parallel()
	image := imageOf(t, "some")
	inner := inMemory()
	write(t, inner, repository(t, "localhost/proxy/hub/library/python").Tag("3"), image)
	hub, err := name.NewRegistry(name.DefaultRegistry)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, registry.Options{Mirrors: []registry.Mirror{{Of: hub, At: serve(t, inner) + "/proxy/hub"}}})
	for _, called := range []string{"python:3", "docker.io/library/python:3", "python@" + digestOf(t, image).String()} {
		r, err := name.ParseReference(called)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Image(t.Context(), r, nil)
		if err != nil {
			t.Errorf("%s: %v", called, err)
		} else if digestOf(t, got) != digestOf(t, image) {
			t.Errorf("%s: got %s", called, digestOf(t, got))
		}
	}
}

// TestMirrorOfAnother does not ask a mirror for what it is no mirror of.
func TestMirrorOfAnother(t *testing.T) {
	t.Parallel()
	inner, mirror := inMemory(), faulty.New(inMemory())
	at := repository(t, serve(t, inner)+"/library/base")
	write(t, inner, at.Tag("1"), imageOf(t, "some"))
	hub, err := name.NewRegistry(name.DefaultRegistry)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, registry.Options{Mirrors: []registry.Mirror{{Of: hub, At: serve(t, mirror)}}})
	if _, err := c.Image(t.Context(), at.Tag("1"), nil); err != nil {
		t.Error(err)
	}
	if got := mirror.Requests(); len(got) > 0 {
		t.Errorf("the mirror was asked %q", got)
	}
}

// TestMirrorOfOtherContent is not taken in by a mirror that has something else under a digest.
func TestMirrorOfOtherContent(t *testing.T) {
	t.Parallel()
	image, other := imageOf(t, "some"), imageOf(t, "other")
	inner := inMemory()
	at := repository(t, serve(t, inner)+"/library/base")
	write(t, inner, at.Tag("1"), image)
	lying := inMemory()
	write(t, lying, at.Tag("1"), other)
	mirror := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, digestOf(t, image).String(), "1", 1)
		lying.ServeHTTP(w, r)
	})
	c := client(t, registry.Options{Mirrors: []registry.Mirror{{Of: at.Registry, At: serve(t, mirror)}}})
	got, err := c.Image(t.Context(), at.Digest(digestOf(t, image).String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if layers, err := got.Layers(); err != nil || fmt.Sprint(digestOf(t, layers[0])) != fmt.Sprint(digestOf(t, layerOf("some"))) {
		t.Errorf("got %v, %v", layers, err)
	}
}
