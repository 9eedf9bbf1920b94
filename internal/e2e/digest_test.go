//go:build e2e

package e2e

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One commit gives one digest, wherever it is checked out and built.
func TestSameDigest(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "StableEncoder", "0.0.1")
	b.dockerfile = lines(
		"FROM "+baseImage(t)+" AS files",
		"WORKDIR /made/here",
		"COPY . /workspace",
		"FROM "+baseImage(t),
		"ENV MODEL=/model",
		"COPY --chown=7:8 --chmod=640 *.txt /texts/",
		"COPY --link tests /deep/down/tests",
		"COPY <<END /hello",
		"hello",
		"END",
		"COPY --from=files /workspace /made /copied/",
		"WORKDIR /etc/new/directory",
	)
	h.add(b)
	// Compressed in several pieces side by side.
	model := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(model) // never fails
	h.write(b.path()+"/model.txt", string(model))
	commit := h.commit("feat: add an encoder")

	type machine struct {
		name string
		run  func(t *testing.T, workspace string, args []string) (status int, log string)
	}
	machines := []machine{
		{"sandbox at a terminal", atTerminal("sandbox")},
		{"another machine", atTerminal("sandbox", "TZ=Asia/Tokyo", "LANG=C", "GOMAXPROCS=1", "HOME=/nonexistent")},
	}
	for _, p := range places {
		machines = append(machines, machine{p.isolation, func(t *testing.T, workspace string, args []string) (int, string) {
			args = p.dockerRun(t, workspace, []string{"--hostname", p.isolation, "--cpus", "1"}, append(args, "--isolation", p.input))
			return command{name: "docker", args: args}.run(t)
		}})
	}
	digests := make([]string, len(machines))
	t.Run("on", func(t *testing.T) {
		for i, m := range machines {
			workspace := h.checkout("push", commit, 0)
			age(t, workspace, time.Date(2001+i, 2, 3, 4, 5, 6, 7, time.UTC), i)
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				namespace := newNamespace()
				status, log := m.run(t, workspace, []string{"publish", "--registry", registry(t), "--namespace", namespace, "--plain-http", registry(t), "--required-approvals", "0", b.path()})
				if status != 0 {
					t.Fatalf("exit status %d\n%s", status, log)
				}
				digests[i] = digest(t, b.image(registry(t), namespace)+":"+b.version)
			})
		}
	})
	for i, m := range machines {
		if digests[i] != digests[0] {
			t.Errorf("%s gives %s, %s gives %s", m.name, digests[i], machines[0].name, digests[0])
		}
	}
}

// atTerminal runs the program on this machine.
func atTerminal(isolation string, env ...string) func(*testing.T, string, []string) (int, string) {
	return func(t *testing.T, workspace string, args []string) (int, string) {
		return command{
			dir: workspace, name: program(t), args: append(args, "--isolation", isolation),
			env: append(env, "TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir()),
		}.run(t)
	}
}

// age gives a checkout's files a time and an owner.
func age(t *testing.T, workspace string, when time.Time, owner int) {
	t.Helper()
	err := filepath.WalkDir(workspace, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || strings.Contains(path, "/.git") {
			return err
		}
		if err := os.Lchown(path, owner, owner); err != nil {
			return err
		}
		return os.Chtimes(path, when, when)
	})
	if err != nil {
		t.Fatal(err)
	}
}
