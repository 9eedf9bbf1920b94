package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/sandbox"
)

// TestKilled: when the context ends, the process and what it left behind die at once.
func TestKilled(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	ctx, stop := context.WithCancelCause(context.Background())
	p := process(root, "sleep")
	printed, writer := io.Pipe()
	p.Stdout = writer
	running, err := p.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(printed).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	go io.Copy(io.Discard, printed)
	reason := errors.New("enough")
	began := time.Now()
	stop(reason)
	if err := running.Wait(); !errors.Is(err, reason) {
		t.Errorf("got %v, want the reason", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestOrphans: a daemon of its own session, with the output open, does not outlive the first process.
func TestOrphans(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	began := time.Now()
	mustOutput(t, process(root, "orphan"))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s: something held the output", took)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		program string
		signal  syscall.Signal
		want    *sandbox.ExitError
	}{
		"handled": {"handle", unix.SIGTERM, nil},
		"killed":  {"sleep", unix.SIGKILL, &sandbox.ExitError{Status: 137, Signal: unix.SIGKILL}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, _ := newRoot(t)
			p := process(root, tt.program)
			printed, writer := io.Pipe()
			p.Stdout = writer
			running, err := p.Start(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(printed).ReadString('\n'); line != "ready\n" {
				t.Fatal(line, err)
			}
			go io.Copy(io.Discard, printed)
			own, err := os.Readlink("/proc/self/ns/net")
			if err != nil {
				t.Fatal(err)
			}
			if net, err := os.Readlink(filepath.Join("/proc", itoa(running.PID()), "ns/net")); err != nil || net == own {
				t.Errorf("network namespace %s (%v), want another than %s", net, err, own)
			}
			if err := running.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			var exit *sandbox.ExitError
			if err := running.Wait(); tt.want == nil && err != nil || tt.want != nil && (!errors.As(err, &exit) || *exit != *tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
