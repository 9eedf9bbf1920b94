package processes_test

import (
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"github.com/jina/hub-publish/internal/processes"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "tcp"} {
		listener, err := net.Listen(network, ":0")
		if err != nil {
			if network == "tcp6" {
				continue // a machine may have no IPv6
			}
			t.Fatal(err)
		}
		defer listener.Close()
		port := listener.Addr().(*net.TCPAddr).Port
		ports, err := processes.Ports([]int{os.Getpid(), 1 << 22})
		if err != nil || !slices.Contains(ports, port) || !slices.IsSorted(ports) {
			t.Errorf("%s: the ports are %v (%v), want %d among them", network, ports, err, port)
		}
		if ports, err := processes.Ports([]int{os.Getppid()}); err != nil || slices.Contains(ports, port) {
			t.Errorf("%s: another process listens on %v (%v)", network, ports, err)
		}
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	shell := exec.Command("sh", "-c", "sleep 1000 & sleep 1000")
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer shell.Wait()
	defer syscall.Kill(-shell.Process.Pid, syscall.SIGKILL)
	for len(mustBelow(t, shell.Process.Pid)) < 2 { // until the shell has started both
	}
	if all := mustBelow(t, os.Getpid()); len(all) < 3 || !slices.Contains(all, shell.Process.Pid) || slices.Contains(all, os.Getpid()) {
		t.Errorf("below this process are %v", all)
	}
}

func mustBelow(t *testing.T, pid int) []int {
	t.Helper()
	pids, err := processes.Below(pid)
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestHandles(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	for number, want := range map[syscall.Signal]processes.Disposition{
		syscall.SIGUSR1: processes.Caught, syscall.SIGUSR2: processes.Ignored, syscall.SIGSTOP: processes.Default,
	} {
		if got := processes.Handles(os.Getpid(), number); got != want {
			t.Errorf("%s: %d, want %d", number, got, want)
		}
	}
	if got := processes.Handles(1<<22, syscall.SIGTERM); got != processes.Default {
		t.Errorf("no process: %d", got)
	}
}
