//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The runner cancels a step with SIGINT, after 7.5 s SIGTERM, and after 2.5 s more SIGKILL, all sent to the docker
// command (actions/runner, ProcessInvoker).
const (
	untilTerminated = 7500 * time.Millisecond
	untilKilled     = 2500 * time.Millisecond
)

// endings are how a step can end before its time.
var endings = []struct {
	name string
	// end ends a running action, whose container has a name.
	end func(t *testing.T, a *running, container string)
}{
	{"cancelled", func(t *testing.T, a *running, _ string) {
		a.signal(t, syscall.SIGINT)
		if a.ended(untilTerminated) {
			return
		}
		t.Errorf("it did not end on SIGINT\n%s", a.output())
		a.signal(t, syscall.SIGTERM)
		if !a.ended(untilKilled) {
			a.signal(t, syscall.SIGKILL)
		}
	}},
	{"killed", func(t *testing.T, a *running, container string) { docker(t, "kill", container) }},
}

// However a step ends, nothing stays behind on the runner.
func TestEnd(t *testing.T) {
	t.Parallel()
	events := followDaemon(t)
	inEachPlace(t, func(t *testing.T, p place) {
		for _, ending := range endings {
			t.Run(ending.name, func(t *testing.T) {
				t.Parallel()
				h, path, _ := endlessHub(t)
				container := fmt.Sprintf("e2e-%08x", rand.Uint32())
				a := start(t, exec.Command("docker", p.dockerRun(t, h.dir, []string{"--name", container}, []string{"build", "--isolation", p.input, "--plain-http", registry(t), path})...))
				a.expect(t, endlessRuns)
				expectIsolation(t, a.output(), p)
				if besides, expected := events.besides(container), p.isolation == "sibling"; (len(besides) == 1) != expected {
					t.Errorf("containers beside the action: %q", besides)
				}
				ending.end(t, a, container)
				if !a.ended(10 * time.Second) {
					t.Fatalf("it did not end\n%s", a.output())
				}
				if a.cmd.ProcessState.Success() {
					t.Errorf("exit status 0\n%s", a.output())
				}
				events.expectNothingLeft(t, container)
				if changed := h.git("status", "--porcelain"); changed != "" {
					t.Errorf("the workspace changed: %s", changed)
				}
			})
		}
	})
}

// The same at a terminal on this machine, whose temporary directory is not the action's alone.
func TestEndAtTerminal(t *testing.T) {
	t.Parallel()
	binary := program(t)
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(end.String(), func(t *testing.T) {
			t.Parallel()
			h, path, sleeper := endlessHub(t)
			temp := t.TempDir()
			cmd := exec.Command(binary, "build", "--isolation", "sandbox", "--plain-http", registry(t), path)
			cmd.Dir = h.dir
			cmd.Env = append(plainEnvironment(), "TMPDIR="+temp, "XDG_CACHE_HOME="+t.TempDir())
			a := start(t, cmd)
			a.expect(t, endlessRuns)
			a.signal(t, end)
			if !a.ended(untilTerminated) {
				t.Fatalf("it did not end\n%s", a.output())
			}
			if a.cmd.ProcessState.Success() {
				t.Errorf("exit status 0\n%s", a.output())
			}
			var left []string
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if left = append(processes(t, sleeper), mounts(t, temp)...); len(left) == 0 {
					break
				}
			}
			// A program that is killed removes no files.
			if end != syscall.SIGKILL {
				left = append(left, files(t, temp)...)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// endlessRuns is printed by an instruction that has begun and does not end; the instruction itself does not spell it.
const endlessRuns = "begun 42"

// endlessHub is a hub with a bundle whose build does not end by itself, and a word of the command line that runs then.
func endlessHub(t *testing.T) (h *hub, path, sleeper string) {
	t.Helper()
	h = newHub(t)
	b := newBundle(t, "EndlessEncoder", "0.0.1")
	sleeper = fmt.Sprintf("%d.%d", 1000, rand.Uint32())
	b.dockerfile = lines(
		"FROM "+baseImage(t),
		"COPY . /workspace",
		"RUN echo begun $((6 * 7)); sleep "+sleeper+" & sleep "+sleeper,
	)
	h.add(b)
	h.commit("feat: add an encoder")
	return h, b.path(), sleeper
}

// running is a program that was started.
type running struct {
	cmd   *exec.Cmd
	done  chan struct{}
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write implements io.Writer, for what the program prints.
func (r *running) Write(p []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.Write(p)
}

func (r *running) output() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.String()
}

// start starts a program, which ends with the test.
func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = r, r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = cmd.Wait() // the test looks at the state
	}()
	t.Cleanup(func() {
		if !r.ended(0) {
			_ = cmd.Process.Kill()
			<-r.done
		}
	})
	return r
}

func (r *running) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the program's end, for so long.
func (r *running) ended(within time.Duration) bool {
	select {
	case <-r.done:
		return true
	case <-time.After(within):
		return false
	}
}

// expect waits until the program prints something.
func (r *running) expect(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if strings.Contains(r.output(), text) {
			return
		}
		if r.ended(50 * time.Millisecond) {
			break
		}
	}
	t.Fatalf("it does not print %q\n%s", text, r.output())
}

// processes are those of this machine with a word in their command line.
func processes(t *testing.T, word string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range all {
		// A process that has gone in the meantime is none.
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(word)) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

// mounts are those below a directory, in this process's name space or another's.
func mounts(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range all {
		text, _ := os.ReadFile(path) // a process that has gone in the meantime has none
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, dir) {
				found = append(found, line)
			}
		}
	}
	return found
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, filepath.Join(dir, entry.Name()))
	}
	return names
}
