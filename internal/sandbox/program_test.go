package sandbox_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// programs are what the test program can be in a root.
var programs = map[string]func(args []string) error{
	"exit": func(args []string) error {
		n, err := strconv.Atoi(args[0])
		if err == nil {
			os.Exit(n)
		}
		return err
	},
	"args": func(args []string) error { fmt.Printf("%q\n", args); return nil },
	"env":  func([]string) error { fmt.Println(strings.Join(os.Environ(), "\n")); return nil },
	"cwd":  func([]string) error { dir, err := os.Getwd(); fmt.Println(dir); return err },
	"id": func([]string) error {
		groups, err := os.Getgroups()
		fmt.Println(os.Getuid(), os.Geteuid(), os.Getgid(), groups)
		return err
	},
	"hostname": func([]string) error { name, err := os.Hostname(); fmt.Println(name); return err },
	"read":     func(args []string) error { text, err := os.ReadFile(args[0]); os.Stdout.Write(text); return err },
	"link":     func(args []string) error { text, err := os.Readlink(args[0]); fmt.Print(text); return err },
	"write":    func(args []string) error { return os.WriteFile(args[0], []byte(args[1]), 0o644) },
	"append": func(args []string) error {
		f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(args[1])
		return err
	},
	"list": func(args []string) error {
		entries, err := os.ReadDir(args[0])
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		return err
	},
	"stat": func(args []string) error {
		info, err := os.Stat(args[0])
		if err == nil {
			fmt.Println(info.Mode())
		}
		return err
	},
	"remove": func(args []string) error { return os.RemoveAll(args[0]) },
	"fill": func(args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return os.WriteFile(args[0], make([]byte, n), 0o644)
	},
	"print": func(args []string) error {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(bytes.Repeat([]byte{'x'}, n))
		return err
	},
	"both": func([]string) error {
		for i := range 100 {
			fmt.Fprintln(os.Stdout, "out", i)
			fmt.Fprintln(os.Stderr, "err", i)
		}
		return nil
	},
	"sleep":      func([]string) error { fmt.Println("ready"); time.Sleep(time.Hour); return nil },
	"handle":     handle,
	"interfaces": interfaces,
	"loopback":   connect,
	"limit": func(args []string) error {
		which, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		var l unix.Rlimit
		err = unix.Getrlimit(which, &l)
		fmt.Println(l.Cur, l.Max)
		return err
	},
	"orphan": func([]string) error {
		c := exec.Command(program, "sleep")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return c.Start()
	},
	"fork": func(args []string) error { // starts as many as it can
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		for i := range n {
			if err := exec.Command(program, "sleep").Start(); err != nil {
				fmt.Println("started", i)
				return err
			}
		}
		return nil
	},
}

// interfaces prints the network's, and whether they are up. Package net would have this program linked dynamically.
func interfaces([]string) error {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		i, err := unix.NewIfreq(name)
		if err == nil {
			err = unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, i)
		}
		if err != nil {
			return err
		}
		fmt.Println(name, i.Uint16()&unix.IFF_UP != 0)
	}
	return nil
}

// connect makes a connection to a port of its own on the loopback interface.
func connect([]string) error {
	server, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(server, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(server, 1); err != nil {
		return err
	}
	address, err := unix.Getsockname(server)
	if err != nil {
		return err
	}
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Connect(client, address)
}

// handle ends well when it gets SIGTERM.
func handle([]string) error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGTERM)
	fmt.Println("ready")
	<-c
	fmt.Println("terminated")
	return nil
}

// runProgram is the main of a program in a root.
func runProgram(name string, args []string) int {
	run, ok := programs[name]
	if !ok {
		run, ok = attempts[name]
	}
	if !ok {
		fmt.Fprintln(os.Stderr, "no program", name)
		return 99
	}
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
