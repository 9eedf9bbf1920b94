package worker

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const someDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func newStore(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, lock := range s.held {
			lock.Close()
		}
	})
	return s
}

// oneFile unpacks an image of one file.
func oneFile(dir string) error {
	return os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o644)
}

func TestStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := newStore(t, dir)
	if _, ok := first.find(someDigest); ok {
		t.Error("an empty store has an image")
	}
	failed := errors.New("the download was cut")
	if _, err := first.add(someDigest, func(dir string) error { return errors.Join(oneFile(dir), failed) }); !errors.Is(err, failed) {
		t.Errorf("got %v, want %v", err, failed)
	}
	if _, ok := first.find(someDigest); ok {
		t.Error("half an image is in the store")
	}
	if _, err := first.add(someDigest, oneFile); err != nil {
		t.Fatal(err)
	}
	files, ok := newStore(t, dir).find(someDigest)
	if !ok {
		t.Fatal("a later run does not find the image")
	}
	if data, err := os.ReadFile(filepath.Join(files, "file")); err != nil || string(data) != "content" {
		t.Errorf("got %q, %v", data, err)
	}
	if entries, err := os.ReadDir(first.dir); err != nil || len(entries) != 1 {
		t.Errorf("the store holds %v, %v; want the image alone", entries, err)
	}
}

func TestStoreAtTheSameTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			files, err := newStore(t, dir).add(someDigest, oneFile)
			if err != nil {
				t.Error(err)
			} else if _, err := os.Stat(filepath.Join(files, "file")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestStorePrunes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age  time.Duration
		used bool
		left int
	}{
		"an image that was used lately":      {age: unused - time.Hour, left: 1},
		"an image that nobody used for long": {age: unused + time.Hour, left: 0},
		"an old image that somebody uses":    {age: unused + time.Hour, used: true, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			user := newStore(t, dir)
			if _, err := user.add(someDigest, oneFile); err != nil {
				t.Fatal(err)
			}
			if !c.used {
				for _, lock := range user.held {
					lock.Close()
				}
			}
			old := time.Now().Add(-c.age)
			if err := os.Chtimes(filepath.Join(user.dir, someDigest), old, old); err != nil {
				t.Fatal(err)
			}
			if err := newStore(t, dir).prune(); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(user.dir); err != nil || len(entries) != c.left {
				t.Errorf("the store holds %v, %v; want %d", entries, err, c.left)
			}
		})
	}
}
