package builder_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
)

// surroundings gives the test a directory for temporary files of its own, and at its end checks that nothing is left: no
// file, no process, no mount, no goroutine. Who uses it cannot run beside others.
func surroundings(t *testing.T) (tmp string) {
	t.Helper()
	buildertest.RequireSandbox(t)
	tmp = t.TempDir()
	t.Setenv("TMPDIR", tmp)
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if entries, err := os.ReadDir(tmp); err != nil || len(entries) > 0 {
			t.Errorf("the directory for temporary files holds %v, %v", entries, err)
		}
		if found := processesWith(tmp); len(found) > 0 {
			t.Errorf("there are still %v", found)
		}
		if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), tmp) {
			t.Errorf("something is still mounted: %v\n%s", err, mounts)
		}
		// Connections to the registry that wait for another request have two goroutines each.
		for range 100 {
			if runtime.NumGoroutine() <= before+6 {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("there were %d goroutines, and are %d:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	})
	return tmp
}

// workers are the process ids of the workers whose directories are below tmp.
func workers(t *testing.T, tmp string) (pids []int) {
	t.Helper()
	for _, found := range processesWith(tmp) {
		pid, err := strconv.Atoi(strings.Split(found, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// TestCancel stops builds from outside, each at another place.
func TestCancel(t *testing.T) {
	storage := newRegistry()
	for name, test := range map[string]struct {
		files string
		// begun is in what the build has told when it is stopped; empty where a blob is asked for.
		begun string
	}{
		"during RUN":         {"ARG BASE\nFROM $BASE\nRUN echo begun && (attempt stay marker-of-TestCancel &) && attempt sleep\n", "begun"},
		"during a pull":      {"ARG SLOW\nFROM $SLOW\nCOPY Dockerfile /\n", ""},
		"during compression": {"ARG BASE\nFROM $BASE\nCOPY large /\nRUN echo begun && attempt sleep\n", "begun"},
	} {
		t.Run(name, func(t *testing.T) {
			surroundings(t)
			registry := newFaulty(t, storage)
			img := imageOf(t, []entry{file("large", noise(1<<20))})
			layer := layerDigest(t, img)
			slow, err := push(registry.Server, "slow", img)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			var stopped time.Time
			stop := sync.OnceFunc(func() {
				stopped = time.Now()
				cancel(errors.New("the user gave up"))
			})
			if test.begun == "" {
				registry.fault(times(-1, func(r *http.Request) bool {
					return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, layer.String())
				},
					func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Length", strconv.Itoa(len(blobOf(t, img))))
						_, _ = w.Write(make([]byte, 1000))
						w.(http.Flusher).Flush()
						time.AfterFunc(100*time.Millisecond, stop)
						<-r.Context().Done()
					}))
			}
			b := openBuilder(t, func(o *builder.Options) { o.BuildArgs = append(o.BuildArgs, "SLOW="+slow) })
			dir := t.TempDir()
			writeFiles(t, dir, "-- Dockerfile --\n"+test.files)
			if name == "during compression" {
				if err := os.WriteFile(filepath.Join(dir, "large"), []byte(noise(48<<20)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r := &recorder{printed: func(text string) {
				if strings.Contains(text, test.begun) {
					stop()
				}
			}}
			_, err = b.Build(ctx, builder.Request{Context: contextOf(t, b, dir), Progress: r})
			took := time.Since(stopped)
			wantFailure(t, err, 0, "the user gave up")
			if stopped.IsZero() || took > 5*time.Second {
				t.Errorf("stopped at %s, the build took %s to end", stopped, took)
			}
			if found := processesWith("marker-of-TestCancel"); len(found) > 0 {
				t.Errorf("there are still %v", found)
			}
			if _, _, err := buildFiles(t, b, "-- Dockerfile --\nFROM scratch\nCOPY Dockerfile /\n"); err != nil {
				t.Errorf("the builder is of no use afterwards: %v", err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWorkerKilled kills the worker while it runs a command.
func TestWorkerKilled(t *testing.T) {
	tmp := surroundings(t)
	b := openBuilder(t, nil)
	r := &recorder{printed: func(string) {
		for _, pid := range workers(t, tmp) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}}
	dir := t.TempDir()
	writeFiles(t, dir, shellRun("(attempt stay marker-of-TestWorkerKilled &) && echo begun && attempt sleep"))
	start := time.Now()
	_, err := b.Build(t.Context(), builder.Request{Context: contextOf(t, b, dir), Progress: r})
	if err == nil || !strings.HasPrefix(err.Error(), "the worker died") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	if _, _, err := buildFiles(t, b, "-- Dockerfile --\nFROM scratch\nCOPY Dockerfile /\n"); err == nil || !strings.Contains(err.Error(), "the worker") {
		t.Errorf("a build without a worker gives %v", err)
	}
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Close gives %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if found := processesWith("marker-of-TestWorkerKilled"); len(found) > 0 {
		t.Errorf("there are still %v", found)
	}
}

func TestCloseWithoutBuild(t *testing.T) {
	surroundings(t)
	one, two := openBuilder(t, nil), openBuilder(t, nil)
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
}

// TestManyBuilds uses one builder for many builds. What it keeps of each goes with Forget.
func TestManyBuilds(t *testing.T) {
	tmp := surroundings(t)
	b := openBuilder(t, nil)
	other := openBuilder(t, nil)
	dir := t.TempDir()
	writeFiles(t, dir, "-- Dockerfile --\nARG BASE\nFROM $BASE AS test\nRUN echo tested\nFROM $BASE\nCOPY large /\nRUN --mount=type=cache,target=/cache cat /large > /cache/large && cat /large > /copy\n")
	if err := os.WriteFile(filepath.Join(dir, "large"), []byte(noise(1<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func(b *builder.Builder, forget bool) error {
		img, r, err := buildDir(t.Context(), t, b, dir)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, r.output.String())
		}
		if forget {
			return b.Forget(img)
		}
		return nil
	}
	if err := build(b, true); err != nil {
		t.Fatal(err)
	}
	before := entriesBelow(tmp)
	for range 20 {
		if err := build(b, true); err != nil {
			t.Fatal(err)
		}
	}
	errs := make(chan error)
	for range 8 {
		go func() { errs <- build(b, true) }()
	}
	go func() { errs <- build(other, false) }()
	for range 9 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	// The other builder's own directories went with it.
	if after := entriesBelow(tmp); len(after) > len(before) {
		t.Errorf("%d files and directories were there before, now %d: %s", len(before), len(after), strings.Join(after, "\n"))
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func entriesBelow(dir string) (paths []string) {
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		paths = append(paths, path)
		return nil
	})
	return paths
}
