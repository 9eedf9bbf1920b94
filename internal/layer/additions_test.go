package layer_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jina/hub-publish/internal/layer"
)

func TestAdditions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(root string) error
		added  []string
		only   bool
	}{
		"nothing":              {func(string) error { return nil }, nil, true},
		"a file":               {func(root string) error { return os.WriteFile(filepath.Join(root, "dir/new"), nil, 0o644) }, []string{"/dir/new"}, true},
		"a directory of files": {func(root string) error { return os.MkdirAll(filepath.Join(root, "new/below"), 0o755) }, []string{"/new"}, true},
		"another content":      {func(root string) error { return os.WriteFile(filepath.Join(root, "dir/file"), []byte("x"), 0o644) }, nil, false},
		"another mode":         {func(root string) error { return os.Chmod(filepath.Join(root, "dir/file"), 0o600) }, nil, false},
		"a directory's mode":   {func(root string) error { return os.Chmod(filepath.Join(root, "dir"), 0o700) }, nil, false},
		"a removed file":       {func(root string) error { return os.Remove(filepath.Join(root, "dir/file")) }, nil, false},
		"a second name": {func(root string) error {
			return os.Link(filepath.Join(root, "dir/file"), filepath.Join(root, "name"))
		}, []string{"/name"}, false},
		"a file for a directory": {func(root string) error {
			return errors.Join(os.RemoveAll(filepath.Join(root, "dir")), os.WriteFile(filepath.Join(root, "dir"), nil, 0o644))
		}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := errors.Join(os.Mkdir(filepath.Join(root, "dir"), 0o755), os.WriteFile(filepath.Join(root, "dir/file"), nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			before, err := layer.Scan(t.Context(), root, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := test.change(root); err != nil {
				t.Fatal(err)
			}
			added, only, err := before.Additions(t.Context())
			if err != nil || only != test.only || !slices.Equal(added, test.added) {
				t.Errorf("added %v, nothing else %t, error %v", added, only, err)
			}
		})
	}
}
