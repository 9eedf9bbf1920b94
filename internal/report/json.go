package report

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is the directory in the workspace that holds what a run leaves there. git ignores it.
const Dir = ".hub-publish"

// WriteJSON writes the report into the workspace, and returns its path there.
func (r *Report) WriteJSON(workspace string) (string, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	path, err := Leave(workspace, "report.json", append(data, '\n'))
	if err != nil {
		return "", fmt.Errorf("write the report: %w", err)
	}
	return path, nil
}

// Leave writes a file for later steps into Dir, and returns its path in the workspace. What it writes belongs to the
// workspace's owner: files of root's would stop the next checkout on a runner that is kept.
func Leave(workspace, file string, data []byte) (string, error) {
	root, err := os.OpenRoot(workspace)
	if err != nil {
		return "", err
	}
	defer root.Close()
	name, ignore := filepath.Join(Dir, file), filepath.Join(Dir, ".gitignore")
	for _, path := range []string{Dir, name, ignore} {
		// A link in the checkout would have us write into a file that is somebody else's.
		if info, err := root.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSymlink {
			if err := root.Remove(path); err != nil {
				return "", err
			}
		}
	}
	if err := root.MkdirAll(Dir, 0o755); err != nil {
		return "", err
	}
	for path, content := range map[string][]byte{name: data, ignore: []byte("*\n")} {
		if err := root.WriteFile(path, content, 0o644); err != nil {
			return "", err
		}
	}
	var owner unix.Stat_t
	if err := unix.Stat(workspace, &owner); err != nil {
		return "", fmt.Errorf("find the workspace's owner: %w", err)
	}
	for _, path := range []string{Dir, name, ignore} {
		// A user who is not root owns the files already, and may not give them away.
		if err := root.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && os.Geteuid() == 0 {
			return "", fmt.Errorf("give it to the workspace's owner: %w", err)
		}
	}
	return name, nil
}
