package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/needs"
)

func namesIn(t testing.TB, layer []byte) []string {
	t.Helper()
	var names []string
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
	}
}

func TestUpper(t *testing.T) {
	t.Parallel()
	requireRoot(t)
	upper := applied(t, archiveOf(t, file("b", "1"), dirEntry("opaque"), file("opaque/.a", "1"), hardlinkTo("a", "b"), file("skipped/f", ""), symlinkTo("s", "b")))
	for _, name := range []string{"gone", "opaque/-gone"} {
		if err := unix.Mknod(filepath.Join(upper, name), unix.S_IFCHR, 0); err != nil {
			needs.Missing(t, err) // before Linux 5.8 a user namespace can have no whiteouts
		}
	}
	socket, err := net.Listen("unix", filepath.Join(upper, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for key, value := range map[string]string{"user.overlay.opaque": "y", "user.overlay.impure": "y", "user.note": "n"} {
		if err := unix.Lsetxattr(filepath.Join(upper, "opaque"), key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	var layer bytes.Buffer
	options := PackOptions{WhiteoutTime: someTime, Skip: func(path string) bool { return path == "/skipped" }}
	if err := Upper(&layer, upper, options); err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "b", ".wh.gone", "opaque/", "opaque/.wh..wh..opq", "opaque/.wh.-gone", "opaque/.a", "s"}
	if got := namesIn(t, layer.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for r := tar.NewReader(&layer); ; {
		header, err := r.Next()
		if err != nil {
			break
		}
		if header.Name == "b" && (header.Typeflag != tar.TypeLink || header.Linkname != "a") {
			t.Errorf("b is %+v, want a hard link to a", header)
		}
		if strings.Contains(header.Name, whiteoutPrefix) && !header.ModTime.Equal(someTime) {
			t.Errorf("%s has the time %v", header.Name, header.ModTime)
		}
		if len(header.PAXRecords) > 0 {
			t.Errorf("%s has the records %q, want none", header.Name, header.PAXRecords)
		}
	}
}

func TestUpperRefusesWhatItCannotKnow(t *testing.T) {
	t.Parallel()
	for key, name := range map[string]string{"user.overlay.redirect": "d", "user.overlay.metacopy": "d/f", "user.overlay.opaque": "d"} {
		dir := applied(t, archiveOf(t, file("d/f", "")))
		if err := unix.Lsetxattr(filepath.Join(dir, name), key, []byte("x"), 0); err != nil {
			needs.Missing(t, err)
		}
		if err := Upper(io.Discard, dir, PackOptions{}); err == nil || !strings.Contains(err.Error(), "/"+name) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
	}
}

// The upper directory of a real overlay, applied to what it lay over, is what the overlay showed.
func TestUpperOfOverlay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		base := t.TempDir()
		result := make(chan error)
		go func() {
			// The thread has a mount namespace of its own from here on, and ends with the goroutine.
			runtime.LockOSThread()
			result <- overlayRound(rand.New(rand.NewPCG(seed, 4)), base)
		}()
		err := <-result
		var unavailable *os.SyscallError
		if errors.As(err, &unavailable) {
			needs.Missing(t, err)
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		diff := difference(mustDescribe(t, filepath.Join(base, "lower")), mustDescribe(t, filepath.Join(base, "seen")))
		if diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

// overlayRound changes an overlay over base's directory lower, copies what it shows to seen, and applies its layer to lower.
// A SyscallError tells that there can be no overlay.
func overlayRound(random *rand.Rand, base string) error {
	on := func(name string) string { return filepath.Join(base, name) }
	for _, name := range []string{"lower", "upper", "work", "merged", "seen"} {
		if err := os.Mkdir(on(name), 0o755); err != nil {
			return err
		}
	}
	if err := mutate(random, on("lower"), 60); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,redirect_dir=off,metacopy=off,index=off", on("lower"), on("upper"), on("work"))
	if err := unix.Mount("overlay", on("merged"), "overlay", 0, options); err != nil {
		return os.NewSyscallError("mount an overlay", err)
	}
	defer unix.Unmount(on("merged"), 0)
	if err := mutate(random, on("merged"), 60); err != nil {
		return err
	}
	// The merged view has no whiteouts, so it is itself a layer that can be copied whole.
	if err := through(on("seen"), func(w io.Writer) error { return Upper(w, on("merged"), PackOptions{}) }); err != nil {
		return err
	}
	if err := unix.Unmount(on("merged"), 0); err != nil {
		return err
	}
	return through(on("lower"), func(w io.Writer) error { return Upper(w, on("upper"), PackOptions{}) })
}

func through(dir string, write func(io.Writer) error) error {
	var layer bytes.Buffer
	if err := write(&layer); err != nil {
		return err
	}
	return Apply(context.Background(), dir, &layer, ApplyOptions{})
}
