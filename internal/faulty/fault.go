package faulty

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"time"
)

// Fault is what happens to a request. It happens once, if not told otherwise by Times.
type Fault struct {
	name string
	// more is how many of the following requests it happens to as well.
	more int
	// tokens changes what tokens are worth, as the request arrives.
	tokens func(*tokens)
	// before happens in front of the registry, which is not asked where there is an answer. It may not return.
	before func(http.ResponseWriter, *http.Request) *answer
	// send takes the place of sending the answer.
	send func(http.ResponseWriter, *http.Request, *answer)
}

// String is the fault's name.
func (f Fault) String() string { return f.name }

// Times is the fault happening to n requests in a row; to all that follow with math.MaxInt.
func (f Fault) Times(n int) Fault {
	f.more = n - 1
	return f
}

// TooMany answers 429 Too Many Requests with a Retry-After header, such as "1"; without one if it is empty.
func TooMany(retryAfter string) Fault {
	return Fault{name: "too many requests", before: func(http.ResponseWriter, *http.Request) *answer {
		a := failure(http.StatusTooManyRequests, "TOOMANYREQUESTS", "too many requests")
		if retryAfter != "" {
			a.header.Set("Retry-After", retryAfter)
		}
		return a
	}}
}

// Unavailable answers 503 Service Unavailable, and does not say when to come again.
func Unavailable() Fault {
	return Fault{name: "unavailable", before: func(http.ResponseWriter, *http.Request) *answer {
		return failure(http.StatusServiceUnavailable, "UNAVAILABLE", "service unavailable")
	}}
}

// ServerError answers 500 Internal Server Error.
func ServerError() Fault {
	return Fault{name: "server error", before: func(http.ResponseWriter, *http.Request) *answer {
		return failure(http.StatusInternalServerError, "UNKNOWN", "unknown error")
	}}
}

// BadGateway answers 502 Bad Gateway with a page in HTML, as what stands in front of a registry does.
func BadGateway() Fault {
	return Fault{name: "bad gateway", before: func(http.ResponseWriter, *http.Request) *answer {
		return own(http.StatusBadGateway, "text/html", "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n")
	}}
}

// Reset resets the connection before the request reaches the registry.
func Reset() Fault {
	return Fault{name: "reset", before: func(w http.ResponseWriter, _ *http.Request) *answer {
		reset(w)
		panic(http.ErrAbortHandler)
	}}
}

// ResetAfter resets the connection when the registry has done what it was asked to: the answer is lost.
func ResetAfter() Fault {
	return Fault{name: "reset after", send: func(w http.ResponseWriter, _ *http.Request, _ *answer) { reset(w) }}
}

// Half cuts the connection after the headers and half of the body; after half of the headers where there is no body, as with
// 201 Created and with HEAD.
func Half() Fault {
	return Fault{name: "half", send: func(w http.ResponseWriter, r *http.Request, a *answer) {
		conn := take(w)
		defer conn.Close()
		_, _ = conn.Write(a.half(r))
	}}
}

// Slow holds the request back for a time, and passes it on then. If the client has gone meanwhile, the registry is not asked.
func Slow(d time.Duration) Fault {
	return Fault{name: "slow", before: func(_ http.ResponseWriter, r *http.Request) *answer {
		body, err := io.ReadAll(r.Body) // else nobody would notice that the client goes
		if err != nil || !wait(r.Context(), d) {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	}}
}

// SlowAfter holds the answer back for a time: the registry has already done what it was asked to.
func SlowAfter(d time.Duration) Fault {
	return Fault{name: "slow after", send: func(w http.ResponseWriter, r *http.Request, a *answer) {
		if !wait(r.Context(), d) {
			panic(http.ErrAbortHandler)
		}
		a.send(w)
	}}
}

// Stall sends as much as Half does, and then nothing until the client goes away.
func Stall() Fault {
	return Fault{name: "stall", send: func(w http.ResponseWriter, r *http.Request, a *answer) {
		conn := take(w)
		defer conn.Close()
		_, _ = conn.Write(a.half(r))
		_, _ = io.Copy(io.Discard, conn)
	}}
}

// Expired lets every token that was issued until now be worth nothing, from this request on. It needs the option Token.
func Expired() Fault { return Fault{name: "expired", tokens: (*tokens).expire} }

// Skewed lets a token be valid only a time after it was issued, from this request on: the registry's clock is behind that of
// who issues tokens. Those that were issued before are no exception. It needs the option Token.
func Skewed(d time.Duration) Fault {
	return Fault{name: "skewed", tokens: func(t *tokens) { t.skew = d }}
}

// take takes a request's connection from the server. Without one, the request ends here.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

func reset(w http.ResponseWriter) {
	conn := take(w)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing it then sends RST, not FIN
	}
	_ = conn.Close()
}
