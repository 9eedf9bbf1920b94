package registry_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/registry"
)

// shelves is a registry whose repositories do not see each other's blobs, as those of the in-memory one do.
type shelves struct {
	inner  http.Handler
	mounts bool

	mutex sync.Mutex
	has   map[string]bool // repository and digest
}

func (s *shelves) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	called, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
	query := r.URL.Query()
	s.mutex.Lock()
	mounted := r.Method == http.MethodPost && s.mounts && s.has[query.Get("from")+"@"+query.Get("mount")]
	missing := r.Method == http.MethodHead && rest != "" && !s.has[called+"@"+rest]
	switch {
	case mounted:
		s.has[called+"@"+query.Get("mount")] = true
	case r.Method == http.MethodPut && rest != "":
		s.has[called+"@"+query.Get("digest")] = true
	}
	s.mutex.Unlock()
	switch {
	case mounted:
		w.WriteHeader(http.StatusCreated)
	case missing:
		w.WriteHeader(http.StatusNotFound)
	default:
		s.inner.ServeHTTP(w, r)
	}
}

func (s *shelves) holds(called string, digest v1.Hash) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.has[called+"@"+digest.String()]
}

func newShelves(mounts bool) *shelves {
	return &shelves{inner: inMemory(), mounts: mounts, has: map[string]bool{}}
}

// count is how many requests begin as given.
func count(p *faulty.Proxy, begin string) int {
	requests := p.Requests()
	return len(slices.DeleteFunc(requests, func(r string) bool { return !strings.HasPrefix(r, begin) }))
}

// TestMount sends a blob to a registry once, where the registry lets it be mounted.
func TestMount(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		mounts, together bool
		sent             int
	}{
		"one after the other":           {true, false, 1},
		"at the same time":              {true, true, 1},
		"not mounted":                   {false, false, 3},
		"not mounted, at the same time": {false, true, 3},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			shelves := newShelves(test.mounts)
			proxy := faulty.New(shelves, faulty.Latency(time.Millisecond), faulty.Token("ada", "right"))
			host := serve(t, proxy)
			c := client(t, registry.Options{Keychain: user("right")})
			layer := layerOf("some")
			var group sync.WaitGroup
			for _, called := range []string{"hub/one", "hub/two", "hub/three"} {
				at := repository(t, host+"/"+called)
				group.Go(func() {
					if err := c.Upload(t.Context(), at, layer); err != nil {
						t.Error(err)
					}
				})
				if !test.together {
					group.Wait()
				}
			}
			group.Wait()
			if got := count(proxy, "PATCH "); got != test.sent {
				t.Errorf("it was sent %d times, want %d", got, test.sent)
			}
			for _, called := range []string{"hub/one", "hub/two", "hub/three"} {
				if !shelves.holds(called, digestOf(t, layer)) {
					t.Errorf("%s does not have it", called)
				}
			}
			if !test.together {
				mount := fmt.Sprintf("mount=sha256%%3A%s", digestOf(t, layer).Hex)
				for _, called := range []string{"hub/two", "hub/three"} {
					got := slices.ContainsFunc(proxy.Requests(), func(r string) bool {
						return strings.HasPrefix(r, "POST /v2/"+called+"/blobs/uploads/?from=hub%2Fone&") && strings.Contains(r, mount)
					})
					if !got {
						t.Errorf("no mount into %s: %q", called, proxy.Requests())
					}
				}
			}
			// What is there is not sent again.
			before := len(proxy.Requests())
			if err := c.Upload(t.Context(), repository(t, host+"/hub/one"), layer); err != nil || count(proxy, "PATCH ") != test.sent {
				t.Errorf("%v, after %q", err, proxy.Requests()[before:])
			}
		})
	}
}

// TestMountFromBase mounts what a base image of the same registry brings.
func TestMountFromBase(t *testing.T) {
	t.Parallel()
	shelves := newShelves(true)
	proxy := faulty.New(shelves)
	host := serve(t, proxy)
	base := repository(t, host+"/library/base")
	write(t, shelves, base.Tag("1"), imageOf(t, "some"))
	c := client(t, registry.Options{})
	image, err := c.Image(t.Context(), base.Tag("1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if _, mountable := layers[0].(*remote.MountableLayer); !mountable {
		t.Fatalf("it is a %T", layers[0])
	}
	if err := c.Upload(t.Context(), repository(t, host+"/hub/pod"), layers[0]); err != nil {
		t.Fatal(err)
	}
	if got := count(proxy, "POST /v2/hub/pod/blobs/uploads/?from=library%2Fbase&"); got != 1 || count(proxy, "PATCH ") != 0 {
		t.Errorf("the registry was asked %q", proxy.Requests())
	}
}

// TestOtherRegistry sends a blob that another registry has.
func TestOtherRegistry(t *testing.T) {
	t.Parallel()
	c := client(t, registry.Options{})
	for range 2 {
		proxy := faulty.New(newShelves(true))
		if err := c.Upload(t.Context(), repository(t, serve(t, proxy)+"/hub/pod"), layerOf("some")); err != nil {
			t.Error(err)
		}
		if count(proxy, "PATCH ") != 1 || slices.ContainsFunc(proxy.Requests(), func(r string) bool { return strings.Contains(r, "mount=") }) {
			t.Errorf("the registry was asked %q", proxy.Requests())
		}
	}
}

// TestFailedUpload is sent by whoever waited for it.
func TestFailedUpload(t *testing.T) {
	t.Parallel()
	shelves := newShelves(true)
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/v2/hub/one/") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		shelves.ServeHTTP(w, r)
	})
	host := serve(t, web)
	c := client(t, registry.Options{})
	if err := c.Upload(t.Context(), repository(t, host+"/hub/one"), layerOf("some")); !isForbidden(err) {
		t.Errorf("got %v", err)
	}
	if err := c.Upload(t.Context(), repository(t, host+"/hub/two"), layerOf("some")); err != nil {
		t.Error(err)
	}
	if !shelves.holds("hub/two", digestOf(t, layerOf("some"))) {
		t.Error("it is not there")
	}
}

// TestStuck gives a blob up that stands still, and says so.
func TestStuck(t *testing.T) {
	t.Parallel()
	short := pace
	short.Commit, short.Total = 200*time.Millisecond, 100*time.Millisecond
	const long = 32 << 20 // more than the connection holds by itself
	for title, test := range map[string]struct {
		size int
		web  func(gone <-chan struct{}) http.Handler
	}{
		"not taken": {long, func(gone <-chan struct{}) http.Handler {
			inner := inMemory()
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPatch {
					inner.ServeHTTP(w, r)
					return
				}
				<-gone // a server that reads nothing does not see that
				panic(http.ErrAbortHandler)
			})
		}},
		"taken, and not answered": {10, func(<-chan struct{}) http.Handler {
			return faulty.New(inMemory(), faulty.At(4, faulty.SlowAfter(time.Hour)))
		}},
		"not committed": {10, func(<-chan struct{}) http.Handler {
			return faulty.New(inMemory(), faulty.At(5, faulty.SlowAfter(time.Hour)))
		}},
		"no answer at all": {10, func(<-chan struct{}) http.Handler {
			return faulty.New(inMemory(), faulty.At(2, faulty.Slow(time.Hour).Times(math.MaxInt)))
		}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			at := repository(t, serve(t, test.web(gone))+"/hub/pod")
			err := client(t, registry.Options{Pace: short}).Upload(t.Context(), at, layerOf(strings.Repeat("x", test.size)))
			close(gone)
			if err == nil || !strings.HasSuffix(err.Error(), "nothing has moved for 200ms") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestSlowUpload lets a blob take longer than it may stand still.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	slow := pace
	slow.Commit = 500 * time.Millisecond
	proxy := faulty.New(inMemory())
	at := repository(t, serve(t, proxy)+"/hub/pod")
	begun := time.Now()
	if err := client(t, registry.Options{Pace: slow}).Upload(t.Context(), at, dripping{layerOf("twelve drops")}); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took < slow.Commit || count(proxy, "PATCH ") != 1 {
		t.Errorf("it took %s and %q", took, proxy.Requests())
	}
}

// dripping is a layer that is read byte by byte.
type dripping struct{ v1.Layer }

// Compressed implements v1.Layer.
func (d dripping) Compressed() (io.ReadCloser, error) {
	blob, err := d.Layer.Compressed()
	return drip{blob}, err
}

type drip struct{ io.ReadCloser }

// Read implements io.Reader.
func (d drip) Read(p []byte) (int, error) {
	time.Sleep(60 * time.Millisecond)
	return d.ReadCloser.Read(p[:min(1, len(p))])
}

// TestUnreadableLayer tells what is wrong with a layer of which nothing can be read, in its own words.
func TestUnreadableLayer(t *testing.T) {
	t.Parallel()
	why := errors.New("the disk is gone")
	at := repository(t, serve(t, inMemory())+"/hub/pod")
	short := pace
	short.Total = 20 * time.Millisecond
	if err := client(t, registry.Options{Pace: short}).Upload(t.Context(), at, unreadable{layerOf("some"), why}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

type unreadable struct {
	v1.Layer
	why error
}

// Compressed implements v1.Layer.
func (u unreadable) Compressed() (io.ReadCloser, error) { return nil, u.why }

// TestCheckPush begins an upload and gives it up.
func TestCheckPush(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		location string // where the upload goes on
		want     []string
	}{
		"path":     {"/v2/hub/pod/blobs/uploads/1", []string{"GET /v2/", "POST /v2/hub/pod/blobs/uploads/", "DELETE /v2/hub/pod/blobs/uploads/<upload>"}},
		"nowhere":  {"", []string{"GET /v2/", "POST /v2/hub/pod/blobs/uploads/"}},
		"in clear": {"http://elsewhere.example/1", []string{"GET /v2/", "POST /v2/hub/pod/blobs/uploads/"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var mutex sync.Mutex
			var got []string
			web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mutex.Lock()
				defer mutex.Unlock()
				got = append(got, r.Method+" "+strings.Replace(r.URL.Path, "uploads/1", "uploads/<upload>", 1))
				switch r.Method {
				case http.MethodPost:
					if test.location != "" {
						w.Header().Set("Location", test.location)
					}
					w.WriteHeader(http.StatusAccepted)
				case http.MethodDelete:
					w.WriteHeader(http.StatusMethodNotAllowed) // many know no such thing
				}
			})
			if err := client(t, registry.Options{}).CheckPush(t.Context(), repository(t, serve(t, web)+"/hub/pod")); err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("the registry was asked %q", got)
			}
		})
	}
}
