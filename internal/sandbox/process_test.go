package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/needs"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/user"
)

// oneUser is why tests are skipped that need more.
const oneUser = "this worker has one user"

// requireUser skips a test of an identity that this worker does not have.
func requireUser(t testing.TB, id user.Identity) {
	t.Helper()
	requireSandbox(t)
	if one, err := sandbox.OneUser(); err != nil || one && id.UID != 0 {
		needs.Missing(t, oneUser, err)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	ann := user.Identity{UID: 1000, GID: 1000, Groups: []uint32{1000}}
	tests := map[string]struct {
		args []string
		set  func(p *sandbox.Process)
		want string
	}{
		"arguments":               {[]string{"args", "a b", ""}, nil, `["a b" ""]` + "\n"},
		"HOME of root":            {[]string{"env"}, nil, "HOME=/root\n"},
		"HOME of a user":          {[]string{"env"}, func(p *sandbox.Process) { p.User = ann }, "HOME=/home/ann\n"},
		"HOME of an unknown user": {[]string{"env"}, func(p *sandbox.Process) { p.User = user.Identity{UID: 77, Groups: []uint32{0}} }, "HOME=/\n"},
		"the last variable holds": {[]string{"env"}, func(p *sandbox.Process) { p.Env = []string{"A=1", "HOME=/h", "A=2"} }, "HOME=/h\nA=2\n"},
		"the root directory":      {[]string{"cwd"}, nil, "/\n"},
		"a working directory":     {[]string{"cwd"}, func(p *sandbox.Process) { p.Dir = "/home/ann" }, "/home/ann\n"},
		"root":                    {[]string{"id"}, nil, "0 0 0 [0]\n"},
		"a user":                  {[]string{"id"}, func(p *sandbox.Process) { p.User = ann }, "1000 1000 1000 [1000]\n"},
		"a user and groups": {[]string{"id"}, func(p *sandbox.Process) { p.User = user.Identity{UID: 5, GID: 6, Groups: []uint32{6, 7, 8}} },
			"5 5 6 [6 7 8]\n"},
		"BuildKit's host name":     {[]string{"hostname"}, nil, "buildkitsandbox\n"},
		"a host name":              {[]string{"hostname"}, func(p *sandbox.Process) { p.Hostname = "h1" }, "h1\n"},
		"both outputs in order":    {[]string{"both"}, nil, both()},
		"a loopback interface":     {[]string{"interfaces"}, nil, "lo true\n"},
		"a connection to itself":   {[]string{"loopback"}, nil, ""},
		"found by PATH":            {[]string{"args"}, func(p *sandbox.Process) { p.Args[0] = "t"; p.Env = []string{"PATH=/nowhere:/bin"} }, "[]\n"},
		"output opened by a user":  {[]string{"append", "/dev/stdout", "x"}, func(p *sandbox.Process) { p.User = ann }, "x"},
		"nothing to read":          {[]string{"read", "/dev/stdin"}, nil, ""},
		"no core files":            {[]string{"limit", "4"}, nil, "0 0\n"},
		"a limit of open files":    {[]string{"limit", "7"}, func(p *sandbox.Process) { p.Limits.OpenFiles = 100 }, "100 100\n"},
		"the file creation mask":   {[]string{"stat", "/dev"}, nil, "drwxr-xr-x\n"},
		"a device":                 {[]string{"write", "/dev/null", "x"}, func(p *sandbox.Process) { p.User = ann }, ""},
		"shared memory for all":    {[]string{"write", "/dev/shm/f", "x"}, func(p *sandbox.Process) { p.User = ann }, ""},
		"what a kernel setting is": {[]string{"read", "/proc/sys/kernel/ostype"}, nil, "Linux\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, _ := newRoot(t)
			p := process(root, tt.args[0], tt.args[1:]...)
			if tt.set != nil {
				tt.set(&p)
			}
			requireUser(t, p.User)
			got := mustOutput(t, p)
			if one, err := sandbox.OneUser(); one && tt.args[0] == "id" && err == nil {
				// The kernel lets the worker's groups, which have no numbers in it, neither go nor come.
				got, _, _ = strings.Cut(got, "[")
				tt.want, _, _ = strings.Cut(tt.want, "[")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func both() string {
	var b strings.Builder
	for i := range 100 {
		n := string(rune('0' + i%10))
		if i >= 10 {
			n = string(rune('0'+i/10)) + n
		}
		b.WriteString("out " + n + "\nerr " + n + "\n")
	}
	return b.String()
}

func TestEnds(t *testing.T) {
	t.Parallel()
	ann := user.Identity{UID: 1000, GID: 1000, Groups: []uint32{1000}}
	tests := map[string]struct {
		args []string
		set  func(p *sandbox.Process)
		want sandbox.ExitError
	}{
		"an exit status":          {[]string{program, "exit", "3"}, nil, sandbox.ExitError{Status: 3}},
		"the largest exit status": {[]string{program, "exit", "255"}, nil, sandbox.ExitError{Status: 255}},
		"no such name":            {[]string{"foo"}, nil, sandbox.ExitError{Status: 127, Reason: `exec: "foo": executable file not found in $PATH`}},
		"no such file":            {[]string{"/foo"}, nil, sandbox.ExitError{Status: 127, Reason: `exec: "/foo": stat /foo: no such file or directory`}},
		"not executable":          {[]string{"/bin/data"}, nil, sandbox.ExitError{Status: 126, Reason: `exec: "/bin/data": permission denied`}},
		"a directory":             {[]string{"/bin"}, nil, sandbox.ExitError{Status: 126, Reason: `exec: "/bin": is a directory`}},
		"no program":              {[]string{"/bin/text"}, nil, sandbox.ExitError{Status: 126, Reason: "exec /bin/text: exec format error"}},
		"no interpreter":          {[]string{"/bin/script"}, nil, sandbox.ExitError{Status: 127, Reason: "exec /bin/script: no such file or directory"}},
		"not for this user": {[]string{"/root/t"}, func(p *sandbox.Process) { p.User = ann },
			sandbox.ExitError{Status: 126, Reason: `exec: "/root/t": stat /root/t: permission denied`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, _ := newRoot(t)
			if err := os.MkdirAll(filepath.Join(root, "root"), 0o700); err != nil {
				t.Fatal(err)
			}
			p := sandbox.Process{Root: root, Args: tt.args, Env: []string{"PATH=/bin"}, User: user.Root()}
			if tt.set != nil {
				tt.set(&p)
			}
			requireUser(t, p.User)
			_, err := output(t, p)
			var exit *sandbox.ExitError
			if !errors.As(err, &exit) || *exit != tt.want {
				t.Errorf("got %#v (%v), want %#v", exit, err, tt.want)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	tests := map[string]struct {
		set  func(p *sandbox.Process)
		want string
	}{
		"the machine's root":       {func(p *sandbox.Process) { p.Root = "/" }, "must be a directory of its own"},
		"no root":                  {func(p *sandbox.Process) { p.Root = "" }, "must be a directory of its own"},
		"a root that is not there": {func(p *sandbox.Process) { p.Root = "/no/root" }, "/no/root: no such file or directory"},
		"no program":               {func(p *sandbox.Process) { p.Args = nil }, "no program"},
		"a variable without =":     {func(p *sandbox.Process) { p.Env = []string{"A"} }, `"A" is not an environment variable`},
		"a relative directory":     {func(p *sandbox.Process) { p.Dir = "tmp" }, "not an absolute path"},
		"no such directory":        {func(p *sandbox.Process) { p.Dir = "/nowhere" }, "enter the working directory /nowhere: chdir /nowhere: no such file or directory"},
		"a mount over the root":    {func(p *sandbox.Process) { p.Mounts = []sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/"}} }, "nothing can be mounted at /"},
		"a mount in /proc":         {func(p *sandbox.Process) { p.Mounts = []sandbox.Mount{{Kind: sandbox.TmpfsMount, Target: "/proc/self"}} }, "nothing can be mounted at /proc/self"},
		"an unknown mount":         {func(p *sandbox.Process) { p.Mounts = []sandbox.Mount{{Kind: "nfs", Target: "/x"}} }, `unknown kind "nfs"`},
		"a source that is not there": {func(p *sandbox.Process) {
			p.Mounts = []sandbox.Mount{{Kind: sandbox.BindMount, Source: "/no/source", Target: "/x"}}
		}, "mount bind at /x: /no/source: no such file or directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := process(root, "exit", "0")
			tt.set(&p)
			if _, err := output(t, p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestBigOutput(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	const size = 20 << 20
	if got := mustOutput(t, process(root, "print", itoa(size))); len(got) != size {
		t.Errorf("got %d bytes, want %d", len(got), size)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	p := process(root, "fill", "/tmp/f", itoa(1<<20))
	p.Limits.FileSize = 1000
	if text, err := output(t, p); err == nil || !strings.Contains(text+err.Error(), "file") {
		t.Errorf("a large file: got %v, %s", err, text)
	}
	p = process(root, "fork", "60")
	p.Limits.Processes = 40
	text, err := output(t, p)
	if err == nil || !strings.Contains(text, "resource temporarily unavailable") {
		t.Errorf("many processes: got %v, %s", err, text)
	}
}

// TestNetwork: with a network, it is the worker's.
func TestNetwork(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for network, same := range map[bool]bool{true: true, false: false} {
		p := process(root, "link", "/proc/self/ns/net")
		p.Network = network
		if got := mustOutput(t, p); (got == own) != same {
			t.Errorf("network %t: got %s, the worker has %s", network, got, own)
		}
	}
}
