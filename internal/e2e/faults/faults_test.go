//go:build e2e

package faults

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/report"
)

// atOnce is how many disturbed publications run at a time: most of them wait.
const atOnce = 12

// faults are what a registry and the network to it do.
var faults = []faulty.Fault{
	faulty.TooMany("1"), faulty.Unavailable(), faulty.ServerError(), faulty.BadGateway(), faulty.Reset(), faulty.ResetAfter(), faulty.Half(),
	faulty.Slow(2 * pace.Answer), faulty.Stall(), faulty.Expired(), faulty.Skewed(pace.First),
}

// undisturbed is what a publication leaves, and how many requests it takes.
func undisturbed(t *testing.T, registry, dir, head string) (left string, requests int) {
	t.Helper()
	w := newWorld(t, registry, dir, head)
	if _, err := w.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.tags(t), len(w.proxy.Requests())
}

// again runs a publication once more, without a fault, and holds the registry against what an undisturbed one leaves.
func (w *world) again(t *testing.T, want string) error {
	result, err := w.run(t.Context())
	if err != nil {
		return fmt.Errorf("run again: %w", err)
	}
	for _, b := range result.Bundles {
		if b.Status != report.Unchanged && b.Status != report.Published {
			return fmt.Errorf("run again: %s is %s", b.Path, b.Status)
		}
	}
	if got := w.tags(t); got != want {
		return fmt.Errorf("the registry has\n%s\nwant\n%s", got, want)
	}
	return nil
}

// TestFaults lets each fault happen at each request. The publication gets over it by itself.
func TestFaults(t *testing.T) {
	dir, head := newHub(t)
	want, requests := undisturbed(t, registry(t), dir, head)
	for _, fault := range faults {
		t.Run(fault.String(), func(t *testing.T) {
			registry := registry(t) // the memory of one gets slower the more there is in it
			each(t, requests, func(n int) (reached bool) {
				w := newWorld(t, registry, dir, head, faulty.At(n, fault))
				defer w.server.Close()
				_, err := w.run(t.Context())
				if len(w.proxy.Requests()) < n {
					return false // this one got by with fewer
				}
				if err != nil {
					t.Errorf("at request %d (%s): %v", n, w.proxy.Requests()[n-1], err)
				}
				if err := w.again(t, want); err != nil {
					t.Errorf("at request %d (%s): %v", n, w.proxy.Requests()[n-1], err)
				}
				return true
			})
		})
	}
}

// TestKilled kills the program before and after each request. The next run completes what it has left.
func TestKilled(t *testing.T) {
	dir, head := newHub(t)
	want, requests := undisturbed(t, registry(t), dir, head)
	for when, place := range map[string]func(func(int, *http.Request)) faulty.Option{"before": faulty.Before, "after": faulty.After} {
		t.Run(when, func(t *testing.T) {
			registry := registry(t)
			each(t, requests, func(n int) (reached bool) {
				k := killer{at: n}
				w := newWorld(t, registry, dir, head, place(k.hook))
				defer w.server.Close()
				if err := k.run(t.Context(), w, t.TempDir()); err != nil {
					t.Error(err)
				}
				if !k.killed() {
					return false // this one got by with fewer
				}
				if err := w.again(t, want); err != nil {
					t.Errorf("at request %d (%s): %v", n, w.proxy.Requests()[n-1], err)
				}
				return true
			})
		})
	}
}

// each disturbs a publication at each of its requests. Now and then one takes fewer, but not often.
func each(t *testing.T, requests int, disturb func(n int) (reached bool)) {
	t.Helper()
	var cases atomic.Int64
	var group errgroup.Group
	group.SetLimit(atOnce)
	for n := 1; n <= requests; n++ {
		group.Go(func() error {
			if disturb(n) {
				cases.Add(1)
			}
			return nil
		})
	}
	_ = group.Wait()
	t.Logf("%d requests, %d cases", requests, cases.Load())
	if least := int64(requests * 9 / 10); cases.Load() < least {
		t.Errorf("only %d cases were reached; there should be %d", cases.Load(), least)
	}
}

// killer kills a process at a request.
type killer struct {
	at      int
	mutex   sync.Mutex
	process *exec.Cmd
	done    bool
}

// hook is called by the proxy.
func (k *killer) hook(n int, _ *http.Request) {
	if n != k.at {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.process != nil {
		k.done = k.process.Process.Kill() == nil
	}
}

func (k *killer) killed() bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.done
}

// run publishes in a process of its own, to the end that it comes to.
func (k *killer) run(ctx context.Context, w *world, temp string) error {
	c := w.command(ctx)
	c.Env = append(c.Env, "TMPDIR="+temp) // who is killed does not tidy up
	k.mutex.Lock()
	err := c.Start()
	k.process = c
	k.mutex.Unlock()
	if err != nil {
		return err
	}
	if err := c.Wait(); err != nil && !k.killed() {
		return fmt.Errorf("publish: %w", err)
	}
	// The registry may still be at what it was asked before the end.
	k.mutex.Lock()
	k.process = nil
	k.mutex.Unlock()
	return nil
}
