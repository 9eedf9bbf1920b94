package builder_test

import (
	"archive/tar"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/jina"
	"github.com/jina/hub-publish/internal/jina/jinatest"
)

// python is the name by which this program stands in for Python with Jina: what it runs, a script of the name jina or the
// program of a flow, decides what it does.
const python = "python3"

// withJina adds to an image what Jina is in one: a script, and its interpreter.
func withJina(img v1.Image) (v1.Image, error) {
	const script = "#!/usr/bin/" + python + "\nimport jina\n"
	l, err := layerOf(link("usr/bin/"+python, "/bin/sh"), entry{tar.Header{Typeflag: tar.TypeReg, Name: "usr/bin/jina", Mode: 0o755, Size: int64(len(script))}, script})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, l)
}

// faults are the classes of executors that config.yml can name, by what they do once their ports are open.
var faults = map[string]func(){
	"Good":        func() {},
	"ImportFails": func() { fail("ModuleNotFoundError: No module named 'torch'") },
	"CrashesLate": func() {
		time.Sleep(3 * time.Second)
		fail("OSError: the model is broken")
	},
	"NeverReady":  func() { select {} },
	"IgnoresTerm": func() { signal.Ignore(syscall.SIGTERM) },
	"CatchesTerm": func() {
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, syscall.SIGTERM)
		go func() {
			<-caught
			os.Exit(7)
		}()
	},
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "Traceback (most recent call last):\n\x1b[31m"+message+"\x1b[0m")
	os.Exit(1)
}

// runPython runs `python3 /usr/bin/jina pod ARGUMENT…` or `python3 -c PROGRAM ARGUMENT…`.
func runPython(args []string) {
	var ports jina.Ports
	flags := flag.NewFlagSet("", flag.ExitOnError)
	uses := flags.String("uses", "", "")
	flags.IntVar(&ports.In, "port-in", 0, "")
	flags.IntVar(&ports.Out, "port-out", 0, "")
	flags.IntVar(&ports.Control, "port-ctrl", 0, "")
	for _, name := range []string{"identity", "host-in", "host-out", "workspace-id"} {
		flags.String(name, "", "")
	}
	_ = flags.Parse(args[2:]) // it exits
	config, err := os.ReadFile(*uses)
	if err != nil {
		fail(err.Error())
	}
	class := strings.TrimSpace(strings.TrimPrefix(string(config), "!"))
	load, ok := faults[class]
	if !ok {
		load = func() { fail("ExecutorFailToLoad: there is no class " + class) }
	}
	loaded := make(chan struct{})
	if args[0] == "-c" {
		load()
		fmt.Println(jina.FlowReady)
		os.Exit(0)
	}
	if err := jinatest.Open(ports, loaded); err != nil {
		fail(err.Error())
	}
	load()
	close(loaded)
	select {}
}

// The attempts of images that are tried.

// listen stands in for an executor without Jina.
func listen(args []string) error {
	if _, err := net.Listen("tcp", args[0]); err != nil {
		return err
	}
	fmt.Println("listening")
	time.Sleep(time.Hour)
	return nil
}

// ignore listens, and ignores what would end it.
func ignore([]string) error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	return listen([]string{":0"})
}

// fork makes processes without end, each in a session of its own.
func fork([]string) error {
	for {
		if pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); pid == 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		}
	}
}

// rubbish greets as a control port of Jina's, and announces a message that nobody could hold.
func rubbish([]string) error {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			greeting := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL"), make([]byte, 48)...)
			_, _ = conn.Write(append(greeting, "\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR\x02\x40\x00\x00\x00\x00\x00\x00\x00"...))
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
}
