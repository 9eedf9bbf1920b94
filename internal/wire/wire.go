// Package wire speaks HTTP/2 over one connection that is there already: between the action and its worker there is a pair
// of sockets, or the standard input and output of a container, and nothing that anybody else could connect to.
package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Base is the address that requests name; there is only one other side.
const Base = "http://worker"

// settings have windows as large as they are since both sides are on one machine: a small window would only make them
// wait. There is no limit that requests could run into, since there is no second connection for those beyond it: a strict
// client waits instead of asking for one, but for ever where more wait than the limit allows (golang.org/issue/70809).
var settings = &http.HTTP2Config{
	MaxReceiveBufferPerConnection: 16 << 20,
	MaxReceiveBufferPerStream:     4 << 20,
	MaxReadFrameSize:              1 << 20,
	MaxConcurrentStreams:          1 << 20,
	StrictMaxConcurrentRequests:   true,
}

func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// NewClient is a client whose requests all go through the connection.
func NewClient(conn net.Conn) *http.Client {
	var once sync.Once
	return &http.Client{Transport: &http.Transport{
		Protocols: protocols(), HTTP2: settings, DisableCompression: true, MaxConnsPerHost: 1,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			err := errors.New("the worker is gone")
			var first net.Conn
			once.Do(func() { first, err = conn, nil })
			return first, err
		},
	}}
}

// Serve answers the requests that come through the connection, until its other side closes it.
func Serve(conn net.Conn, handler http.Handler) error {
	s := &http.Server{Handler: handler, Protocols: protocols(), HTTP2: settings}
	closed := make(chan struct{})
	l := &listener{conns: make(chan net.Conn, 1), closed: closed, addr: conn.LocalAddr()}
	l.conns <- conn
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// listener has one connection to accept.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	addr   net.Addr
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { return nil }
func (l *listener) Addr() net.Addr { return l.addr }

// Stdio is a connection made of a stream to read and one to write, such as a container's standard input and output. What
// goes through it is copied once more: net/http interrupts reads by their deadlines, which such streams do not have.
func Stdio(in io.ReadCloser, out io.WriteCloser) (net.Conn, error) {
	ours, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	far, err := net.FileConn(theirs)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		_, _ = io.Copy(far, in)
		far.Close()
	})
	ended.Go(func() {
		_, _ = io.Copy(out, far)
		out.Close()
		in.Close()
	})
	return &stdio{ours, &ended}, nil
}

type stdio struct {
	net.Conn
	ended *sync.WaitGroup
}

// Close returns when all that was written has been passed on.
func (s *stdio) Close() error {
	err := s.Conn.Close()
	s.ended.Wait()
	return err
}

// Pair are two connected sockets, the second as a file for another process.
func Pair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	f, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer f.Close()
	ours, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
