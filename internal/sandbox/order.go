package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jina/hub-publish/internal/sandbox/seccomp"
	"github.com/jina/hub-publish/internal/user"
)

// The file descriptors of a process on its way into the root, besides its input and output.
const (
	orderFD  = 3
	statusFD = 4
)

// order is what such a process is told.
type order struct {
	Root           string
	ReadOnlyRoot   bool
	Unconfined     bool
	Args, Env      []string
	Path           string
	Dir            string
	User           user.Identity
	Mounts         []Mount
	Network        bool
	Hostname       string
	Limits         Limits
	LimitByUser    bool
	MountPointTime time.Time
	Filter         seccomp.Filter
	// Only ends the process where it would execute the program: everything before was possible.
	Only bool
}

// status is what it answers: Ready before it executes the program; Text if it does not get so far, or if the program
// cannot be executed. Then Code is an exit status; 0 if it was the sandbox's fault.
type status struct {
	Ready bool   `json:",omitempty"`
	Text  string `json:",omitempty"`
	Code  int    `json:",omitempty"`
}

// order checks the process and makes the order for it.
func (p Process) order() (order, error) {
	if len(p.Args) == 0 {
		return order{}, errors.New("sandbox: no program to run")
	}
	for what, path := range map[string]string{"root": p.Root, "working directory": p.Dir} {
		if path != "" && !filepath.IsAbs(path) {
			return order{}, fmt.Errorf("sandbox: the %s %q is not an absolute path", what, path)
		}
	}
	switch own := filepath.Clean(p.Root) == "/"; {
	case p.Root == "" || own && !p.Unconfined:
		return order{}, fmt.Errorf("sandbox: %q cannot be a root: it must be a directory of its own", p.Root)
	case p.Unconfined && (!own || len(p.Mounts) > 0 || !p.Network):
		return order{}, errors.New("sandbox: a process in the worker's own root has no mounts and no network of its own")
	}
	for _, m := range p.Mounts {
		if err := m.check(); err != nil {
			return order{}, err
		}
	}
	env, err := environment(p.Env)
	if err != nil {
		return order{}, err
	}
	if _, ok := lookUp(env, "HOME"); !ok {
		env = append(env, "HOME="+user.Home(p.Root, p.User.UID))
	}
	path, _ := lookUp(env, "PATH")
	filter, err := filter()
	if err != nil {
		return order{}, err
	}
	o := order{
		Root: filepath.Clean(p.Root), ReadOnlyRoot: p.ReadOnlyRoot, Unconfined: p.Unconfined, Args: p.Args, Env: env, Path: path, Dir: p.Dir, User: p.User, Mounts: p.Mounts,
		Network: p.Network, Hostname: p.Hostname, Limits: p.Limits, MountPointTime: p.MountPointTime, Filter: filter,
	}
	if o.Dir == "" {
		o.Dir = "/"
	}
	if o.Hostname == "" {
		o.Hostname = Hostname
	}
	return o, nil
}

func (m Mount) check() error {
	target := filepath.Clean(m.Target)
	switch {
	case m.Kind != BindMount && m.Kind != TmpfsMount:
		return fmt.Errorf("sandbox: mount at %s: unknown kind %q", m.Target, m.Kind)
	case m.Kind == BindMount && !filepath.IsAbs(m.Source):
		return fmt.Errorf("sandbox: mount at %s: the source %q is not an absolute path", m.Target, m.Source)
	case !filepath.IsAbs(target):
		return fmt.Errorf("sandbox: mount at %q: the target is not an absolute path", m.Target)
	case target == "/", target == "/proc", strings.HasPrefix(target, "/proc/"):
		return fmt.Errorf("sandbox: nothing can be mounted at %s", m.Target)
	case m.Size < 0:
		return fmt.Errorf("sandbox: mount at %s: a size of %d bytes", m.Target, m.Size)
	}
	return nil
}

// environment keeps the last of several variables of one name, where the last stands, as runc does (libcontainer/env.go).
func environment(env []string) ([]string, error) {
	var all []string
	seen := map[string]bool{}
	for _, e := range slices.Backward(env) {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.ContainsRune(e, 0) {
			return nil, fmt.Errorf("sandbox: %q is not an environment variable: expected NAME=value without a zero byte", e)
		}
		if !seen[name] {
			seen[name] = true
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	return all, nil
}

// lookUp finds a variable in an environment that has it once.
func lookUp(env []string, name string) (string, bool) {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// write sends the order and ends it.
func (o order) write(to io.WriteCloser) error {
	return errors.Join(json.NewEncoder(to).Encode(o), to.Close())
}

// readStatus waits until the process executes the program or says why it does not.
func readStatus(from io.Reader) error {
	ready := false
	for answers := json.NewDecoder(from); ; {
		var s status
		switch err := answers.Decode(&s); {
		case errors.Is(err, io.EOF) && ready:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("sandbox: the process ended on its way into the root without saying why")
		case err != nil:
			return fmt.Errorf("sandbox: the process's answer: %w", err)
		case s.Code != 0:
			return &ExitError{Status: s.Code, Reason: s.Text}
		case s.Text != "":
			return errors.New(s.Text)
		}
		ready = s.Ready
	}
}
