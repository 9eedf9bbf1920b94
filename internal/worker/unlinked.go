package worker

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// unlinked is how many bytes of the disk are taken by files that have no name any more and that a build's processes have
// open: no directory shows them. The processes are known by their root, an overlay whose upper directory is below dir.
func unlinked(dir string) (used int64) {
	type identity struct{ dev, ino uint64 }
	seen := map[identity]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		mounts, err := os.ReadFile(filepath.Join(process, "mountinfo"))
		if err != nil || !strings.Contains(string(mounts), "upperdir="+dir) {
			continue
		}
		root, err := os.Stat(filepath.Join(process, "root"))
		if err != nil {
			continue
		}
		device := root.Sys().(*syscall.Stat_t).Dev // a file in memory is on another one
		files, _ := filepath.Glob(filepath.Join(process, "fd", "*"))
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			stat := info.Sys().(*syscall.Stat_t)
			if id := (identity{stat.Dev, stat.Ino}); stat.Nlink == 0 && stat.Dev == device && !seen[id] {
				seen[id] = true
				used += stat.Blocks * 512
			}
		}
	}
	return used
}
