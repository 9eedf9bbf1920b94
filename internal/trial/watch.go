package trial

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/moby/sys/signal"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/processes"
	"github.com/jina/hub-publish/internal/sandbox"
)

// watch follows the process from its start to its end.
func (a *attempt) watch(ctx context.Context, began time.Time) error {
	ready, err := a.untilReady(ctx, began)
	if err != nil || !ready {
		return err
	}
	a.outcome.Ready = time.Since(began)
	switch _, over := a.ready.(exits); {
	case over:
		a.outcome.End = ended(a.end)
	case a.ends:
		return a.untilEnd(ctx)
	case a.isEnded(settle):
		a.outcome.End = ended(a.end)
		a.outcome.Problem = fmt.Sprintf("it was ready after %s, but did not stay alive: it ended with %s", seconds(a.outcome.Ready), a.outcome.End)
	default:
		return a.stop(ctx)
	}
	return nil
}

// untilReady reports whether the process became ready in time; if it did not, the outcome says so.
func (a *attempt) untilReady(ctx context.Context, began time.Time) (bool, error) {
	timeout := time.NewTimer(a.order.Test.Timeout)
	defer timeout.Stop()
	for look := firstLook; ; look = min(longestLook, look*5/4) {
		late := false
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-timeout.C:
			late = true
		case <-a.ended:
		case <-time.After(look):
		}
		done := a.isEnded(0)
		pids, err := processes.Below(a.Top(a.running))
		if err != nil {
			return false, err
		}
		if a.First {
			pids = append(pids, a.running.PID())
		}
		switch ready, instead := a.ready.look(ctx, a, pids, time.Since(began)); {
		case ready:
			return true, nil
		case done:
			a.outcome.End = ended(a.end)
			a.outcome.Problem = fmt.Sprintf("it was expected %s; it ended after %s with %s", a.ready.expected(), seconds(time.Since(began)), a.outcome.End)
			return false, nil
		case late:
			a.outcome.Problem = fmt.Sprintf("it was expected %s within %s; %s", a.ready.expected(), a.order.Test.Timeout, instead)
			return false, nil
		}
	}
}

// isEnded reports whether the process ends within a time.
func (a *attempt) isEnded(within time.Duration) bool {
	if within == 0 {
		select {
		case <-a.ended:
			return true
		default:
			return false
		}
	}
	select {
	case <-a.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// untilEnd waits for the end of a process that is to end by itself.
func (a *attempt) untilEnd(ctx context.Context) error {
	began := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-a.ended:
		a.outcome.Stop, a.outcome.End = time.Since(began), ended(a.end)
		if a.end != nil {
			a.outcome.Problem = fmt.Sprintf("it was ready after %s and was expected to end with exit status 0; it ended with %s", seconds(a.outcome.Ready), a.outcome.End)
		}
	case <-time.After(stopWithin):
		a.outcome.Stop = stopWithin
		a.outcome.Problem = fmt.Sprintf("it was ready after %s, but did not end within %s", seconds(a.outcome.Ready), stopWithin)
	}
	return nil
}

// stop sends the stop signal and waits for the end.
func (a *attempt) stop(ctx context.Context) error {
	name := a.order.Image.StopSignal
	if name == "" {
		name = "SIGTERM" // Docker's default
	}
	number, err := signal.ParseSignal(name)
	if err != nil {
		a.outcome.Problem = fmt.Sprintf("its STOPSIGNAL %q is no signal", short(name))
		return nil
	}
	began := time.Now()
	send := number
	if a.First && processes.Handles(a.running.PID(), number) == processes.Default && ends(number) {
		// The kernel keeps it from the first process of a namespace, which the image's entry point is here. Where it is not, as
		// with `docker run --init` or in a pod that shares its processes, the signal ends it.
		send = syscall.SIGKILL
	}
	if err := a.running.Signal(send); err != nil && !a.isEnded(settle) {
		return fmt.Errorf("send %s: %w", name, err)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-a.ended:
		a.outcome.Stop, a.outcome.End = time.Since(began), ended(a.end)
		if send != number {
			a.outcome.End = ended(&sandbox.ExitError{Signal: number})
		}
	case <-time.After(stopWithin):
		a.outcome.Stop = stopWithin
		a.outcome.Problem = fmt.Sprintf("it was ready after %s, but did not stop within %s after the signal %s, and was killed; let it end when it gets that signal, or start what does with `exec`",
			seconds(a.outcome.Ready), stopWithin, name)
	}
	return nil
}

// ends reports whether a signal without a handler ends a process: signal(7), "Standard signals".
func ends(number syscall.Signal) bool {
	switch number {
	case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return false
	}
	return true
}

// count kills the process once there are too many threads more than before, and tells at its end whether it did. All threads of the machine are
// counted: that is one call, whereas a look at each process takes longer the more there are, and who starts them gets the
// processors meanwhile.
func (a *attempt) count(before int) (exceeded <-chan bool) {
	result := make(chan bool, 1)
	go func() {
		ticker := time.NewTicker(countEvery)
		defer ticker.Stop()
		for {
			select {
			case <-a.ended:
				result <- false
				return
			case <-ticker.C:
				if threads()-before > maxThreads {
					a.Kill(a.running)
					result <- true
					return
				}
			}
		}
	}()
	return result
}

// threads is how many threads the machine has.
func threads() int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int(info.Procs)
}

// ended says how a process ended.
func ended(err error) string {
	var exit *sandbox.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.Error()
	default:
		return "an error: " + err.Error()
	}
}

// seconds shows a time as people read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
