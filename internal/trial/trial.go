// Package trial starts an image as a usage test says, sees whether it becomes ready, stops it, and tells how it went. What
// the image does is never trusted: it is watched from outside, and what it prints or sends is bounded.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	continuity "github.com/containerd/continuity/fs"

	"github.com/jina/hub-publish/internal/jina"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/usage"
)

// Image is what an image's configuration says of how it is started.
type Image struct {
	Entrypoint, Command, Env []string
	Dir, User, StopSignal    string
}

// Order is one test of an image.
type Order struct {
	Image Image
	// Test has a timeout.
	Test usage.Test
}

// Outcome is how a test went.
type Outcome struct {
	// NotApplicable says why the test does not apply to the image; all else is empty then.
	NotApplicable string `json:",omitempty"`
	// Problem says what was expected, and what came instead; empty where the image passed.
	Problem string `json:",omitempty"`
	// Ready is how long the image took to be ready, and Stop how long to end then.
	Ready, Stop time.Duration
	// End is how it ended, such as "exit status 0"; empty where it never ran.
	End string `json:",omitempty"`
	// Last are the last lines that it printed.
	Last []string `json:",omitempty"`
}

// Host starts processes.
type Host struct {
	// Start starts a process.
	Start func(context.Context, sandbox.Process) (*sandbox.Running, error)
	// Top is the process below which all processes of a started one are, itself among them where First does not hold.
	Top func(*sandbox.Running) int
	// Kill ends a process and all that it started, at once.
	Kill func(*sandbox.Running)
	// First says that a started process is the first of its namespace: the kernel keeps signals from it that it has no handler
	// for, and ends with it all that it started.
	First bool
	// Output is told all that a process prints.
	Output io.Writer
}

// How long and how often things are looked at.
const (
	// stopWithin is how long an image may take to stop: Docker's default for `docker stop`.
	stopWithin = 10 * time.Second
	// settle is how long an image is watched once it is ready: it must be alive then.
	settle = 100 * time.Millisecond
	// firstLook is when it is looked at for the first time; the time between two looks grows until it is longestLook.
	firstLook   = 5 * time.Millisecond
	longestLook = 50 * time.Millisecond
	// maxThreads is how many threads an image may have at once, in all its processes: enough for a flow of Jina's whose numeric
	// library has a thread for each of 128 processors. limitThreads is what the kernel allows it, where it counts them: more, so
	// that it is seen, and not so many that nothing else gets a processor.
	maxThreads   = 1000
	limitThreads = 2 * maxThreads
	// countEvery is how often they are counted. What starts processes without end starts some 50 meanwhile.
	countEvery = 5 * time.Millisecond
)

// attempt is a test on its way.
type attempt struct {
	Host
	order   Order
	process sandbox.Process
	ready   readiness
	// installed is the Jina in the image; nil where there is none.
	installed *jina.Installation
	// ends says that the process must end by itself once it is ready.
	ends bool

	running *sandbox.Running
	ended   chan struct{}
	end     error // once ended is closed
	printed *lines
	outcome Outcome
}

// Run tries an image whose file system is the root of a process that has no arguments yet. Its error is that of the machine.
func Run(ctx context.Context, o Order, p sandbox.Process, h Host) (*Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &attempt{Host: h, order: o, process: p, printed: &lines{to: h.Output, pattern: o.Test.Ready.Log}, ended: make(chan struct{})}
	if err := a.prepare(); err != nil || a.outcome.NotApplicable != "" || a.outcome.Problem != "" {
		return &a.outcome, err
	}
	a.process.Stdout, a.process.Stderr = a.printed, a.printed
	a.process.Limits.Processes = limitThreads
	began, before := time.Now(), threads()
	var err error
	if a.running, err = a.Start(ctx, a.process); err != nil {
		return a.notStarted(err)
	}
	go func() {
		a.end = a.running.Wait()
		close(a.ended)
	}()
	exceeded := a.count(before)
	err = a.watch(ctx, began)
	a.Kill(a.running)
	<-a.ended
	if <-exceeded {
		a.outcome.Problem = fmt.Sprintf("more than %d processes and threads were started while it ran, which is the limit, and it was killed", maxThreads)
	}
	if a.outcome.Problem != "" {
		a.outcome.Last = a.printed.last()
	}
	return &a.outcome, err
}

// prepare finds out what is started, and how it is seen that it is ready.
func (a *attempt) prepare() error {
	test, image := a.order.Test, a.order.Image
	command := slices.Concat(image.Entrypoint, image.Command)
	switch {
	case len(test.Command) > 0:
		command = test.Command
	case len(test.Arguments) > 0:
		command = slices.Concat(image.Entrypoint, test.Arguments)
	}
	a.process.Env = append(a.process.Env, test.Variables()...)
	a.installed = jina.Find(a.process.Root, searchPath(a.process.Env))
	a.ready = a.readiness()
	basic := len(test.Command) == 0 && len(test.Arguments) == 0
	if basic && (test.Name == usage.CLI || test.Name == usage.Flow) {
		if a.installed == nil {
			a.outcome.NotApplicable = "there is no `jina` in its PATH"
			return nil
		}
		if test.Name == usage.CLI {
			return a.prepareCLI()
		}
		return a.prepareFlow(command)
	}
	if len(command) == 0 {
		a.outcome.Problem = "it has neither an entry point nor a command, so that there is nothing to start"
	}
	a.process.Args = command
	return nil
}

// prepareCLI puts behind the entry point what Jina puts there.
func (a *attempt) prepareCLI() error {
	if len(a.order.Image.Entrypoint) == 0 {
		a.outcome.Problem = "it has no ENTRYPOINT, behind which Jina puts the ports; write ENTRYPOINT instead of CMD"
		return nil
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	of := jina.Ports{In: ports[0], Out: ports[1], Control: ports[2]}
	if a.order.Test.Ready == (usage.Ready{}) {
		a.ready = &controlled{asked: asked{jina: true}, ports: of}
	}
	a.process.Args = slices.Concat(a.order.Image.Entrypoint, jina.Arguments(of))
	return nil
}

// prepareFlow makes a flow of the executor that the entry point names.
func (a *attempt) prepareFlow(command []string) error {
	if a.installed.Interpreter == nil {
		a.outcome.NotApplicable = a.installed.Program + " is not a Python script, so that there is no Python to make a flow with"
		return nil
	}
	args, err := a.installed.Flow(command, a.has("config.yml"))
	if err != nil {
		a.outcome.NotApplicable = err.Error()
		return nil
	}
	a.process.Args, a.ends = args, true
	if a.order.Test.Ready == (usage.Ready{}) {
		a.ready, a.printed.pattern = flowReady{}, flowPattern
	}
	return nil
}

// has reports whether there is such a file, in the working directory unless the path is absolute.
func (a *attempt) has(name string) bool {
	if !filepath.IsAbs(name) {
		name = filepath.Join("/", a.process.Dir, name)
	}
	file, err := continuity.RootPath(a.process.Root, name)
	if err != nil {
		return false
	}
	_, err = os.Lstat(file)
	return err == nil
}

// searchPath is the last PATH of an environment.
func searchPath(env []string) (value string) {
	for _, variable := range env {
		if v, ok := strings.CutPrefix(variable, "PATH="); ok {
			value = v
		}
	}
	return value
}

// notStarted tells of a program that could not be executed.
func (a *attempt) notStarted(err error) (*Outcome, error) {
	var exit *sandbox.ExitError
	if !errors.As(err, &exit) {
		return nil, err
	}
	a.outcome.Problem = fmt.Sprintf("`%s` cannot be started: %s", short(strings.Join(a.process.Args, " ")), strings.TrimPrefix(strings.TrimPrefix(exit.Reason, "exec: "), "exec "))
	if i := a.installed; i != nil && len(i.Interpreter) > 0 && strings.Contains(exit.Reason, i.Program+":") && !a.has(i.Interpreter[0]) {
		a.outcome.Problem += fmt.Sprintf("; it is a script for %s, which is not in the image", i.Interpreter[0])
	}
	return &a.outcome, nil
}

// short cuts what could be long.
func short(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
