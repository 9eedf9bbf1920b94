package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/registry"
)

// pace has a test wait for no longer than it must. Its bounds are wide, for a machine that is busy with other things.
var pace = registry.Pace{First: 4 * time.Millisecond, Most: 20 * time.Millisecond, Total: time.Minute, Answer: time.Minute, Commit: time.Minute}

// keychain has the same credentials for every registry.
type keychain struct{ authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.Authenticator, nil }

func user(password string) keychain {
	return keychain{&authn.Basic{Username: "ada", Password: password}}
}

func client(t testing.TB, o registry.Options) *registry.Client {
	t.Helper()
	if o.Pace == (registry.Pace{}) {
		o.Pace = pace
	}
	c, err := registry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func inMemory() http.Handler { return memory.New(memory.Logger(log.New(io.Discard, "", 0))) }

// serve is the host, with its port, at which a handler listens.
func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func repository(t testing.TB, called string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(called)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func layerOf(content string) v1.Layer { return static.NewLayer([]byte(content), types.OCILayer) }

// imageOf is an image of one layer.
func imageOf(t testing.TB, content string) v1.Image {
	t.Helper()
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layerOf(content))
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func digestOf(t testing.TB, of interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	digest, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// inside leads into a registry of this process, whatever a test has put in front of it.
type inside struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// write puts an image into a registry of this process.
func write(t testing.TB, into http.Handler, at name.Reference, image v1.Image) {
	t.Helper()
	if err := remote.Write(at, image, remote.WithTransport(inside{into})); err != nil {
		t.Fatal(err)
	}
}

// TestReads shows what is read of an image, and of what is not there.
func TestReads(t *testing.T) {
	t.Parallel()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)), memory.WithReferrersSupport(true))
	at := repository(t, serve(t, inner)+"/hub/pod")
	base := mutate.Annotations(imageOf(t, "some"), map[string]string{"some": "note"}).(v1.Image)
	base, err := mutate.Config(base, v1.Config{Labels: map[string]string{"some": "label"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, inner, at.Tag("1"), base)
	digest := digestOf(t, base)
	c := client(t, registry.Options{})

	manifest, err := c.Get(t.Context(), at.Tag("1"))
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Digest() != digest || !manifest.IsImage() {
		t.Errorf("got %s, an image: %t", manifest.Digest(), manifest.IsImage())
	}
	if kind, err := manifest.MediaType(); err != nil || kind != types.OCIManifestSchema1 {
		t.Errorf("got the media type %s, %v", kind, err)
	}
	got, _ := manifest.RawManifest()
	if want, err := base.RawManifest(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got the manifest %s, want %s, %v", got, want, err)
	}
	config, err := c.Config(t.Context(), at.Digest(digest.String()))
	if err != nil || config.Config.Labels["some"] != "label" {
		t.Errorf("got the configuration %+v, %v", config, err)
	}

	// What is said about an image is put beside it, and found again.
	statement := mutate.Subject(imageOf(t, "said of it"), v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest}).(v1.Image)
	write(t, inner, at.Digest(digestOf(t, statement).String()), statement)
	said, err := c.Referrers(t.Context(), at.Digest(digest.String()))
	if err != nil || len(said) != 1 || said[0].Digest != digestOf(t, statement) {
		t.Errorf("got the referrers %v, %v", said, err)
	}

	if _, err := c.Get(t.Context(), at.Tag("2")); !registry.IsNotFound(err) {
		t.Errorf("a tag that is not there: %v", err)
	}
	if tags, err := c.Tags(t.Context(), repository(t, at.RegistryStr()+"/hub/none")); len(tags) > 0 || err != nil {
		t.Errorf("a repository that is not there: %v, %v", tags, err)
	}
}

// TestManifestUnderAnotherTag puts a manifest as it was read.
func TestManifestUnderAnotherTag(t *testing.T) {
	t.Parallel()
	inner := inMemory()
	at := repository(t, serve(t, inner)+"/hub/pod")
	write(t, inner, at.Tag("1"), imageOf(t, "some"))
	c := client(t, registry.Options{})
	manifest, err := c.Get(t.Context(), at.Tag("1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), at.Tag("latest"), manifest); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Head(t.Context(), at.Tag("latest")); err != nil || got != manifest.Digest() {
		t.Errorf("got %s, %v", got, err)
	}
}

// logins is a registry that lets in only who has asked for a scope. It takes note of the scopes.
type logins struct {
	inner   http.Handler
	enough  string // how a scope ends that is let in
	refused int    // the status for any other

	mutex  sync.Mutex
	scopes []string
}

func (l *logins) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path == "/token":
		if _, password, given := r.BasicAuth(); given && password != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		scope := r.URL.Query().Get("scope")
		l.mutex.Lock()
		l.scopes = append(l.scopes, scope)
		l.mutex.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]string{"token": scope})
	case !sent:
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	case !strings.HasSuffix(token, l.enough):
		w.WriteHeader(l.refused)
	default:
		l.inner.ServeHTTP(w, r)
	}
}

// TestDeniedReader reads as Docker Hub lets one do: a repository that is not there yet is denied to who wants to read it,
// and not found by the same user who may write.
func TestDeniedReader(t *testing.T) {
	t.Parallel()
	const pull, push = "repository:hub/pod:pull", "repository:hub/pod:push,pull"
	for title, test := range map[string]struct {
		keychain authn.Keychain
		enough   string
		want     func(error) bool
		scopes   []string
	}{
		"who may write":            {user("right"), ":push,pull", registry.IsNotFound, []string{pull, push}},
		"who need not write":       {user("right"), ":pull", registry.IsNotFound, []string{pull}},
		"who may neither":          {user("right"), ":admin", isForbidden, []string{pull, push}},
		"nobody, and may not read": {nil, ":push,pull", isForbidden, []string{pull}},
		"nobody, and may read":     {nil, ":pull", registry.IsNotFound, []string{pull}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			hub := &logins{inner: inMemory(), enough: test.enough, refused: http.StatusForbidden}
			at := repository(t, serve(t, hub)+"/hub/pod")
			c := client(t, registry.Options{Keychain: test.keychain})
			if _, err := c.Head(t.Context(), at.Tag("1")); !test.want(err) {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(hub.scopes, test.scopes) {
				t.Errorf("it logged in for %q, want %q", hub.scopes, test.scopes)
			}
			// Nobody logs in again for what is asked next.
			if _, err := c.Head(t.Context(), at.Tag("2")); !test.want(err) {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(hub.scopes, test.scopes) {
				t.Errorf("it logged in for %q in all, want %q", hub.scopes, test.scopes)
			}
		})
	}
}

func isForbidden(err error) bool {
	return err != nil && strings.Contains(err.Error(), "403 Forbidden")
}

// TestOneLogin has many ask at the same time: they log in once.
func TestOneLogin(t *testing.T) {
	t.Parallel()
	hub := &logins{inner: inMemory(), enough: ":pull"}
	at := repository(t, serve(t, hub)+"/hub/pod")
	c := client(t, registry.Options{Keychain: user("right")})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Head(t.Context(), at.Tag("1")); !registry.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(hub.scopes) != 1 {
		t.Errorf("it logged in for %q", hub.scopes)
	}
}

// TestGivenUpByTheCaller says why the caller's context ended, and does not wait for the registry.
func TestGivenUpByTheCaller(t *testing.T) {
	t.Parallel()
	why := errors.New("the job was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	web := faulty.New(inMemory(), faulty.At(1, faulty.Slow(time.Hour)), faulty.Before(func(int, *http.Request) { cancel(why) }))
	at := repository(t, serve(t, web)+"/hub/pod")
	if _, err := client(t, registry.Options{}).Head(ctx, at.Tag("1")); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkHead(b *testing.B) {
	inner := inMemory()
	at := repository(b, serve(b, inner)+"/hub/pod")
	write(b, inner, at.Tag("1"), imageOf(b, "some"))
	c := client(b, registry.Options{})
	for b.Loop() {
		if _, err := c.Head(b.Context(), at.Tag("1")); err != nil {
			b.Fatal(err)
		}
	}
}

// TestClose leaves no connection open.
func TestClose(t *testing.T) {
	t.Parallel()
	inner := inMemory()
	var open atomic.Int64
	web := httptest.NewUnstartedServer(inner)
	web.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	web.Start()
	t.Cleanup(web.Close)
	at := repository(t, strings.TrimPrefix(web.URL, "http://")+"/hub/pod")
	write(t, inner, at.Tag("1"), imageOf(t, "some"))
	c := client(t, registry.Options{})
	for range 2 { // it can be used after it was closed, and closed again
		if _, err := c.Head(t.Context(), at.Tag("1")); err != nil {
			t.Fatal(err)
		}
		c.Close()
		for since := time.Now(); open.Load() > 0; time.Sleep(time.Millisecond) { // the server sees it a moment later
			if time.Since(since) > 10*time.Second {
				t.Fatalf("%d connections are still open", open.Load())
			}
		}
	}
}
