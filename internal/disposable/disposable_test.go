package disposable_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/disposable"
)

// TestMachine holds the guard against the root that must never be built on: the one that this test runs on.
func TestMachine(t *testing.T) {
	t.Parallel()
	var found *disposable.NotDisposableError
	if err := disposable.Check("/", "/kaniko"); !errors.As(err, &found) {
		t.Fatalf("a machine's root passed for disposable: %v", err)
	}
	if _, err := os.Lstat(found.Path); err != nil {
		t.Errorf("the file that it names is not there: %v", err)
	}
	if !strings.Contains(found.Error(), found.Path) || !strings.Contains(found.Error(), "not disposable") {
		t.Errorf("the message does not say what is wrong: %v", found)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files []string // a name that ends in / is a directory, one with -> a link
		want  string   // the file that it names, or nothing
	}{
		"an empty root":                      {},
		"the action's image":                 {files: []string{"kaniko/hub-publish", "kaniko/ssl/certs/ca-certificates.crt", "run/", "var/run -> /run", "proc/", "sys/", "dev/", "etc/"}},
		"an engine's mark":                   {files: []string{".dockerenv"}},
		"podman's mark":                      {files: []string{"run/.containerenv"}},
		"a single file":                      {files: []string{"kaniko/hub-publish", "home/ada/thesis.tex"}, want: "home/ada/thesis.tex"},
		"an image with a shell":              {files: []string{"kaniko/hub-publish", "bin/sh"}, want: "bin/sh"},
		"a file beside an engine's mark":     {files: []string{".dockerenv", "etc/passwd"}, want: "etc/passwd"},
		"a mark's name elsewhere":            {files: []string{"srv/.dockerenv"}, want: "srv/.dockerenv"},
		"the action's directory's name deep": {files: []string{"srv/kaniko/data"}, want: "srv/kaniko/data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, file := range test.files {
				write(t, root, file)
			}
			err := disposable.Check(root, "/kaniko")
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var found *disposable.NotDisposableError
			if !errors.As(err, &found) || found.Path != filepath.Join(root, test.want) {
				t.Errorf("got %v, want it to name %s", err, test.want)
			}
		})
	}
}

func write(t *testing.T, root, file string) {
	t.Helper()
	name, target, isLink := strings.Cut(file, " -> ")
	path := filepath.Join(root, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	switch {
	case err != nil:
	case isLink:
		err = os.Symlink(target, path)
	case strings.HasSuffix(file, "/"):
		err = os.MkdirAll(path, 0o755)
	default:
		err = os.WriteFile(path, []byte("something"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
