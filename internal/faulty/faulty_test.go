package faulty_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/faulty"
)

// clientURL is set where this program is a client that waits to be killed.
const clientURL = "FAULTY_CLIENT_URL"

func TestMain(m *testing.M) {
	if address := os.Getenv(clientURL); address != "" {
		_, _ = http.Post(address, "application/octet-stream", strings.NewReader(content))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	content = "what a blob may hold"
	blob    = "/v2/repo/blobs/some"
	uploads = "/v2/repo/blobs/uploads/"
)

// upstream is a registry of one blob, which keeps what it was asked.
type upstream struct {
	mutex  sync.Mutex
	asked  []string // methods, hosts and bodies
	header http.Header
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.asked = append(u.asked, strings.TrimSpace(r.Method+" "+string(body)))
	u.header = r.Header.Clone()
	switch r.Method {
	case http.MethodPost:
		w.Header().Set("Location", "http://"+r.Host+uploads+"0123")
		w.WriteHeader(http.StatusCreated)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = io.WriteString(w, content)
	}
}

func (u *upstream) requests() []string {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return slices.Clone(u.asked)
}

func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// reply is what a client has got.
type reply struct {
	status int // 0 without a whole head
	header http.Header
	body   string
	err    error
}

// ask makes a request on a connection of its own: Go's client asks again by itself where an old one was reset.
func ask(t *testing.T, method, address string, change ...func(*http.Request)) reply {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(content)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(request)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(data), err}
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestFaults(t *testing.T) {
	t.Parallel()
	status := func(code int, header, value, body string) func(reply) bool {
		return func(r reply) bool {
			return r.err == nil && r.status == code && r.header.Get(header) == value && strings.Contains(r.body, body)
		}
	}
	noAnswer := func(want error) func(reply) bool {
		return func(r reply) bool { return r.status == 0 && errors.Is(r.err, want) }
	}
	halfBody := func(want error) func(reply) bool {
		return func(r reply) bool {
			return r.status == http.StatusOK && r.body == content[:len(content)/2] && errors.Is(r.err, want)
		}
	}
	whole := status(http.StatusOK, "Content-Length", fmt.Sprint(len(content)), content)
	created := func(r reply) bool { return r.err == nil && r.status == http.StatusCreated }
	const long, ever = 300 * time.Millisecond, time.Hour
	for title, test := range map[string]struct {
		fault   faulty.Fault
		method  string
		patient bool // else the client leaves when the fault has happened for some time
		want    func(reply) bool
		passed  bool
	}{
		"too many":             {faulty.TooMany("1"), "GET", true, status(429, "Retry-After", "1", "TOOMANYREQUESTS"), false},
		"too many, no time":    {faulty.TooMany(""), "GET", true, status(429, "Retry-After", "", "TOOMANYREQUESTS"), false},
		"too many uploads":     {faulty.TooMany("5"), "POST", true, status(429, "Retry-After", "5", "TOOMANYREQUESTS"), false},
		"too many heads":       {faulty.TooMany("1"), "HEAD", true, status(429, "Retry-After", "1", ""), false},
		"unavailable":          {faulty.Unavailable(), "GET", true, status(503, "Retry-After", "", "UNAVAILABLE"), false},
		"server error":         {faulty.ServerError(), "POST", true, status(500, "Content-Type", "application/json", "UNKNOWN"), false},
		"bad gateway":          {faulty.BadGateway(), "GET", true, status(502, "Content-Type", "text/html", "<html>"), false},
		"reset":                {faulty.Reset(), "GET", true, noAnswer(syscall.ECONNRESET), false},
		"reset after":          {faulty.ResetAfter(), "POST", true, noAnswer(syscall.ECONNRESET), true},
		"half a blob":          {faulty.Half(), "GET", true, halfBody(io.ErrUnexpectedEOF), true},
		"half a head":          {faulty.Half(), "HEAD", true, noAnswer(io.ErrUnexpectedEOF), true},
		"half of nothing":      {faulty.Half(), "POST", true, noAnswer(io.ErrUnexpectedEOF), true},
		"slow":                 {faulty.Slow(long), "GET", true, whole, true},
		"slow upload":          {faulty.Slow(long), "POST", true, created, true},
		"too slow":             {faulty.Slow(ever), "GET", false, noAnswer(context.Canceled), false},
		"too slow upload":      {faulty.Slow(ever), "POST", false, noAnswer(context.Canceled), false},
		"slow after":           {faulty.SlowAfter(long), "GET", true, whole, true},
		"too slow after":       {faulty.SlowAfter(ever), "POST", false, noAnswer(context.Canceled), true},
		"a blob stalls":        {faulty.Stall(), "GET", false, halfBody(context.Canceled), true},
		"an upload stalls":     {faulty.Stall(), "POST", false, noAnswer(context.Canceled), true},
		"a head stalls":        {faulty.Stall(), "HEAD", false, noAnswer(context.Canceled), true},
		"no fault":             {faulty.Fault{}, "GET", true, whole, true},
		"no fault with a body": {faulty.Fault{}, "POST", true, created, true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			registry := &upstream{}
			// A client that leaves before it has asked would let the fault happen to another.
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			leave := func(n int, _ *http.Request) {
				if n == 2 && !test.patient {
					time.AfterFunc(500*time.Millisecond, cancel)
				}
			}
			hook := faulty.Before
			if test.passed {
				hook = faulty.After
			}
			server := serve(t, faulty.New(registry, faulty.At(2, test.fault), hook(leave)))
			path := blob
			if test.method == "POST" {
				path = uploads
			}
			if got := ask(t, "GET", server.URL+blob); !whole(got) {
				t.Errorf("before: %+v", got)
			}
			start := time.Now()
			leaving := func(r *http.Request) { *r = *r.WithContext(ctx) }
			if got := ask(t, test.method, server.URL+path, leaving); !test.want(got) {
				t.Errorf("got %+v: %v", got, got.err)
			}
			if took := time.Since(start); strings.HasPrefix(test.fault.String(), "slow") && took < long {
				t.Errorf("took %s", took)
			}
			if got := ask(t, "GET", server.URL+blob); !whole(got) {
				t.Errorf("after: %+v", got)
			}
			want := 2
			if test.passed {
				want++
			}
			if got := registry.requests(); len(got) != want {
				t.Errorf("the registry was asked %q", got)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options []faulty.Option
		want    []int
	}{
		"once":    {[]faulty.Option{faulty.At(2, faulty.Unavailable())}, []int{200, 503, 200, 200, 200}},
		"twice":   {[]faulty.Option{faulty.At(2, faulty.Unavailable().Times(2))}, []int{200, 503, 503, 200, 200}},
		"always":  {[]faulty.Option{faulty.At(2, faulty.Unavailable().Times(math.MaxInt))}, []int{200, 503, 503, 503, 503}},
		"two":     {[]faulty.Option{faulty.At(4, faulty.Unavailable()), faulty.At(1, faulty.ServerError())}, []int{500, 200, 200, 503, 200}},
		"overlap": {[]faulty.Option{faulty.At(1, faulty.Unavailable().Times(4)), faulty.At(2, faulty.ServerError())}, []int{503, 500, 503, 503, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, faulty.New(&upstream{}, test.options...))
			var got []int
			for range test.want {
				got = append(got, ask(t, "GET", server.URL+blob).status)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]faulty.Option{
		"request 0":             faulty.At(0, faulty.Reset()),
		"expired without Token": faulty.At(1, faulty.Expired()),
		"skewed without Token":  faulty.At(1, faulty.Skewed(time.Second)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			faulty.New(&upstream{}, option)
		})
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	proxy := faulty.New(&upstream{}, faulty.At(1, faulty.Reset()))
	server := serve(t, proxy)
	for _, line := range []string{
		"GET /v2/",
		"HEAD /v2/a/b/blobs/sha256:0123",
		"POST /v2/a/b/blobs/uploads/?from=c&mount=sha256%3A0123",
		"PATCH /v2/a/b/blobs/uploads/8f2e?_state=abc",
		"PUT /v2/a/b/blobs/uploads/8f2e?_state=a%3Dbc&digest=sha256%3A0123",
		"PUT /v2/a/b/blobs/uploads/8f2e?digest=sha256%3A0123&_state=abc",
		"PUT /v2/a/b/manifests/uploads",
	} {
		method, path, _ := strings.Cut(line, " ")
		ask(t, method, server.URL+path)
	}
	want := []string{
		"GET /v2/",
		"HEAD /v2/a/b/blobs/sha256:0123",
		"POST /v2/a/b/blobs/uploads/?from=c&mount=sha256%3A0123",
		"PATCH /v2/a/b/blobs/uploads/<upload>?_state=<state>",
		"PUT /v2/a/b/blobs/uploads/<upload>?_state=<state>&digest=sha256%3A0123",
		"PUT /v2/a/b/blobs/uploads/<upload>?digest=sha256%3A0123&_state=<state>",
		"PUT /v2/a/b/manifests/uploads",
	}
	got := proxy.Requests()
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	got[0] = ""
	if proxy.Requests()[0] != want[0] {
		t.Error("who asks can change the log")
	}
}

// Every number is given once, even to requests that come at the same time.
func TestNumbers(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	var numbers []int
	proxy := faulty.New(&upstream{}, faulty.Before(func(n int, _ *http.Request) {
		mutex.Lock()
		defer mutex.Unlock()
		numbers = append(numbers, n)
	}))
	server := serve(t, proxy)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ask(t, "GET", server.URL+blob) })
	}
	all.Wait()
	slices.Sort(numbers)
	if len(slices.Compact(numbers)) != 20 || numbers[0] != 1 || numbers[19] != 20 || len(proxy.Requests()) != 20 {
		t.Errorf("got %d", numbers)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	const latency = 50 * time.Millisecond
	server := serve(t, faulty.New(&upstream{}, faulty.Latency(latency), faulty.At(2, faulty.Unavailable())))
	for range 3 {
		start := time.Now()
		ask(t, "GET", server.URL+blob)
		if took := time.Since(start); took < latency {
			t.Errorf("took %s", took)
		}
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ answered, want string }{
		"the host asked for": {"http://%s/v2/repo/blobs/uploads/1?_state=a%%3D", "http://%s/v2/repo/blobs/uploads/1?_state=a%%3D"},
		"its own name":       {"https://registry.example:5000/v2/repo?a=b", "http://%s/v2/repo?a=b"},
		"a path":             {"/v2/repo/blobs/uploads/1", "/v2/repo/blobs/uploads/1"},
		"none":               {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.answered != "" {
					w.Header().Set("Location", with(test.answered, r.Host))
				}
				w.WriteHeader(http.StatusAccepted)
			})
			elsewhere, err := url.Parse(serve(t, registry).URL)
			if err != nil {
				t.Fatal(err)
			}
			for _, upstream := range []http.Handler{registry, faulty.Registry(elsewhere)} {
				server := serve(t, faulty.New(upstream))
				got := ask(t, "POST", server.URL+uploads)
				if want := with(test.want, strings.TrimPrefix(server.URL, "http://")); got.status != http.StatusAccepted || got.header.Get("Location") != want {
					t.Errorf("got %+v, want %s", got, want)
				}
			}
		})
	}
}

// with puts a host into a format that may not want one.
func with(format, host string) string {
	return strings.ReplaceAll(strings.Replace(format, "%s", host, 1), "%%", "%")
}

// A registry that answers packed is not unpacked on the way, and one that is not there is said to be so.
func TestRegistry(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("X-Forwarded-For") != "" {
			t.Errorf("the proxy adds to %v", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, content)
	}))
	address, err := url.Parse(elsewhere.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, faulty.New(faulty.Registry(address)))
	if got := ask(t, "GET", server.URL+blob); got.body != content || got.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %+v", got)
	}
	elsewhere.Close()
	if got := ask(t, "GET", server.URL+blob); got.status != http.StatusBadGateway || !strings.Contains(got.body, "no answer from the registry") {
		t.Errorf("got %+v", got)
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault faulty.Fault
		want  string
	}{
		"no fault":    {faulty.Fault{}, "before POST, after POST asked"},
		"unavailable": {faulty.Unavailable(), "before POST, after POST"},
		"reset":       {faulty.Reset(), "before POST"},
		"reset after": {faulty.ResetAfter(), "before POST, after POST asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := &upstream{}
			var got []string
			hook := func(when string) func(int, *http.Request) {
				return func(n int, r *http.Request) {
					if n == 2 {
						got = append(got, strings.TrimSpace(when+" "+r.Method+" "+strings.Repeat("asked", len(registry.requests())-1)))
					}
				}
			}
			server := serve(t, faulty.New(registry, faulty.At(2, test.fault), faulty.Before(hook("before")), faulty.After(hook("after"))))
			ask(t, "GET", server.URL+blob)
			ask(t, "POST", server.URL+uploads)
			server.Close()
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A hook that kills the client decides what the registry has seen, and keeps nobody waiting.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		when   func(func(int, *http.Request)) faulty.Option
		fault  faulty.Fault
		passed bool
	}{
		"before":                 {faulty.Before, faulty.Fault{}, true},
		"before, not passed on":  {faulty.Before, faulty.Reset(), false},
		"before, and slow":       {faulty.Before, faulty.Slow(time.Hour), false},
		"after":                  {faulty.After, faulty.Fault{}, true},
		"after, and reset":       {faulty.After, faulty.ResetAfter(), true},
		"after, and half":        {faulty.After, faulty.Half(), true},
		"after, and slow":        {faulty.After, faulty.SlowAfter(time.Hour), true},
		"after, and it stalls":   {faulty.After, faulty.Stall(), true},
		"after, and unavailable": {faulty.After, faulty.Unavailable(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := &upstream{}
			client := exec.CommandContext(t.Context(), os.Args[0])
			started, ended := make(chan struct{}), make(chan struct{})
			server := serve(t, faulty.New(registry, faulty.At(1, test.fault), test.when(func(int, *http.Request) {
				<-started
				if err := client.Process.Kill(); err != nil {
					t.Error(err)
				}
				<-ended
			})))
			client.Env = append(os.Environ(), clientURL+"="+server.URL+uploads)
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			close(started)
			if err := client.Wait(); err == nil || err.Error() != "signal: killed" {
				t.Errorf("the client's end: %v", err)
			}
			close(ended)
			server.Close() // waits for the handler, but for one that has taken its connection
			var want []string
			if test.passed {
				want = []string{"POST " + content}
			}
			if got := registry.requests(); !slices.Equal(got, want) {
				t.Errorf("the registry was asked %q", got)
			}
		})
	}
}

func tokenFrom(t *testing.T, server *httptest.Server) string {
	t.Helper()
	got := ask(t, "GET", server.URL+"/token?service=faulty", basic("somebody", "s3cret"))
	_, token, _ := strings.Cut(got.body, `"token":"`)
	token, _, _ = strings.Cut(token, `"`)
	if got.status != http.StatusOK || token == "" || !strings.Contains(got.body, `"expires_in":300`) {
		t.Fatalf("got %+v", got)
	}
	return token
}

func TestToken(t *testing.T) {
	t.Parallel()
	registry := &upstream{}
	server := serve(t, faulty.New(registry, faulty.Token("somebody", "s3cret")))
	token := tokenFrom(t, server)
	challenge := `Bearer realm="` + server.URL + `/token",service="faulty"`
	none := func(*http.Request) {}
	for name, test := range map[string]struct {
		method, path string
		as           func(*http.Request)
		status       int
		challenge    string
	}{
		"no token":           {"GET", "/v2/a/b/manifests/latest", none, 401, challenge + `,scope="repository:a/b:pull,push"`},
		"no repository":      {"GET", "/v2/", none, 401, challenge},
		"an upload":          {"POST", uploads, none, 401, challenge + `,scope="repository:repo:pull,push"`},
		"a password":         {"GET", "/v2/", basic("somebody", "s3cret"), 401, challenge},
		"unknown token":      {"GET", blob, bearer("AAAA"), 401, challenge + `,scope="repository:repo:pull,push",error="invalid_token"`},
		"token":              {"GET", blob, bearer(token), 200, ""},
		"upload with token":  {"POST", uploads, bearer(token), 201, ""},
		"not the registry's": {"GET", "/", none, 200, ""},
		"no password":        {"GET", "/token", none, 401, `Basic realm="faulty"`},
		"wrong password":     {"GET", "/token", basic("somebody", "secret"), 401, `Basic realm="faulty"`},
		"wrong user":         {"GET", "/token", basic("nobody", "s3cret"), 401, `Basic realm="faulty"`},
		"OAuth":              {"POST", "/token", none, 405, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, test.method, server.URL+test.path, test.as)
			if got.err != nil || got.status != test.status || got.header.Get("WWW-Authenticate") != test.challenge {
				t.Errorf("got %+v", got)
			}
			registry.mutex.Lock()
			defer registry.mutex.Unlock()
			if registry.header.Get("Authorization") != "" {
				t.Error("the registry sees the token")
			}
		})
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	registry := &upstream{}
	server := serve(t, faulty.New(registry, faulty.Token("somebody", "s3cret"), faulty.At(3, faulty.Expired())))
	token := tokenFrom(t, server)
	if got := ask(t, "GET", server.URL+blob, bearer(token)); got.status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		got := ask(t, "GET", server.URL+blob, bearer(token))
		if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `,error="invalid_token"`) {
			t.Errorf("got %+v", got)
		}
	}
	token = tokenFrom(t, server)
	for range 2 {
		if got := ask(t, "GET", server.URL+blob, bearer(token)); got.status != http.StatusOK {
			t.Errorf("got %+v", got)
		}
	}
	if got := registry.requests(); len(got) != 3 {
		t.Errorf("the registry was asked %q", got)
	}
}

func TestSkewed(t *testing.T) {
	t.Parallel()
	const skew = time.Second
	for name, from := range map[string]int{"as it is issued": 1, "issued before": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, faulty.New(&upstream{}, faulty.Token("somebody", "s3cret"), faulty.At(from, faulty.Skewed(skew))))
			token := tokenFrom(t, server)
			issued := time.Now() // or a little earlier
			got := ask(t, "GET", server.URL+blob, bearer(token))
			if time.Since(issued) < skew/2 && (got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `,error="invalid_token"`)) {
				t.Errorf("got %+v", got)
			}
			time.Sleep(time.Until(issued.Add(skew)))
			if got := ask(t, "GET", server.URL+blob, bearer(token)); got.status != http.StatusOK {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Images are pushed and pulled as the publisher does it.
func TestImage(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		elsewhere bool
		options   []faulty.Option
		auth      authn.Authenticator
	}{
		"a handler":                {false, nil, authn.Anonymous},
		"elsewhere":                {true, nil, authn.Anonymous},
		"a handler with a token":   {false, []faulty.Option{faulty.Token("somebody", "s3cret")}, &authn.Basic{Username: "somebody", Password: "s3cret"}},
		"elsewhere with a token":   {true, []faulty.Option{faulty.Token("somebody", "s3cret")}, &authn.Basic{Username: "somebody", Password: "s3cret"}},
		"a token expires":          {true, []faulty.Option{faulty.Token("somebody", "s3cret"), faulty.At(5, faulty.Expired())}, &authn.Basic{Username: "somebody", Password: "s3cret"}},
		"unavailable while asked":  {false, []faulty.Option{faulty.At(2, faulty.Unavailable())}, authn.Anonymous},
		"a lost answer, and again": {true, []faulty.Option{faulty.At(2, faulty.ResetAfter())}, authn.Anonymous},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
			if test.elsewhere {
				address, err := url.Parse(serve(t, handler).URL)
				if err != nil {
					t.Fatal(err)
				}
				handler = faulty.Registry(address)
			}
			roundTrip(t, faulty.New(handler, test.options...), "repo", remote.WithAuth(test.auth))
		})
	}
}

// roundTrip pushes an image through a proxy, and pulls it.
func roundTrip(t *testing.T, proxy *faulty.Proxy, repository string, options ...remote.Option) {
	t.Helper()
	server := serve(t, proxy)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	options = append(options, remote.WithTransport(transport), remote.WithContext(t.Context()))
	img, err := random.Image(1<<17, 3)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/" + repository + ":tag")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, options...); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Image(ref, options...)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := layersOf(t, pulled), layersOf(t, img); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Error("other layers came back")
	}
	var written int
	for _, line := range proxy.Requests() {
		if strings.HasPrefix(line, "PATCH /v2/"+repository+"/blobs/uploads/<upload>") {
			written++
		}
	}
	if written < 4 { // three layers and the configuration
		t.Errorf("not all came through the proxy: %q", proxy.Requests())
	}
}

func layersOf(t *testing.T, img v1.Image) [][]byte {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, layer := range layers {
		blob, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(blob)
		if err := errors.Join(err, blob.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}
