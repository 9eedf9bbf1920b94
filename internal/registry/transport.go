package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// newTransport is the library's default transport, that trusts the CA too and keeps to TLS; close closes the connections that
// wait for another request.
func newTransport(o Options) (t http.RoundTripper, close func(), err error) {
	inner, err := trusting(o)
	if err != nil {
		return nil, nil, err
	}
	return &guarded{inner: &listening{inner}, plain: o.PlainHTTP}, inner.CloseIdleConnections, nil
}

func trusting(o Options) (*http.Transport, error) {
	t := remote.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = o.Pace.Commit + o.Pace.Answer // later than the watch over an upload, which says it better
	if len(o.CA) > 0 {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a machine without any: what is given is all there is
		}
		if !roots.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("there is no certificate in it; write the authority's certificate in PEM, from -----BEGIN CERTIFICATE----- on")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// PlainHTTPError says that a registry would have been spoken to without TLS.
type PlainHTTPError struct{ Host string }

// Error implements error.
func (e *PlainHTTPError) Error() string {
	return fmt.Sprintf("%s is only spoken to by TLS; if it knows plain HTTP alone, name it in the input plain-http", e.Host)
}

// guarded keeps credentials and images from going over the wire in the clear: plain HTTP is for this machine, and for the
// hosts that are named. Those are spoken to by plain HTTP alone.
type guarded struct {
	inner http.RoundTripper
	plain []string
}

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	named := slices.Contains(g.plain, r.URL.Host)
	switch {
	case named && r.URL.Scheme == "https":
		r = r.Clone(r.Context())
		r.URL.Scheme = "http"
	case !named && r.URL.Scheme == "http" && !loopback(r.URL.Hostname()):
		return nil, &PlainHTTPError{Host: r.URL.Host}
	}
	answer, err := g.inner.RoundTrip(r)
	var record tls.RecordHeaderError
	if errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/" && !loopback(r.URL.Hostname()) {
		return nil, &PlainHTTPError{Host: r.URL.Host} // it knows plain HTTP alone
	}
	return answer, err
}

// loopback reports whether a host is this machine, whatever a name server says.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// listening takes note of how long a registry asks to be left alone, and of what it says of a token, for the attempt that the
// request belongs to.
type listening struct{ inner http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l *listening) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.inner.RoundTrip(r)
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if err != nil || !ok {
		return answer, err
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		a.wait.Store(int64(retryAfter(answer.Header.Get("Retry-After"), time.Now())))
	case http.StatusUnauthorized:
		a.token.Store(int32(refusal(answer.Header.Get("WWW-Authenticate"))))
	}
	return answer, err
}

// refusal reads the error code of a challenge (RFC 6750, section 3.1).
func refusal(challenge string) verdict {
	switch {
	case strings.Contains(challenge, `error="invalid_token"`):
		return invalid
	case strings.Contains(challenge, `error="insufficient_scope"`):
		return insufficient
	}
	return unsaid
}

// retryAfter reads the header's two forms (RFC 9110, section 10.2.3); 0 is none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
