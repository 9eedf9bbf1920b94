package worker

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/disposable"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/wire"
)

// Kind is what a worker does with file systems.
type Kind string

const (
	// Overlays gives each instruction namespaces of its own, in an overlay of directories.
	Overlays Kind = "overlays"
	// InPlace uses the one root that there is.
	InPlace Kind = "in-place"
)

// Role is the name by which this program knows that it is a worker; an argument could come from a user.
const Role = "hub-publish-worker"

// Command is the command line of a worker: the program's name is its role. dir is the worker's directory, and store where
// base images stay for later runs; empty where there are none.
func Command(program string, kind Kind, dir, store string) []string {
	return []string{program, string(kind), dir, store}
}

// RunChild does a worker's work and ends the process, where this process is one; otherwise it does nothing. Call it
// first in main.
func RunChild() {
	if filepath.Base(os.Args[0]) != Role {
		return
	}
	if err := run(Kind(os.Args[1]), os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run works until the action is gone.
func run(kind Kind, dir, store string) (err error) {
	if kind == Overlays {
		if err := sandbox.EnterWorker(); err != nil {
			return err
		}
	}
	unix.Umask(0o022) // not that of who started us: it would be in the images
	// Nothing that an instruction starts may look into this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide this process: %w", err)
	}
	conn, err := connection()
	if err != nil {
		return err
	}
	// The certificates are read now: in place, the build's root has others.
	if _, err := x509.SystemCertPool(); err != nil {
		return err
	}
	place, refused := newPlace(kind, dir, store)
	if kind == Overlays {
		defer func() { err = errors.Join(err, clean(dir)) }()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathReady, func(w http.ResponseWriter, _ *http.Request) {
		if refused != nil {
			http.Error(w, refused.Error(), http.StatusServiceUnavailable)
		}
	})
	if refused != nil {
		return wire.Serve(conn, mux)
	}
	s := newServer(place)
	mux.Handle("/", s.handler())
	err = wire.Serve(conn, mux)
	s.active.Lock() // an action that is gone has ended the builds; they tidy up
	return errors.Join(err, place.close())
}

// connection is the standard input, where it is a socket, or the standard input and output.
func connection() (net.Conn, error) {
	// To try would make the descriptor non-blocking for good.
	if _, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
		conn, err := net.FileConn(os.Stdin)
		return conn, errors.Join(err, os.Stdin.Close())
	}
	out := os.Stdout
	os.Stdout = os.Stderr
	return wire.Stdio(os.Stdin, out)
}

func newPlace(kind Kind, dir, store string) (place, error) {
	if kind == InPlace {
		// The guard: what is in the root would be gone.
		if err := disposable.Check("/", dir); err != nil {
			return nil, err
		}
		if err := os.Chdir("/"); err != nil {
			return nil, err
		}
		return newInPlace(dir)
	}
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	return newOverlays(store)
}

// clean empties the worker's directory. The worker does it, and not the action, since it is who may: in a user namespace
// the files belong to users that are nobody's outside.
func clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
