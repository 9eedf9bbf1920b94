// Package faulty is a proxy in front of a registry that fails at one chosen request; only tests use it.
package faulty

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Proxy passes requests on to a registry, and counts them from 1 in the order in which they arrive. It implements
// http.Handler, for a server that speaks plain HTTP/1.1, as httptest.NewServer's does.
//
// What a request's client has sent is passed on even where the client has gone meanwhile: whether the registry has seen a
// request does not depend on how soon the end of a connection is noticed.
type Proxy struct {
	upstream      http.Handler
	latency       time.Duration
	before, after func(n int, r *http.Request)
	faults        []placed

	mutex    sync.Mutex
	requests []string
	tokens   *tokens // nil without the option Token
}

// placed is a fault, and the first request that it happens to.
type placed struct {
	from  int
	fault Fault
}

// Option is a choice about a Proxy.
type Option func(*Proxy)

// New is a proxy in front of a registry in this process, or of one elsewhere: see Registry. It panics where options do not
// go together.
func New(upstream http.Handler, options ...Option) *Proxy {
	p := &Proxy{upstream: upstream}
	for _, option := range options {
		option(p)
	}
	for _, f := range p.faults {
		switch {
		case f.from < 1:
			panic(fmt.Sprintf("faulty: %s at request %d: they are numbered from 1", f.fault, f.from))
		case f.fault.tokens != nil && p.tokens == nil:
			panic(fmt.Sprintf("faulty: %s without the option Token", f.fault))
		}
	}
	return p
}

// At lets a fault happen to the request numbered n. Of several at one request the last counts, beside those about tokens,
// which all do.
func At(n int, fault Fault) Option {
	return func(p *Proxy) { p.faults = append(p.faults, placed{n, fault}) }
}

// Latency delays every request. One whose client has gone by then is not passed on.
func Latency(d time.Duration) Option { return func(p *Proxy) { p.latency = d } }

// Token lets the proxy ask for a bearer token on all below /v2/. It issues them itself, on /token, to who knows the user's
// password. The registry behind it sees no Authorization header.
func Token(user, password string) Option {
	return func(p *Proxy) { p.tokens = newTokens(user, password) }
}

// Before calls a hook with every request's number before the request is passed on, and before a fault happens to it. A
// client that the hook has killed has still made its request; with Reset at the same number it has not. Requests that come
// at the same time call it at the same time.
func Before(hook func(n int, r *http.Request)) Option { return func(p *Proxy) { p.before = hook } }

// After calls a hook with a request's number once its answer is there, whole, and before any of it is sent. The answer may be
// the proxy's own: a fault's, or one about tokens.
func After(hook func(n int, r *http.Request)) Option { return func(p *Proxy) { p.after = hook } }

// Requests are the requests until now, "METHOD /path?query", in the order in which they arrived. What differs from one upload
// to the next is replaced, so that logs can be compared.
func (p *Proxy) Requests() []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return slices.Clone(p.requests)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, fault, got := p.arrive(r)
	if !wait(r.Context(), p.latency) {
		panic(http.ErrAbortHandler)
	}
	if p.before != nil {
		p.before(n, r)
	}
	if fault.before != nil {
		if instead := fault.before(w, r); instead != nil {
			got = instead
		}
	}
	if got != nil {
		got.receive(r)
	} else {
		got = p.pass(r)
	}
	if p.after != nil {
		p.after(n, r)
	}
	if fault.send != nil {
		fault.send(w, r, got)
	} else {
		got.send(w)
	}
}

// arrive numbers a request, and says what happens to it: its fault, and the proxy's own answer where it is not to be passed
// on. All is decided at once, so that requests that come at the same time see the tokens in the order of their numbers.
func (p *Proxy) arrive(r *http.Request) (n int, fault Fault, own *answer) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.requests = append(p.requests, logged(r))
	n = len(p.requests)
	for _, f := range p.faults {
		switch {
		case n < f.from || n-f.from > f.fault.more:
		case f.fault.tokens != nil:
			f.fault.tokens(p.tokens)
		default:
			fault = f.fault
		}
	}
	if p.tokens != nil {
		own = p.tokens.answer(r)
	}
	return n, fault, own
}

// pass lets the registry answer a request.
func (p *Proxy) pass(r *http.Request) *answer {
	out := r.Clone(context.WithoutCancel(r.Context()))
	if p.tokens != nil {
		out.Header.Del("Authorization")
	}
	got := newAnswer()
	p.upstream.ServeHTTP(got, out)
	// A registry that names itself would lead its client past the proxy.
	if location, err := url.Parse(got.header.Get("Location")); err == nil && location.Host != "" {
		location.Scheme, location.Host = "http", r.Host
		got.header.Set("Location", location.String())
	}
	return got
}

var (
	uploadID    = regexp.MustCompile(`(/blobs/uploads/)[^/?]+`)
	uploadState = regexp.MustCompile(`([?&]_state=)[^&]*`)
)

// logged is a request's line without what differs from one upload to the next.
func logged(r *http.Request) string {
	uri := uploadID.ReplaceAllString(r.URL.RequestURI(), "${1}<upload>")
	return r.Method + " " + uploadState.ReplaceAllString(uri, "${1}<state>")
}

// wait reports whether the context lived through a time. A server notices that a client has gone only once the request's body
// is read.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
