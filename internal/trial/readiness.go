package trial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jina/hub-publish/internal/jina"
	"github.com/jina/hub-publish/internal/processes"
	"github.com/jina/hub-publish/internal/sandbox"
)

// readiness is how it is seen that a process is ready.
type readiness interface {
	// expected says what the process is to do, behind "it was expected".
	expected() string
	// look reports whether it has done so, or what it does instead. pids are all of its processes.
	look(ctx context.Context, a *attempt, pids []int, age time.Duration) (ready bool, instead string)
}

// readiness is what the test says.
func (a *attempt) readiness() readiness {
	switch r := a.order.Test.Ready; {
	case r.Port > 0:
		return &listens{port: r.Port}
	case r.Log != nil:
		return prints{r.Log}
	case r.Exit != nil:
		return exits{*r.Exit}
	case r.Alive > 0:
		return lives{r.Alive}
	}
	return &listens{asked: asked{jina: a.installed != nil}}
}

// listens waits for a listening TCP socket. One that is a control port of Jina's must also say that it is ready: it is opened
// before the executor is loaded.
type listens struct {
	asked
	// port is the one that counts; 0 for any.
	port int
}

func (l *listens) expected() string {
	if l.port > 0 {
		return fmt.Sprintf("to listen on the TCP port %d", l.port)
	}
	return "to listen on a TCP port"
}

func (l *listens) look(ctx context.Context, _ *attempt, pids []int, _ time.Duration) (bool, string) {
	ports, err := processes.Ports(pids)
	switch {
	case err != nil:
		return false, err.Error()
	case len(ports) == 0:
		return false, "it runs, but listens on none"
	case l.port > 0 && !slices.Contains(ports, l.port):
		return false, "it listens on " + list(ports) + " instead"
	case l.port > 0:
		return true, ""
	}
	return l.answer(ctx, ports)
}

// controlled waits for the ports that Jina has given to an executor, and for the answer of its control port.
type controlled struct {
	asked
	ports jina.Ports
}

func (c *controlled) expected() string {
	return fmt.Sprintf("to listen on the ports that Jina gives it (--port-in %d, --port-out %d, --port-ctrl %d), and to answer at the last one",
		c.ports.In, c.ports.Out, c.ports.Control)
}

func (c *controlled) look(ctx context.Context, _ *attempt, pids []int, _ time.Duration) (bool, string) {
	ports, err := processes.Ports(pids)
	if err != nil {
		return false, err.Error()
	}
	for _, port := range []int{c.ports.In, c.ports.Out, c.ports.Control} {
		if slices.Contains(ports, port) {
			continue
		}
		if len(ports) == 0 {
			return false, "it runs, but listens on none: does the entry point pass on its arguments?"
		}
		return false, fmt.Sprintf("it listens on %s, but not on %d: does the entry point pass on its arguments?", list(ports), port)
	}
	ready, instead := c.answer(ctx, []int{c.ports.Control})
	if ready && !c.controls {
		return false, fmt.Sprintf("what listens on %d does not speak as Jina's control port does", c.ports.Control)
	}
	return ready, instead
}

// asked asks ports whether they are control ports of Jina's, and those that are for their status.
type asked struct {
	// jina says that there can be control ports.
	jina bool
	// answers are by port; a port whose answer is awaited has one that is empty.
	answers map[int]*answer
	// controls says that one of them was a control port.
	controls bool
}

type answer struct {
	done  chan struct{}
	ready bool
	err   error
}

// answer reports whether all of these ports have answered, if they are control ports.
func (q *asked) answer(ctx context.Context, ports []int) (ready bool, instead string) {
	if !q.jina {
		return true, ""
	}
	if q.answers == nil {
		q.answers = map[int]*answer{}
	}
	ready = true
	for _, port := range ports {
		known, ok := q.answers[port]
		if !ok {
			known = &answer{done: make(chan struct{})}
			q.answers[port] = known
			go func() {
				defer close(known.done)
				known.ready, known.err = jina.AskStatus(ctx, port)
			}()
		}
		select {
		case <-known.done:
		default:
			ready, instead = false, fmt.Sprintf("its control port %d is open, but does not answer: the executor has not loaded", port)
			continue
		}
		switch {
		case known.ready:
			q.controls = true
		case errors.Is(known.err, jina.ErrNoControl):
		default: // it closed the connection, or is not ready: ask again
			delete(q.answers, port)
			ready, instead = false, fmt.Sprintf("its control port %d says that it is not ready", port)
		}
	}
	return ready, instead
}

// prints waits for a line of the output.
type prints struct{ pattern *regexp.Regexp }

func (p prints) expected() string { return fmt.Sprintf("to print a line that matches %q", p.pattern) }

func (p prints) look(_ context.Context, a *attempt, _ []int, _ time.Duration) (bool, string) {
	return a.printed.matched(), "it runs, but prints none"
}

// flowReady waits for the flow's program to say that the flow is open.
type flowReady struct{}

var flowPattern = regexp.MustCompile("^" + regexp.QuoteMeta(jina.FlowReady) + "$")

func (flowReady) expected() string { return "to become ready in a Flow of Jina's" }

func (flowReady) look(_ context.Context, a *attempt, _ []int, _ time.Duration) (bool, string) {
	return a.printed.matched(), "the flow is still not ready"
}

// exits waits for the end.
type exits struct{ status int }

func (e exits) expected() string { return fmt.Sprintf("to end with exit status %d", e.status) }

func (e exits) look(_ context.Context, a *attempt, _ []int, _ time.Duration) (bool, string) {
	if !a.isEnded(0) {
		return false, "it still runs"
	}
	status := 0
	var exit *sandbox.ExitError
	if errors.As(a.end, &exit) {
		status = exit.Status
	}
	return status == e.status && (a.end == nil || exit != nil), ""
}

// lives waits for a time to pass.
type lives struct{ time.Duration }

func (l lives) expected() string { return "to live for " + l.String() }

func (l lives) look(_ context.Context, a *attempt, _ []int, age time.Duration) (bool, string) {
	return age >= l.Duration && !a.isEnded(0), "it is younger"
}

// list names ports.
func list(ports []int) string {
	const most = 8
	var words []string
	for _, port := range ports[:min(most, len(ports))] {
		words = append(words, fmt.Sprint(port))
	}
	if len(ports) > most {
		words = append(words, "…")
	}
	return strings.Join(words, ", ")
}

// freePorts are TCP ports that nobody listens on.
func freePorts(n int) (ports []int, err error) {
	for range n {
		listener, err := net.Listen("tcp", ":0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close() // not before all are found, so that no two are the same
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
