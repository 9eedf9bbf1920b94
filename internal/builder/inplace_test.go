package builder

import (
	"os"
	"path/filepath"
	"testing"
)

// TestProtectCommandFiles does to the runner's files what a build in place could do.
func TestProtectCommandFiles(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	harm := map[string]func(path string) error{
		"GITHUB_OUTPUT": func(path string) error { return os.WriteFile(path, []byte("hijack=yes\n"), 0o600) },
		"GITHUB_ENV":    os.Remove,
		"GITHUB_PATH": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink(elsewhere, path)
		},
		"GITHUB_STATE": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.MkdirAll(filepath.Join(path, "deep"), 0o700)
		},
		"GITHUB_STEP_SUMMARY": func(string) error { return nil },
	}
	dir := t.TempDir()
	for _, key := range commandFiles {
		path := filepath.Join(dir, key)
		if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv(key, path)
	}
	restore, err := protectCommandFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range commandFiles {
		if err := harm[key](filepath.Join(dir, key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	for _, key := range commandFiles {
		path := filepath.Join(dir, key)
		if data, err := os.ReadFile(path); err != nil || string(data) != key {
			t.Errorf("%s holds %q, %v", key, data, err)
		}
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is no file any more", key)
		}
	}
	if data, err := os.ReadFile(elsewhere); err != nil || string(data) != "elsewhere" {
		t.Errorf("a link was followed: %q, %v", data, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err == nil {
		t.Error("files that cannot be restored are not told of")
	}
}
