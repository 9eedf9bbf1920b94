package faulty

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// Registry is the upstream for a registry at an address, as http://localhost:5000. It is told the Host that the client has
// asked for: of that it makes its Location headers.
func Registry(address *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(address)
			r.Out.Host = r.In.Host
		},
		// Nothing here unpacks an answer unseen by the client; nor does a proxy of the environment's interfere. A connection is
		// closed long before the registry would: a request on one that is gone would be sent again, unseen too.
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "faulty: no answer from the registry: "+err.Error(), http.StatusBadGateway)
		},
		ErrorLog: log.New(io.Discard, "", 0), // a client that is killed midway is what tests want
	}
}

// answer is an answer that nothing was sent of yet. It implements http.ResponseWriter.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// own is an answer of the proxy's.
func own(status int, contentType, body string) *answer {
	a := newAnswer()
	a.header.Set("Content-Type", contentType)
	a.status = status
	a.body.WriteString(body)
	return a
}

// failure is an error as the distribution specification wants it.
func failure(status int, code, message string) *answer {
	return own(status, "application/json", `{"errors":[{"code":"`+code+`","message":"`+message+`"}]}`+"\n")
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK { // what is below is not yet the answer
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(data)
}

// receive reads what is left of a request: a client that is answered while it still sends may see its connection closed
// instead of the answer.
func (*answer) receive(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// send sends the answer. Nobody may be there any more to take it.
func (a *answer) send(w http.ResponseWriter) {
	a.WriteHeader(http.StatusOK)
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// half is the first half of the answer as it goes over the wire: the headers and half of the body, or half of the headers
// where there is no body. Those end with a whole line: within one, what a client makes of it would depend on where.
func (a *answer) half(r *http.Request) []byte {
	a.WriteHeader(http.StatusOK)
	response := &http.Response{
		ProtoMajor: 1, ProtoMinor: 1, Request: r, StatusCode: a.status, Header: a.header,
		Body: http.NoBody, ContentLength: int64(a.body.Len()),
	}
	if length, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil && r.Method == http.MethodHead {
		response.ContentLength = length
	} else if a.body.Len() > 0 {
		response.Body = io.NopCloser(bytes.NewReader(a.body.Bytes()))
	}
	var raw bytes.Buffer
	_ = response.Write(&raw) // a buffer takes all
	head := bytes.Index(raw.Bytes(), []byte("\r\n\r\n")) + len("\r\n\r\n")
	if head == raw.Len() {
		lines := bytes.SplitAfter(raw.Bytes()[:head-len("\r\n")], []byte("\r\n"))
		return bytes.Join(lines[:len(lines)/2], nil)
	}
	return raw.Bytes()[:head+(raw.Len()-head)/2]
}
