package builder

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// harden keeps a build in place from what this process knows: its environment and memory have the tokens and passwords.
// The certificates that it trusts are read now, before a build can change them.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide this process from the builds: %w", err)
	}
	_, err := x509.SystemCertPool()
	return err
}

// commandFiles are the files by which a step speaks to the runner. A build in place could write to them.
var commandFiles = []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"}

// protectCommandFiles remembers the runner's command files; restore writes them back as they were.
func protectCommandFiles() (restore func() error, err error) {
	contents := map[string][]byte{}
	for _, key := range commandFiles {
		path := os.Getenv(key)
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the runner's file %s: %w", key, err)
		}
		contents[path] = data
	}
	return func() error {
		var failed error
		for path, data := range contents {
			// A link or a directory that a build put there goes first: writing would follow it.
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
				if now, err := os.ReadFile(path); err == nil && slices.Equal(now, data) {
					continue
				}
			}
			failed = errors.Join(failed, os.RemoveAll(path), os.WriteFile(path, data, 0o644))
		}
		if failed != nil {
			return fmt.Errorf("restore the runner's command files, which the build changed: %w", failed)
		}
		return nil
	}, nil
}
