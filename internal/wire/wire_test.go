package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/wire"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// ways are the connections that there are between the action and its worker.
var ways = map[string]func(testing.TB) (ours, theirs net.Conn){
	"a pair of sockets":         pair,
	"standard input and output": pipes,
}

func pair(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	ours, file, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if theirs, err = net.FileConn(file); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func pipes(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	pipe := func() (*os.File, *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	}
	stdio := func(in *os.File, out *os.File) net.Conn {
		conn, err := wire.Stdio(in, out)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	inR, inW := pipe()
	outR, outW := pipe()
	return stdio(outR, inW), stdio(inR, outW)
}

// server is the other side of a client.
type server struct {
	*http.Client
	ours, theirs net.Conn
	// ended has what Serve returned.
	ended chan error
}

func serve(t testing.TB, connect func(testing.TB) (ours, theirs net.Conn), handler http.HandlerFunc) *server {
	t.Helper()
	ours, theirs := connect(t)
	s := &server{wire.NewClient(ours), ours, theirs, make(chan error, 1)}
	go func() { s.ended <- wire.Serve(theirs, handler) }()
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return s
}

// wait fails a test in which something does not come.
func wait[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatalf("%s: nothing came for %s", what, patience)
		panic("not reached")
	}
}

// eachWay runs a test over each kind of connection.
func eachWay(t *testing.T, test func(*testing.T, func(testing.TB) (ours, theirs net.Conn))) {
	t.Parallel()
	for name, connect := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, connect)
		})
	}
}

func (s *server) do(ctx context.Context, path string, body io.Reader) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, wire.Base+path, body)
	if err != nil {
		return "", err
	}
	response, err := s.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// TestParallelRequests has more of them than HTTP/2 servers and clients allow by default, which are all there at a time;
// also as the first ones, before either side knows of the other, on which each connection has one try.
func TestParallelRequests(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		for _, n := range []int{1000, 300, 150, 150, 150, 150, 150, 150, 150, 150} {
			var all sync.WaitGroup
			all.Add(n)
			s := serve(t, connect, func(w http.ResponseWriter, r *http.Request) {
				all.Done()
				all.Wait()
				_, _ = io.Copy(w, r.Body)
			})
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var group errgroup.Group
			for i := range n {
				group.Go(func() error {
					got, err := s.do(ctx, "/", strings.NewReader(fmt.Sprint(i)))
					if err != nil || got != fmt.Sprint(i) {
						cancel() // the others wait for this one
						return fmt.Errorf("request %d of %d got the answer %q: %w", i, n, got, err)
					}
					return nil
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestBigBodies is not parallel: what other tests have in memory would count.
func TestBigBodies(t *testing.T) {
	const size, limit = 100 << 20, 64 << 20
	for name, connect := range ways {
		t.Run(name, func(t *testing.T) {
			s := serve(t, connect, func(w http.ResponseWriter, r *http.Request) {
				if n, err := io.Copy(&pattern{}, r.Body); n != size || err != nil {
					http.Error(w, fmt.Sprintf("%d bytes came, and %v", n, err), http.StatusBadRequest)
					return
				}
				_, _ = io.Copy(w, io.LimitReader(&pattern{}, size))
			})
			peak := watchMemory()
			response, err := s.Post(wire.Base, "", io.LimitReader(&pattern{}, size))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				text, _ := io.ReadAll(response.Body)
				t.Fatalf("%s", text)
			}
			if n, err := io.Copy(&pattern{}, response.Body); n != size || err != nil {
				t.Errorf("%d bytes of %d came back, and %v", n, size, err)
			}
			if got := peak(); got > limit {
				t.Errorf("it took %d MB of memory, more than %d MB", got>>20, limit>>20)
			}
		})
	}
}

// watchMemory tells how much the heap grew at most since it was called.
func watchMemory() (peak func() uint64) {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, most := make(chan struct{}), make(chan uint64)
	go func() {
		var highest uint64
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			highest = max(highest, now.HeapAlloc)
			select {
			case <-stop:
				most <- highest - min(highest, before.HeapAlloc)
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return sync.OnceValue(func() uint64 {
		close(stop)
		return <-most
	})
}

// pattern is a stream in which each place has its own byte, nearly: it is read, or written and compared.
type pattern struct{ at int }

const period = 251 // a prime, so that no buffer's size is a multiple of it

var patternBytes = func() []byte {
	all := make([]byte, 64<<10+period)
	for i := range all {
		all[i] = byte(i % period)
	}
	return all
}()

func (p *pattern) Read(to []byte) (int, error) {
	n := copy(to, patternBytes[p.at:])
	p.at = (p.at + n) % period
	return n, nil
}

func (p *pattern) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		n := min(len(rest), len(patternBytes)-p.at)
		if !bytes.Equal(rest[:n], patternBytes[p.at:p.at+n]) {
			return 0, errors.New("other bytes came than were sent")
		}
		p.at, rest = (p.at+n)%period, rest[n:]
	}
	return len(data), nil
}

// TestSlowReader has a big answer that nobody reads, which must not keep other requests waiting.
func TestSlowReader(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		s := serve(t, connect, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/big" {
				_, _ = io.Copy(w, io.LimitReader(&pattern{}, 100<<20))
			}
		})
		response, err := s.Get(wire.Base + "/big")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := s.do(ctx, "/small", nil); err != nil {
			t.Error(err)
		}
	})
}

// TestEvents has an answer that comes piece by piece while the request's body is still being sent, as a build's do.
func TestEvents(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		s := serve(t, connect, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			piece := make([]byte, 1)
			for {
				if _, err := io.ReadFull(r.Body, piece); err != nil {
					return
				}
				_, _ = w.Write(bytes.ToUpper(piece))
				_ = http.NewResponseController(w).Flush()
			}
		})
		body, send := io.Pipe()
		response, err := s.Post(wire.Base, "", body)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answers := make(chan string)
		go func() {
			piece := make([]byte, 1)
			for {
				if _, err := io.ReadFull(response.Body, piece); err != nil {
					answers <- err.Error()
					return
				}
				answers <- string(piece)
			}
		}()
		for _, piece := range []string{"a", "b", "c"} {
			if _, err := io.WriteString(send, piece); err != nil {
				t.Fatal(err)
			}
			if got := wait(t, "an event", answers); got != strings.ToUpper(piece) {
				t.Errorf("got %q after %q", got, piece)
			}
		}
		send.Close()
		if got := wait(t, "the end of the events", answers); got != io.EOF.Error() {
			t.Errorf("got %q at the end", got)
		}
	})
}

// TestCancel ends a request, of which its handler learns, and the connection stays.
func TestCancel(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		began, ended := make(chan struct{}), make(chan error, 1)
		s := serve(t, connect, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				close(began)
				<-r.Context().Done()
				ended <- r.Context().Err()
			}
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := s.do(ctx, "/long", nil)
			failed <- err
		}()
		wait(t, "the request", began)
		cancel(errors.New("enough"))
		if err := wait(t, "the request's end", failed); err == nil {
			t.Error("a cancelled request did not fail")
		}
		if err := wait(t, "the handler's end", ended); !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
		if _, err := s.do(t.Context(), "/", nil); err != nil {
			t.Errorf("the next request: %v", err)
		}
	})
}

// TestPanic has a handler that fails: its own request does, and no other.
func TestPanic(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		s := serve(t, connect, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/broken" {
				panic(http.ErrAbortHandler)
			}
		})
		if _, err := s.do(t.Context(), "/broken", nil); err == nil {
			t.Error("a request did not fail whose handler did")
		}
		if _, err := s.do(t.Context(), "/", nil); err != nil {
			t.Errorf("the next request: %v", err)
		}
	})
}

// TestClientGone has an action that dies: requests that run end, and so does Serve, without an error.
func TestClientGone(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		began, ended := make(chan struct{}), make(chan error, 1)
		s := serve(t, connect, func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
			ended <- r.Context().Err()
		})
		failed := make(chan error, 1)
		go func() {
			_, err := s.do(t.Context(), "/", nil)
			failed <- err
		}()
		wait(t, "the request", began)
		s.ours.Close()
		if err := wait(t, "the request's end", failed); err == nil {
			t.Error("a request did not fail that nobody can answer")
		}
		if err := wait(t, "the handler's end", ended); err == nil {
			t.Error("the handler's context did not end")
		}
		if err := wait(t, "the end of Serve", s.ended); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestClientGoneBeforeItSaid has an action that dies before its first request.
func TestClientGoneBeforeItSaid(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		s := serve(t, connect, func(http.ResponseWriter, *http.Request) {})
		s.ours.Close()
		if err := wait(t, "the end of Serve", s.ended); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestNoHTTP has another side that speaks something else: Serve ends, as it would not with one that is only silent.
func TestNoHTTP(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		s := serve(t, connect, func(http.ResponseWriter, *http.Request) { t.Error("there was a request") })
		go func() { _, _ = io.Copy(io.Discard, s.ours) }()
		if _, err := io.WriteString(s.ours, "sh: not found\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := wait(t, "the end of Serve", s.ended); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestServerGone has a worker that dies: the request that runs fails, and so does each one after it, with an error that
// says why. There is no second connection.
func TestServerGone(t *testing.T) {
	eachWay(t, func(t *testing.T, connect func(testing.TB) (ours, theirs net.Conn)) {
		began := make(chan struct{})
		s := serve(t, connect, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				close(began)
				<-r.Context().Done()
			}
		})
		if _, err := s.do(t.Context(), "/", nil); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		go func() {
			_, err := s.do(t.Context(), "/long", nil)
			failed <- err
		}()
		wait(t, "the request", began)
		s.theirs.Close()
		if err := wait(t, "the request's end", failed); err == nil {
			t.Error("a request did not fail that nobody can answer")
		}
		const gone = "the worker is gone"
		for range 3 {
			if _, err := s.do(t.Context(), "/", nil); err == nil || !strings.Contains(err.Error(), gone) {
				t.Errorf("got %v, want an error that says that %s", err, gone)
			}
		}
		if err := wait(t, "the end of Serve", s.ended); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestCloseSendsTheRest closes a connection over streams: what was written goes out first, and both streams are closed.
func TestCloseSendsTheRest(t *testing.T) {
	t.Parallel()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer inW.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(outW.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	conn, err := wire.Stdio(inR, outW)
	if err != nil {
		t.Fatal(err)
	}
	const size = 128 << 10 // more than the pipe holds now, and less than it and the sockets do
	if _, err := io.Copy(conn, io.LimitReader(&pattern{}, size)); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- conn.Close() }()
	select {
	case <-closed:
		t.Error("Close did not wait until all that was written was passed on")
		closed <- nil
	case <-time.After(50 * time.Millisecond):
	}
	came := make(chan error, 1)
	go func() {
		n, err := io.Copy(&pattern{}, outR)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes of %d came", n, size)
		}
		came <- err
	}()
	if err := wait(t, "what was written", came); err != nil {
		t.Error(err)
	}
	if err := wait(t, "the end of Close", closed); err != nil {
		t.Error(err)
	}
	if _, err := inW.WriteString("x"); !errors.Is(err, unix.EPIPE) {
		t.Error("the stream that is read was not closed")
	}
}

// TestPairIsNotInherited asks that a program gets its socket only where it is given it.
func TestPairIsNotInherited(t *testing.T) {
	t.Parallel()
	ours, theirs, err := wire.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	raw, err := theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("every program that is started inherits the descriptor (%v)", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkThroughput(b *testing.B) {
	const size = 256 << 20
	for name, connect := range ways {
		s := serve(b, connect, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			n, _ := strconv.ParseInt(r.URL.Query().Get("size"), 10, 64)
			_, _ = io.Copy(w, io.LimitReader(zeros{}, n))
		})
		run := func(to, back int64) func(*testing.B) {
			return func(b *testing.B) {
				b.SetBytes(to + back)
				for b.Loop() {
					response, err := s.Post(fmt.Sprintf("%s/?size=%d", wire.Base, back), "", io.LimitReader(zeros{}, to))
					if err != nil {
						b.Fatal(err)
					}
					if n, err := io.Copy(io.Discard, response.Body); n != back || err != nil {
						b.Fatalf("%d bytes of %d came, and %v", n, back, err)
					}
					response.Body.Close()
				}
			}
		}
		b.Run(name+"/to the worker", run(size, 0))
		b.Run(name+"/from the worker", run(0, size))
	}
}

// zeros cost nothing to make.
type zeros struct{}

func (zeros) Read(to []byte) (int, error) { return len(to), nil }
