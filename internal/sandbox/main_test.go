package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/shellimage"
	"github.com/jina/hub-publish/internal/user"
)

const (
	// workerRole is the name by which the test program runs its tests as a worker.
	workerRole = "sandbox-test-worker"
	// sleepRole is that of a worker with one process in a sandbox that never ends.
	sleepRole = "sandbox-test-sleep"
	// program is where the test program is in a root. There it is one of the programs that the tests run.
	program = "/bin/t"
)

// refused says why this machine has no sandbox.
var refused error

// TestMain runs the tests in a worker: what they mount is seen by nobody else.
func TestMain(m *testing.M) {
	sandbox.RunChild()
	switch os.Args[0] {
	case program, "t":
		os.Exit(runProgram(os.Args[1], os.Args[2:]))
	case workerRole:
		if err := sandbox.EnterWorker(); err != nil {
			panic(err)
		}
		os.Exit(runTests(m))
	case sleepRole:
		panic(sleep(os.Args[1]))
	}
	if refused = sandbox.Probe(os.TempDir()); refused != nil {
		os.Exit(m.Run())
	}
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = workerRole
	c.Env = os.Environ()
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := sandbox.StartWorker(c)
	if err == nil {
		err = c.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		panic(err)
	}
	os.Exit(c.ProcessState.ExitCode())
}

// sleep comes back only if it cannot run the process.
func sleep(root string) error {
	if err := sandbox.EnterWorker(); err != nil {
		return err
	}
	p := process(root, "sleep")
	p.Stdout = os.Stdout
	return p.Run(context.Background())
}

// lower is the read-only layer of every root.
var lower string

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	lower = dir
	if err := fillLower(); err != nil {
		panic(err)
	}
	return m.Run()
}

func fillLower() error {
	if err := os.Chmod(lower, 0o755); err != nil {
		return err
	}
	for _, d := range []string{"bin", "etc", "tmp", "home/ann"} {
		if err := os.MkdirAll(filepath.Join(lower, d), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n", "bin/text": "no program\n", "bin/script": "#!/bin/missing\n",
	} {
		if err := os.WriteFile(filepath.Join(lower, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(lower, "tmp"), 0o1777), os.WriteFile(filepath.Join(lower, "bin/data"), nil, 0o644)); err != nil {
		return err
	}
	linked, err := shellimage.Linked()
	if err != nil {
		return err
	}
	for _, path := range linked {
		if err := copyToLower(path, path); err != nil {
			return err
		}
	}
	return copyToLower("/proc/self/exe", program)
}

func copyToLower(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	to = filepath.Join(lower, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	return errors.Join(err, copied.Close())
}

// requireSandbox skips the test on a machine without namespaces. With the variable, which CI sets, it fails instead.
func requireSandbox(t testing.TB) {
	t.Helper()
	if refused != nil {
		needs.Missing(t, refused)
	}
}

// newRoot mounts an overlay with the test program, and returns it and its upper directory.
func newRoot(t testing.TB) (root, upper string) {
	t.Helper()
	requireSandbox(t)
	dir := t.TempDir()
	root, upper = filepath.Join(dir, "root"), filepath.Join(dir, "upper")
	for _, d := range []string{root, upper, filepath.Join(dir, "work")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s/work", lower, upper, dir)
	if rootless() {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A process that another test starts at this moment has what is open here open too, until it is that test's program.
		err := unix.Unmount(root, 0)
		for begin := time.Now(); err == unix.EBUSY && time.Since(begin) < 5*time.Second; err = unix.Unmount(root, 0) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return root, upper
}

// rootless tells whether this worker is in a user namespace.
func rootless() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		panic(err)
	}
	return strings.Fields(string(text))[2] != "4294967295"
}

// buffer keeps what two writers print.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// process is one of the test program's, in a root.
func process(root, name string, args ...string) sandbox.Process {
	return sandbox.Process{Root: root, Args: append([]string{program, name}, args...), User: user.Root()}
}

// output runs a process and returns what it printed.
func output(t testing.TB, p sandbox.Process) (string, error) {
	t.Helper()
	var b buffer
	p.Stdout, p.Stderr = &b, &b
	err := p.Run(context.Background())
	return b.String(), err
}

// mustOutput is output of a process that must end well.
func mustOutput(t testing.TB, p sandbox.Process) string {
	t.Helper()
	text, err := output(t, p)
	if err != nil {
		t.Fatalf("%q: %v\n%s", p.Args, err, text)
	}
	return text
}
