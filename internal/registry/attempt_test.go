package registry_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/registry"
)

// operation is something that a client does, and what comes of it. The repository has an image at the tag "old"; inner is
// the registry behind what a test has put in front of it.
type operation func(ctx context.Context, c *registry.Client, at name.Repository, inner http.Handler, old v1.Image) error

var operations = map[string]operation{
	"Get": func(ctx context.Context, c *registry.Client, at name.Repository, _ http.Handler, old v1.Image) error {
		manifest, err := c.Get(ctx, at.Tag("old"))
		if err != nil {
			return err
		}
		return is(manifest.Digest())(old.Digest())
	},
	"Head": func(ctx context.Context, c *registry.Client, at name.Repository, _ http.Handler, old v1.Image) error {
		digest, err := c.Head(ctx, at.Tag("old"))
		if err != nil {
			return err
		}
		return is(digest)(old.Digest())
	},
	"Tags": func(ctx context.Context, c *registry.Client, at name.Repository, _ http.Handler, _ v1.Image) error {
		tags, err := c.Tags(ctx, at)
		if err == nil && !slices.Equal(tags, []string{"old"}) {
			return fmt.Errorf("got the tags %q", tags)
		}
		return err
	},
	"CheckPush": func(ctx context.Context, c *registry.Client, at name.Repository, _ http.Handler, _ v1.Image) error {
		return c.CheckPush(ctx, at)
	},
	"Upload": func(ctx context.Context, c *registry.Client, at name.Repository, inner http.Handler, _ v1.Image) error {
		layer := layerOf("new")
		if err := c.Upload(ctx, at, layer); err != nil {
			return err
		}
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		there, err := remote.Layer(at.Digest(digest.String()), remote.WithTransport(inside{inner}))
		if err != nil {
			return err
		}
		if size, err := there.Size(); err != nil || size != 3 {
			return fmt.Errorf("the registry has %d bytes of it, %w", size, err)
		}
		return nil
	},
	"Put": func(ctx context.Context, c *registry.Client, at name.Repository, inner http.Handler, old v1.Image) error {
		if err := c.Put(ctx, at.Tag("new"), old); err != nil {
			return err
		}
		return named(at.Tag("new"), inner, old)
	},
	"Create": func(ctx context.Context, c *registry.Client, at name.Repository, inner http.Handler, old v1.Image) error {
		if err := c.Create(ctx, at.Tag("new"), old); err != nil {
			return err
		}
		return named(at.Tag("new"), inner, old)
	},
	"Create what is there": func(ctx context.Context, c *registry.Client, at name.Repository, inner http.Handler, old v1.Image) error {
		if err := c.Create(ctx, at.Tag("old"), empty.Image); err != nil {
			return err
		}
		return named(at.Tag("old"), inner, old)
	},
}

// named asks the registry itself what a tag names.
func named(tag name.Tag, inner http.Handler, want v1.Image) error {
	there, err := remote.Head(tag, remote.WithTransport(inside{inner}))
	if err != nil {
		return err
	}
	return is(there.Digest)(want.Digest())
}

func is(got v1.Hash) func(v1.Hash, error) error {
	return func(want v1.Hash, err error) error {
		if err == nil && got != want {
			return fmt.Errorf("got %s, want %s", got, want)
		}
		return err
	}
}

// prepare has an operation ready that goes through a proxy, to a registry that asks for a token.
func prepare(t *testing.T, what operation, p registry.Pace, faults ...faulty.Option) (*faulty.Proxy, func() error) {
	t.Helper()
	inner := inMemory()
	proxy := faulty.New(inner, append(faults, faulty.Token("ada", "right"))...)
	at := repository(t, serve(t, proxy)+"/hub/pod")
	old := imageOf(t, "old")
	write(t, inner, at.Tag("old"), old)
	c := client(t, registry.Options{Keychain: user("right"), Pace: p})
	return proxy, func() error { return what(t.Context(), c, at, inner, old) }
}

// TestFaults has every operation survive every fault, whichever of its requests it happens to.
func TestFaults(t *testing.T) {
	t.Parallel()
	// A connection on which nothing comes any more costs a test what it is waited for.
	impatient := pace
	impatient.Answer, impatient.Commit = 100*time.Millisecond, 100*time.Millisecond
	faults := []struct {
		fault faulty.Fault
		pace  registry.Pace
	}{
		{faulty.TooMany("0"), pace},
		{faulty.Unavailable().Times(3), pace},
		{faulty.ServerError(), pace},
		{faulty.BadGateway(), pace},
		{faulty.Reset(), pace},
		{faulty.ResetAfter(), pace},
		{faulty.Half(), pace},
		{faulty.Slow(20 * time.Millisecond), pace},
		{faulty.Stall(), impatient},
		{faulty.SlowAfter(time.Hour), impatient},
		{faulty.Expired(), pace},
		{faulty.Skewed(6 * time.Millisecond), pace}, // less than the pause before the last time that a token may be refused
	}
	for title, what := range operations {
		well, do := prepare(t, what, pace)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		requests := well.Requests()
		for _, test := range faults {
			t.Run(title+"/"+test.fault.String(), func(t *testing.T) {
				t.Parallel()
				var group sync.WaitGroup
				defer group.Wait()
				for n, request := range requests {
					proxy, do := prepare(t, what, test.pace, faulty.At(n+1, test.fault))
					group.Go(func() {
						if err := do(); err != nil {
							t.Errorf("at request %d, %s: %v", n+1, request, err)
						}
						if got := proxy.Requests(); len(got) < len(requests) {
							t.Errorf("at request %d, %s: the registry was asked %q", n+1, request, got)
						}
					})
				}
			})
		}
	}
}

// TestSick gives a registry up that never recovers, and does not wait for it a second time.
func TestSick(t *testing.T) {
	t.Parallel()
	short := pace
	short.Total = 200 * time.Millisecond
	for title, fault := range map[string]faulty.Fault{
		"500": faulty.ServerError(), "429": faulty.TooMany(""), "502": faulty.BadGateway(), "503": faulty.Unavailable(), "reset": faulty.Reset(),
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			proxy := faulty.New(inMemory(), faulty.At(1, fault.Times(math.MaxInt)))
			at := repository(t, serve(t, proxy)+"/hub/pod")
			c := client(t, registry.Options{Pace: short})
			begun := time.Now()
			if _, err := c.Head(t.Context(), at.Tag("1")); err == nil {
				t.Error("it did what it cannot")
			}
			if took := time.Since(begun); took < short.Total/2 || took > short.Total+5*time.Second {
				t.Errorf("it took %s", took)
			}
			before := len(proxy.Requests())
			if before < 2 {
				t.Errorf("it was asked %d times", before)
			}
			// Whatever is wanted next of the host is asked for once.
			if err := c.CheckPush(t.Context(), repository(t, at.RegistryStr()+"/hub/other")); err == nil {
				t.Error("it did what it cannot")
			}
			if got := len(proxy.Requests()) - before; got != 1 {
				t.Errorf("it was asked %d times more", got)
			}
		})
	}
}

// TestRecovered waits again for a registry that was away and has come back.
func TestRecovered(t *testing.T) {
	t.Parallel()
	short := pace
	short.Total = 100 * time.Millisecond
	web := &switched{inner: inMemory()}
	at := repository(t, serve(t, web)+"/hub/pod")
	write(t, web.inner, at.Tag("1"), imageOf(t, "some"))
	c := client(t, registry.Options{Pace: short})
	web.off(math.MaxInt)
	if _, err := c.Head(t.Context(), at.Tag("1")); err == nil {
		t.Error("it did what it cannot")
	}
	web.off(0)
	if _, err := c.Head(t.Context(), at.Tag("1")); err != nil {
		t.Error(err)
	}
	web.off(1)
	if _, err := c.Head(t.Context(), at.Tag("1")); err != nil {
		t.Errorf("it was not asked again: %v", err)
	}
}

// switched is a registry that answers 503 to some requests.
type switched struct {
	inner http.Handler
	mutex sync.Mutex
	left  int
}

func (s *switched) off(requests int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.left = requests
}

func (s *switched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	off := s.left > 0
	s.left = max(0, s.left-1)
	s.mutex.Unlock()
	if off {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	s.inner.ServeHTTP(w, r)
}

// TestRefused does not ask again for what is refused for good.
func TestRefused(t *testing.T) {
	t.Parallel()
	// Whoever waited would not come to an end.
	slow := pace
	slow.First, slow.Most, slow.Total = time.Hour, time.Hour, 2*time.Hour
	status := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.WriteHeader(status)
			}
		})
	}
	secret := func(inner http.Handler) http.Handler { return faulty.New(inner, faulty.Token("ada", "right")) }
	const ping, head, begin = "GET /v2/", "HEAD /v2/hub/pod/manifests/1", "POST /v2/hub/pod/blobs/uploads/"
	const token = "GET /token?scope=repository%3Ahub%2Fpod%3A"
	for title, test := range map[string]struct {
		registry http.Handler
		what     operation
		as       keychain
		says     string
		want     []string
	}{
		"not found":              {status(404), headOf, user("right"), "404", []string{ping, head}},
		"no such registry":       {http.NotFoundHandler(), headOf, user("right"), "404", []string{ping}},
		"bad request":            {status(400), headOf, user("right"), "400", []string{ping, head}},
		"forbidden to read":      {status(403), headOf, user("right"), "403", []string{ping, head, ping, head}},
		"unauthorized":           {status(401), headOf, user("right"), "401", []string{ping, head, ping, head}},
		"forbidden to write":     {status(403), operations["CheckPush"], user("right"), "403", []string{ping, begin}},
		"wrong password":         {secret(inMemory()), headOf, user("wrong"), "UNAUTHORIZED", []string{ping, token + "pull&service=faulty", ping, token + "push%2Cpull&service=faulty"}},
		"wrong password, writes": {secret(inMemory()), operations["CheckPush"], user("wrong"), "UNAUTHORIZED", []string{ping, token + "push%2Cpull&service=faulty"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			proxy := faulty.New(test.registry)
			at := repository(t, serve(t, proxy)+"/hub/pod")
			c := client(t, registry.Options{Keychain: test.as, Pace: slow})
			err := test.what(t.Context(), c, at, nil, nil)
			if err == nil || !strings.Contains(err.Error(), test.says) || registry.IsNotFound(err) != (test.says == "404") {
				t.Errorf("got %v", err)
			}
			if got := proxy.Requests(); !slices.Equal(got, test.want) {
				t.Errorf("it was asked %q, want %q", got, test.want)
			}
		})
	}
}

func headOf(ctx context.Context, c *registry.Client, at name.Repository, _ http.Handler, _ v1.Image) error {
	_, err := c.Head(ctx, at.Tag("1"))
	return err
}

// TestNobodyThere does not wait for an address at which nobody listens.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	slow := pace
	slow.First, slow.Most, slow.Total = time.Hour, time.Hour, 2*time.Hour
	c := client(t, registry.Options{Pace: slow})
	if err := headOf(t.Context(), c, repository(t, "127.0.0.1:1/hub/pod"), nil, nil); err == nil {
		t.Error("somebody answered")
	}
}

// TestNoAnswer says for how long a registry has not answered.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	short := pace
	short.Answer, short.Total = 100*time.Millisecond, 50*time.Millisecond
	proxy := faulty.New(inMemory(), faulty.At(1, faulty.Slow(time.Hour).Times(math.MaxInt)))
	at := repository(t, serve(t, proxy)+"/hub/pod")
	_, err := client(t, registry.Options{Pace: short}).Head(t.Context(), at.Tag("1"))
	if err == nil || !strings.HasSuffix(err.Error(), "it has not answered for 100ms") {
		t.Errorf("got %v", err)
	}
}

// TestLostUpload begins anew where a registry has forgotten an upload, or misses a blob that it has taken.
func TestLostUpload(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		what   string
		method string
		status int
		code   string
	}{
		"upload forgotten":  {"Upload", http.MethodPatch, 404, "BLOB_UPLOAD_UNKNOWN"},
		"content cut":       {"Upload", http.MethodPut, 400, "DIGEST_INVALID"},
		"size does not fit": {"Upload", http.MethodPut, 400, "SIZE_INVALID"},
		"blob missed":       {"Put", http.MethodPut, 400, "MANIFEST_BLOB_UNKNOWN"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			inner := inMemory()
			web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				lost := false
				if r.Method == test.method {
					once.Do(func() { lost = true })
				}
				if lost {
					w.WriteHeader(test.status)
					fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, test.code)
					return
				}
				inner.ServeHTTP(w, r)
			})
			at := repository(t, serve(t, web)+"/hub/pod")
			old := imageOf(t, "old")
			write(t, inner, at.Tag("old"), old)
			if err := operations[test.what](t.Context(), client(t, registry.Options{}), at, inner, old); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRetryAfter comes again when a registry wants it, not earlier.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	soon := func() (string, time.Time) { return "1", time.Now().Add(time.Second) }
	date := func() (string, time.Time) {
		at := time.Now().Add(2 * time.Second).Truncate(time.Second) // what the header can say
		return at.UTC().Format(http.TimeFormat), at
	}
	for title, test := range map[string]struct {
		status int
		when   func() (string, time.Time)
	}{
		"429, seconds": {http.StatusTooManyRequests, soon},
		"503, seconds": {http.StatusServiceUnavailable, soon},
		"429, date":    {http.StatusTooManyRequests, date},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			inner := inMemory()
			var mutex sync.Mutex
			var allowed time.Time
			var early, heads int
			web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead {
					inner.ServeHTTP(w, r)
					return
				}
				mutex.Lock()
				defer mutex.Unlock()
				heads++
				if heads == 1 {
					var value string
					value, allowed = test.when()
					w.Header().Set("Retry-After", value)
					w.WriteHeader(test.status)
					return
				}
				if time.Now().Before(allowed) {
					early++
				}
				inner.ServeHTTP(w, r)
			})
			at := repository(t, serve(t, web)+"/hub/pod")
			old := imageOf(t, "old")
			write(t, inner, at.Tag("old"), old)
			if err := operations["Head"](t.Context(), client(t, registry.Options{}), at, inner, old); err != nil {
				t.Error(err)
			}
			if heads != 2 || early != 0 {
				t.Errorf("it was asked %d times, %d of them too early", heads, early)
			}
		})
	}
}

// TestRetryMuchLater does not wait where a registry wants to be left alone for longer than the pace allows.
func TestRetryMuchLater(t *testing.T) {
	t.Parallel()
	proxy := faulty.New(inMemory(), faulty.At(1, faulty.TooMany("3600").Times(math.MaxInt)))
	at := repository(t, serve(t, proxy)+"/hub/pod")
	_, err := client(t, registry.Options{}).Head(t.Context(), at.Tag("1"))
	if err == nil || !strings.HasSuffix(err.Error(), "; it asks to be left alone for 1h0m0s") {
		t.Errorf("got %v", err)
	}
	if got := proxy.Requests(); len(got) != 1 {
		t.Errorf("it was asked %q", got)
	}
}

// TestRefusedToken asks again where a token is refused that may be taken a little later, and not where another token would
// allow no more.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		challenge string
		want      int
	}{
		"not said":     {"", 5},
		"invalid":      {`,error="invalid_token"`, 8},
		"insufficient": {`,error="insufficient_scope"`, 1},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			tokens, refused := 0, 0
			mux := http.NewServeMux()
			web := serve(t, mux)
			mux.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
				tokens++
				fmt.Fprint(w, `{"token":"some"}`)
			})
			mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					refused++
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+web+`/token",service="test"`+test.challenge)
				w.WriteHeader(http.StatusUnauthorized)
			})
			err := client(t, registry.Options{Keychain: user("right")}).CheckPush(t.Context(), repository(t, web+"/hub/pod"))
			if err == nil {
				t.Error("it did what it cannot")
			}
			// The library itself asks with each token, and once more with the next.
			if refused != 2*test.want || tokens < test.want {
				t.Errorf("%d requests were refused, %d tokens were asked for", refused, tokens)
			}
		})
	}
}
