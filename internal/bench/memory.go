package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// processes are those whose memory counts, beside all that this process starts.
type processes struct {
	// self is this process.
	self bool
	// daemon is the name of a daemon, with all that it starts.
	daemon string
	// containers are the processes in Docker's containers, but not Docker's own daemons: they are the runner's.
	containers bool
}

// period is the time between two looks at the memory.
const period = 20 * time.Millisecond

// watch follows the memory of processes. peak ends that, and is the most there was at a time, in bytes: the sum of each
// one's proportional share (PSS), so that what several of them share counts once.
func watch(p processes) (peak func() int64) {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				result <- most
				return
			case <-ticker.C:
				most = max(most, p.memory())
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}

// memory is the processes' memory now, in bytes. A process that goes meanwhile has none.
func (p processes) memory() int64 {
	children, roots := map[int][]int{}, []int{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, _ := os.ReadFile(dir + "/stat")
		// PID (NAME) STATE PARENT …: proc_pid_stat(5)
		before, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
		if p.daemon != "" && strings.HasSuffix(before, "("+p.daemon) || p.containers && inContainer(dir) {
			roots = append(roots, pid)
		}
	}
	roots = append(roots, children[os.Getpid()]...)
	if p.self {
		roots = append(roots, os.Getpid())
	}
	counted := map[int]bool{}
	var sum int64
	for len(roots) > 0 {
		pid := roots[0]
		roots = roots[1:]
		if !counted[pid] {
			counted[pid] = true
			sum += share(pid)
			roots = slices.Concat(roots, children[pid])
		}
	}
	return sum
}

func inContainer(dir string) bool {
	groups, _ := os.ReadFile(dir + "/cgroup")
	return bytes.Contains(groups, []byte("/docker"))
}

// share is a process's proportional share of memory, in bytes.
func share(pid int) int64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
