package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// wire takes note of what would go over it.
type wire struct {
	inner http.RoundTripper

	mutex sync.Mutex
	asked []string
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mutex.Lock()
	w.asked = append(w.asked, r.URL.Scheme+"://"+r.URL.Host)
	w.mutex.Unlock()
	if w.inner != nil {
		return w.inner.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// TestGuarded keeps to TLS, but on this machine and for hosts that are named.
func TestGuarded(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		plain      []string
		from, wire string // what goes over the wire; "" is nothing
	}{
		"TLS":                      {nil, "https://registry.example", "https://registry.example"},
		"plain":                    {nil, "http://registry.example", ""},
		"plain, private":           {nil, "http://10.0.0.1:5000", ""},
		"plain, of a local name":   {nil, "http://registry.local", ""},
		"plain, looks like here":   {nil, "http://localhost.example", ""},
		"plain, here":              {nil, "http://localhost:5000", "http://localhost:5000"},
		"plain, here by number":    {nil, "http://127.1.2.3:5000", "http://127.1.2.3:5000"},
		"plain, here by IPv6":      {nil, "http://[::1]:5000", "http://[::1]:5000"},
		"named":                    {[]string{"registry.example:5000"}, "http://registry.example:5000", "http://registry.example:5000"},
		"named, asked by TLS":      {[]string{"registry.example:5000"}, "https://registry.example:5000", "http://registry.example:5000"},
		"one of two named":         {[]string{"other.example", "registry.example"}, "https://registry.example", "http://registry.example"},
		"named with another port":  {[]string{"registry.example:5000"}, "http://registry.example:5001", ""},
		"named without the port":   {[]string{"registry.example"}, "http://registry.example:5000", ""},
		"another is named":         {[]string{"registry.example"}, "http://auth.example", ""},
		"another is named, by TLS": {[]string{"registry.example"}, "https://auth.example", "https://auth.example"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			over := &wire{}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.from+"/v2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := (&guarded{inner: over, plain: test.plain}).RoundTrip(request)
			if err == nil {
				defer answer.Body.Close()
			}
			var plain *PlainHTTPError
			var want []string
			if test.wire != "" {
				want = []string{test.wire}
			} else if !errors.As(err, &plain) || plain.Host != request.URL.Host {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(over.asked, want) {
				t.Errorf("%q went over the wire, want %q", over.asked, want)
			}
			if got := request.URL.Scheme + "://" + request.URL.Host; got != test.from {
				t.Errorf("the caller's request was changed to %s", got)
			}
		})
	}
}

// named is a client for which every host is one registry, whatever it is called, and what goes over its wire.
func named(t *testing.T, plain []string, secure bool, fault func(*http.Request) error) (*Client, *wire) {
	t.Helper()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewUnstartedServer(inner)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	ways := server.Client().Transport.(*http.Transport)
	ways.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	if secure {
		ways.TLSClientConfig.ServerName = "example.com" // as is in the server's certificate
	}
	over := &wire{inner: failing{ways, fault}}
	c, err := New(Options{Pace: Pace{First: 10 * time.Millisecond, Most: 10 * time.Millisecond, Total: 5 * time.Second, Answer: time.Minute, Commit: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	c.transport = &guarded{inner: &listening{over}, plain: plain}
	if c.pusher, err = remote.NewPusher(append(c.options(t.Context()), remote.WithRetryBackoff(once))...); err != nil {
		t.Fatal(err)
	}
	return c, over
}

type failing struct {
	http.RoundTripper
	fault func(*http.Request) error
}

// RoundTrip implements http.RoundTripper.
func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.fault != nil {
		if err := f.fault(r); err != nil {
			return nil, err
		}
	}
	return f.RoundTripper.RoundTrip(r)
}

// TestPlainHTTP pushes to, and reads from, a registry that knows plain HTTP alone, where that is named; else it says at once
// how to.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	// The library asks hosts that look private without TLS too, and others by TLS alone.
	for _, host := range []string{"registry.example:5000", "10.0.0.1:5000", "registry.localhost"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			at, err := name.NewRepository(host + "/hub/pod")
			if err != nil {
				t.Fatal(err)
			}
			c, over := named(t, []string{host}, false, nil)
			if err := c.Put(t.Context(), at.Tag("1"), empty.Image); err != nil {
				t.Error(err)
			}
			if err := c.CheckPush(t.Context(), at); err != nil {
				t.Error(err)
			}
			if _, err := c.Head(t.Context(), at.Tag("1")); err != nil {
				t.Error(err)
			}
			if slices.ContainsFunc(over.asked, func(s string) bool { return s != "http://"+host }) {
				t.Errorf("%q went over the wire", over.asked)
			}

			c, over = named(t, nil, false, nil)
			_, err = c.Head(t.Context(), at.Tag("1"))
			var refusal *PlainHTTPError
			if !errors.As(err, &refusal) || refusal.Host != host {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(over.asked, []string{"https://" + host}) {
				t.Errorf("%q went over the wire", over.asked)
			}
		})
	}
}

// TestPrivateHost asks a host that looks private again after a fault, though the library also tries plain HTTP there, which
// is refused for good.
func TestPrivateHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"registry.example", "registry.localhost", "192.168.0.1:5000"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			at, err := name.NewRepository(host + "/hub/pod")
			if err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			c, _ := named(t, nil, true, func(*http.Request) (err error) {
				once.Do(func() { err = syscall.ECONNRESET })
				return err
			})
			if _, err := c.Head(t.Context(), at.Tag("1")); !IsNotFound(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRetryAfterValues(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		"3600":                           time.Hour,
		"-1":                             0,
		"1.5":                            0,
		"soon":                           0,
		"Mon, 06 May 2024 07:08:19 GMT":  10 * time.Second,
		"Mon, 06 May 2024 07:07:09 GMT":  0, // it was a minute ago
		"Monday, 06-May-24 07:09:09 GMT": time.Minute,
		"Mon May  6 07:08:10 2024":       time.Second,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

// FuzzRetryAfter shows that a registry can neither hurry the client nor confuse it.
func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, seed := range []string{"", "0", "120", "-1", "+1", "2147483648", "99999999999999999999", now.Format(http.TimeFormat), "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := retryAfter(value, now)
		if got < 0 {
			t.Fatalf("%q: got %s", value, got)
		}
		if seconds, err := strconv.ParseUint(value, 10, 31); err == nil && got != time.Duration(seconds)*time.Second {
			t.Errorf("%q: got %s", value, got)
		}
		if at, err := http.ParseTime(value); err == nil && at.After(now) && at.Before(now.AddDate(100, 0, 0)) && !now.Add(got).Equal(at) {
			t.Errorf("%q: got %s", value, got)
		}
		if !strings.ContainsAny(value, "0123456789") && got != 0 {
			t.Errorf("%q: got %s", value, got)
		}
	})
}

// TestPassing tells what may fare better a little later.
func TestPassing(t *testing.T) {
	t.Parallel()
	for title, test := range map[string]struct {
		err  error
		want bool
	}{
		"reset":           {syscall.ECONNRESET, true},
		"cut off":         {io.ErrUnexpectedEOF, true},
		"refused":         {fmt.Errorf("asking: %w", syscall.ECONNREFUSED), false},
		"name server":     {&net.DNSError{IsTemporary: true}, true},
		"unknown name":    {&net.DNSError{IsNotFound: true}, false},
		"our own refusal": {&PlainHTTPError{}, false},
	} {
		if got := passing(test.err); got != test.want {
			t.Errorf("%s: got %t", title, got)
		}
	}
}
