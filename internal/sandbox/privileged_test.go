package sandbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/user"
)

// sleeper runs another process in a sandbox until the test ends.
func sleeper(t *testing.T) {
	t.Helper()
	root, _ := newRoot(t)
	running, err := process(root, "sleep").Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		if err := running.Wait(); !errors.As(err, new(*sandbox.ExitError)) {
			t.Error(err)
		}
	})
}

// TestPrivilegedPrograms: set-user-ID programs work as in a container, and give no more than a container has.
func TestPrivilegedPrograms(t *testing.T) {
	t.Parallel()
	ann := user.Identity{UID: 1000, GID: 1000, Groups: []uint32{1000}}
	requireUser(t, ann)
	root, _ := newRoot(t)
	path := filepath.Join(root, program)
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	p := process(root, "id")
	p.User = ann
	if got := mustOutput(t, p); got != "1000 0 1000 [1000]\n" {
		t.Errorf("a set-user-ID program: got %q", got)
	}
	p = process(root, "raw capability")
	p.User = ann
	if text, err := output(t, p); err == nil {
		t.Errorf("a set-user-ID program has more capabilities: %s", text)
	}
	const revision2, effective = 0x02000000, 1 // linux/capability.h; then permitted and inheritable, low and high halves
	var value [20]byte
	for i, word := range []uint32{revision2 | effective, 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_CHOWN, 0, 0, 0} {
		binary.LittleEndian.PutUint32(value[4*i:], word)
	}
	if err := errors.Join(os.Chmod(path, 0o755), unix.Setxattr(path, "security.capability", value[:], 0)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []user.Identity{ann, user.Root()} {
		p.User = id
		if text, err := output(t, p); err == nil {
			t.Errorf("a program with capabilities has more of them as %d: %s", id.UID, text)
		}
	}
}
