// Package frugal holds what a test does to bounds of time and memory; only tests use it. Under the race detector, which takes
// several times as much of both, they mean nothing.
package frugal

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// Within fails the test where something takes longer than most, or more memory than room in bytes. What else runs at the same
// time would count too: a test that asks it is not parallel.
func Within(t testing.TB, most time.Duration, room uint64, do func()) {
	t.Helper()
	runtime.GC()
	before, peak := heap(), uint64(0)
	// Garbage is collected before it fills the room, so that what is measured is what is in use.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(before + room/2)))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, heap())
			}
		}
	}()
	start := time.Now()
	defer func() {
		took := time.Since(start)
		close(stop)
		<-stopped
		t.Logf("%v, %d MiB", took.Round(time.Millisecond), (peak-min(peak, before))>>20)
		if took > most {
			t.Errorf("it took %v; the bound is %v", took, most)
		}
		if peak > before+room {
			t.Errorf("the heap grew by %d MiB; the bound is %d", (peak-before)>>20, room>>20)
		}
	}()
	do()
}

// heap is what the objects on the heap take, with those that are garbage but not swept.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
