package builder

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/GoogleContainerTools/kaniko/pkg/config"
	"github.com/GoogleContainerTools/kaniko/pkg/constants"
	"github.com/GoogleContainerTools/kaniko/pkg/executor"
	"github.com/GoogleContainerTools/kaniko/pkg/util"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/disposable"
	"github.com/jina/hub-publish/internal/sandbox"
)

// The roles in which this program starts itself again, told by its name: an argument could come from a user.
const (
	childName = "hub-publish-builder"
	probeName = "hub-publish-sandbox-probe"
)

// eventsFD is the file descriptor on which the child reports.
const eventsFD = 3

// order is what the parent tells the child.
type order struct {
	Isolation Isolation
	// Root is the directory that becomes the root in a sandbox, and Binds what is to be seen in it.
	Root  string
	Binds []sandbox.Bind
	// Wipe empties the root first: an earlier build of this run, in place, was allowed to use it.
	Wipe      bool
	BuildArgs []string
	Platform  string
	// Bases are the images that the parent pulled, by their names.
	Bases map[string]v1.Descriptor
}

// message is what the child tells the parent: an instruction begins (Line, Instruction), it printed something (Output),
// or the build failed (Failed).
type message struct {
	Line        int    `json:",omitempty"`
	Instruction string `json:",omitempty"`
	Output      []byte `json:",omitempty"`
	Failed      string `json:",omitempty"`
}

// RunChild does a child's work and ends the process, where this process is one; otherwise it does nothing. Call it
// first in main.
func RunChild() {
	switch os.Args[0] {
	case probeName:
		if err := sandbox.Enter(os.Args[1], nil); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case childName:
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func runChild() error {
	// Nothing that an instruction starts may look into this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide this process: %w", err)
	}
	unix.CloseOnExec(eventsFD)
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return fmt.Errorf("read what to build: %w", err)
	}
	// The machine's certificates are read now: in the build's root there are others.
	if _, err := x509.SystemCertPool(); err != nil {
		return err
	}
	if o.Isolation == Sandbox {
		if err := sandbox.Enter(o.Root, o.Binds); err != nil {
			return err
		}
	}
	if !o.Wipe {
		if err := disposable.Check("/", config.KanikoDir); err != nil {
			return err
		}
	}
	r, err := newReporter(os.NewFile(eventsFD, "events"), filepath.Join(config.KanikoDir, dockerfileRef))
	if err != nil {
		return err
	}
	img, err := buildImage(o)
	if err == nil {
		err = write(img)
	}
	r.finish()
	if err != nil {
		if strings.Contains(err.Error(), beforeInstruction) {
			r.next()
		}
		r.send(message{Failed: reason(err)})
	}
	return nil
}

// buildImage runs kaniko on this process's root.
func buildImage(o order) (v1.Image, error) {
	if o.Isolation == InPlace {
		// What the runner mounts there is the host's: kaniko would delete it through the mount.
		util.AddToDefaultIgnoreList(util.IgnoreListEntry{Path: "/github"})
	}
	if o.Wipe {
		if err := util.InitIgnoreList(); err != nil {
			return nil, err
		}
		if err := util.DeleteFilesystem(); err != nil {
			return nil, fmt.Errorf("remove the build before: %w", err)
		}
	}
	address, maps, err := serveBases(o.Bases)
	if err != nil {
		return nil, fmt.Errorf("serve the base images: %w", err)
	}
	platform := &v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
	if o.Platform != "" {
		if platform, err = v1.ParsePlatform(o.Platform); err != nil {
			return nil, err
		}
	}
	if err := os.Chdir("/"); err != nil {
		return nil, err
	}
	return executor.DoBuild(&config.KanikoOptions{
		RegistryOptions:  config.RegistryOptions{RegistryMaps: maps(address), SkipDefaultRegistryFallback: true},
		BuildArgs:        append(platformArgs(platform), o.BuildArgs...),
		DockerfilePath:   filepath.Join(config.KanikoDir, dockerfileRef),
		SrcContext:       filepath.Join(config.KanikoDir, contextDir),
		CustomPlatform:   platform.String(),
		SnapshotMode:     constants.SnapshotModeFull, // the only one that misses nothing
		CompressionLevel: -1,
		NoPush:           true,
	})
}

// platformArgs are the arguments that BuildKit defines by itself and kaniko does not.
func platformArgs(target *v1.Platform) []string {
	return []string{
		"TARGETPLATFORM=" + target.String(), "TARGETOS=" + target.OS, "TARGETARCH=" + target.Architecture, "TARGETVARIANT=" + target.Variant,
		"BUILDPLATFORM=" + runtime.GOOS + "/" + runtime.GOARCH, "BUILDOS=" + runtime.GOOS, "BUILDARCH=" + runtime.GOARCH, "BUILDVARIANT=",
	}
}

// serveBases starts a registry on the loopback interface with the images that the parent pulled.
func serveBases(images map[string]v1.Descriptor) (address string, maps func(string) map[string][]string, err error) {
	s, err := newServer(filepath.Join(config.KanikoDir, basesDir), images)
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() { _ = http.Serve(listener, s) }() // until the process ends
	return listener.Addr().String(), s.maps, nil
}

func write(img v1.Image) error {
	path, err := layout.Write(filepath.Join(config.KanikoDir, imageDir), empty.Index)
	if err != nil {
		return err
	}
	return path.AppendImage(img)
}

// beforeInstruction is in kaniko's errors about an instruction's files, which it looks for before it logs the instruction.
const beforeInstruction = "failed to get files used from context: "

// reason says why a build failed, without the names that kaniko gives to its own steps.
func reason(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return fmt.Sprintf("the command was ended by signal %d (%s)", status.Signal(), status.Signal())
		}
		return fmt.Sprintf("the command ended with exit status %d", exit.ExitCode())
	}
	text := err.Error()
	for _, prefix := range []string{"error building stage: ", "failed to execute command: ", beforeInstruction, "starting command: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return strings.ReplaceAll(text, filepath.Join(config.KanikoDir, contextDir)+"/", "")
}
