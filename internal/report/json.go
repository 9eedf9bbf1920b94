package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is the directory in the workspace that holds what a run leaves there. git ignores it.
const Dir = ".hub-publish"

// WriteJSON writes the report into the workspace, and returns its path there. What it writes belongs to the workspace's
// owner: files of root's would stop the next checkout on a runner that is kept.
func (r *Report) WriteJSON(workspace string) (string, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	dir := filepath.Join(workspace, Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	name := filepath.Join(Dir, "report.json")
	ignore := filepath.Join(dir, ".gitignore")
	for path, content := range map[string][]byte{filepath.Join(workspace, name): append(data, '\n'), ignore: []byte("*\n")} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return "", fmt.Errorf("write the report: %w", err)
		}
	}
	var owner unix.Stat_t
	if err := unix.Stat(workspace, &owner); err != nil {
		return "", fmt.Errorf("find the workspace's owner: %w", err)
	}
	for _, path := range []string{dir, filepath.Join(workspace, name), ignore} {
		// A user who is not root owns the files already, and may not give them away.
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && os.Geteuid() == 0 {
			return "", fmt.Errorf("give the report to the workspace's owner: %w", err)
		}
	}
	return name, nil
}
