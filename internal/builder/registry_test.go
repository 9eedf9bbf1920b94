package builder_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
)

// faulty is a registry that can be made to fail.
type faulty struct {
	*httptest.Server
	fail     atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	mutex    sync.Mutex
	requests []string // methods and paths
}

func newFaulty(t *testing.T, registry http.Handler) *faulty {
	t.Helper()
	f := &faulty{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mutex.Lock()
		f.requests = append(f.requests, r.Method+" "+r.URL.Path)
		f.mutex.Unlock()
		if fail := f.fail.Load(); fail != nil && (*fail)(w, r) {
			return
		}
		registry.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

// fault lets fail answer requests from now on; it reports whether it did.
func (f *faulty) fault(fail func(http.ResponseWriter, *http.Request) bool) { f.fail.Store(&fail) }

// asked are the requests until now, and forgets them.
func (f *faulty) asked() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	asked := f.requests
	f.requests = nil
	return asked
}

func layerDigest(t *testing.T, img v1.Image) v1.Hash {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// blobOf is the blob of an image's first layer.
func blobOf(t *testing.T, img v1.Image) []byte {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	data, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// noise cannot be compressed.
func noise(size int) string {
	data := make([]byte, size/2)
	_, _ = rand.Read(data)
	return hex.EncodeToString(data)
}

// times lets a fault happen to the first n requests that match; to all with n < 0.
func times(n int64, match func(*http.Request) bool, do http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	var left atomic.Int64
	left.Store(n)
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !match(r) || n >= 0 && left.Add(-1) < 0 {
			return false
		}
		do(w, r)
		return true
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(code)
	}
}

func manifests(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }
func blobs(r *http.Request) bool     { return strings.Contains(r.URL.Path, "/blobs/") }

// cut sends half of an answer.
func cut(registry http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		registry.ServeHTTP(whole, r)
		w.Header().Set("Content-Length", whole.Header().Get("Content-Length"))
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
}

// slow sends an answer in parts.
func slow(registry http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		registry.ServeHTTP(whole, r)
		w.Header().Set("Content-Length", whole.Header().Get("Content-Length"))
		for data := whole.Body.Bytes(); len(data) > 0; {
			n := min(len(data), whole.Body.Len()/4+1)
			_, _ = w.Write(data[:n])
			w.(http.Flusher).Flush()
			data = data[n:]
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// TestRegistryFaults pulls a base image from a registry that does what registries do on bad days.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	storage := newRegistry()
	img := imageOf(t, []entry{file("large", noise(3<<20))}, []entry{file("file", "base")})
	large := layerDigest(t, img)
	layer := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, large.String()) }
	for name, test := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		// reason is empty where the build goes well.
		reason string
		most   time.Duration
	}{
		"no such image":         {times(-1, manifests, status(404)), "check its name and tag, and whether it is public", 3 * time.Second},
		"not allowed":           {times(-1, manifests, status(401)), "whether it is public", 3 * time.Second},
		"too many requests":     {times(1, manifests, status(429, "Retry-After", "1")), "", 10 * time.Second},
		"always too many":       {times(-1, manifests, status(429, "Retry-After", "1")), "429", 20 * time.Second},
		"an error twice":        {times(2, manifests, status(500)), "", 15 * time.Second},
		"a layer's error twice": {times(2, layer, status(502)), "", 20 * time.Second},
		"a layer is missing":    {times(-1, layer, status(404)), "404", 20 * time.Second},
		"a layer cut once":      {times(1, layer, cut(storage)), "", 10 * time.Second},
		"a layer always cut":    {times(-1, layer, cut(storage)), "EOF", 20 * time.Second},
		"a slow registry":       {times(-1, blobs, slow(storage)), "", 10 * time.Second},
		"not an image": {times(-1, manifests, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>Log in to this network</html>")
		}), "cannot be pulled", 10 * time.Second},
		"another configuration":   {times(-1, func(r *http.Request) bool { return blobs(r) && !layer(r) }, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }), "cannot be pulled", 20 * time.Second},
		"hangs up without a word": {times(1, manifests, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "", 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := newFaulty(t, storage)
			ref, err := push(registry.Server, "small", img)
			if err != nil {
				t.Fatal(err)
			}
			registry.fault(test.fault)
			b := newBuilder(t, nil)
			start := time.Now()
			built, _, err := buildFiles(t, b, "-- Dockerfile --\n# a comment\nFROM "+ref+"\nCOPY Dockerfile /\n")
			if took := time.Since(start); took > test.most {
				t.Errorf("took %s", took)
			}
			if test.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				if files := contents(t, built); files["/file"] != "base" {
					t.Errorf("the image holds %v", files)
				}
				return
			}
			t.Log(err)
			wantFailure(t, err, 2, test.reason)
			if text := err.Error(); strings.Contains(text, "worker") || strings.Contains(text, "not wanted") || strings.Contains(text, "\n") {
				t.Errorf("the error speaks of more than the registry: %s", text)
			}
		})
	}
}

// TestHangingRegistry never answers: the build's time is kept.
func TestHangingRegistry(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]func(*http.Request) bool{"a manifest": manifests, "a blob": blobs, "the first request": func(*http.Request) bool { return true }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := newFaulty(t, newRegistry())
			ref, err := push(registry.Server, "small", imageOf(t, []entry{file("file", "base")}))
			if err != nil {
				t.Fatal(err)
			}
			registry.fault(times(-1, match, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			b := newBuilder(t, func(o *builder.Options) { o.Timeout = time.Second })
			start := time.Now()
			_, _, err = buildFiles(t, b, "-- Dockerfile --\nFROM "+ref+"\nCOPY Dockerfile /\n")
			wantFailure(t, err, 1, "build-timeout of 1s")
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// TestOneOfTwoIsCancelled lets two builds wait for one image; the first of them gives up.
func TestOneOfTwoIsCancelled(t *testing.T) {
	t.Parallel()
	storage := newRegistry()
	img := imageOf(t, []entry{file("file", "base")})
	digest := layerDigest(t, img)
	registry := newFaulty(t, storage)
	ref, err := push(registry.Server, "small", img)
	if err != nil {
		t.Fatal(err)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	var once sync.Once
	registry.fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.String()) {
			once.Do(func() { close(asked) })
			<-answer
		}
		return false
	})
	b := newBuilder(t, nil)
	dir := t.TempDir()
	writeFiles(t, dir, "-- Dockerfile --\nFROM "+ref+"\nCOPY Dockerfile /\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, _, err := buildDir(ctx, t, b, dir)
		first <- err
	}()
	<-asked
	go func() {
		_, _, err := buildDir(t.Context(), t, b, dir)
		second <- err
	}()
	time.Sleep(300 * time.Millisecond) // until the second one waits as well
	cancel(errors.New("the user gave up"))
	select {
	case err := <-first:
		wantFailure(t, err, 0, "the user gave up")
	case <-time.After(5 * time.Second):
		t.Error("the first build does not end")
	}
	close(answer)
	if err := <-second; err != nil {
		t.Errorf("the second build: %v", err)
	}
}
