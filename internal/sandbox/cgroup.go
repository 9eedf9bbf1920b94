package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where systems mount control groups.
const cgroupRoot = "/sys/fs/cgroup"

// limitProcesses puts a process into a control group with at most so many processes. remove takes the group away when
// the process has ended. byUser says that there can be no such group here: the limit must be the user's.
func limitProcesses(pid int, most int64) (remove func(), byUser bool) {
	for _, parent := range pidsGroups() {
		group := filepath.Join(parent, fmt.Sprintf("hub-publish-%d", pid))
		if err := os.Mkdir(group, 0o755); err != nil {
			continue
		}
		err := os.WriteFile(filepath.Join(group, "pids.max"), []byte(strconv.FormatInt(most, 10)), 0o644)
		if errors.Is(err, os.ErrNotExist) {
			// Version 2: the parent must hand the controller down first. It cannot if there are processes in it.
			_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+pids"), 0o644)
			err = os.WriteFile(filepath.Join(group, "pids.max"), []byte(strconv.FormatInt(most, 10)), 0o644)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
		}
		if err == nil {
			return func() { removeGroup(group) }, false
		}
		removeGroup(group)
	}
	return func() {}, true
}

// removeGroup removes a control group. It is busy for a moment after its last process has ended.
func removeGroup(group string) {
	for try := 0; try < 50; try++ {
		if err := unix.Rmdir(group); !errors.Is(err, unix.EBUSY) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// pidsGroups are the directories of this process's own group in which there can be a pids controller: cgroups(7), "/proc files".
func pidsGroups() []string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var groups []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3) // hierarchy, controllers, path
		if len(fields) != 3 {
			continue
		}
		switch fields[1] {
		case "pids":
			groups = append(groups, filepath.Join(cgroupRoot, "pids", fields[2]))
		case "":
			groups = append(groups, filepath.Join(cgroupRoot, fields[2]))
		}
	}
	return groups
}
