//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

const binary = "/kaniko/hub-publish"

// A build in place wipes the root it runs on: one that is somebody's is refused.
func TestGuard(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "GoodEncoder", "0.0.1")
	h.add(b)
	h.commit("feat: add an encoder")

	host := container(t, baseImage(t), "sleep", "infinity")
	source := docker(t, "create", actionImage(t))
	defer docker(t, "rm", source)
	copied := filepath.Join(t.TempDir(), "hub-publish")
	docker(t, "cp", source+":"+binary, copied)
	docker(t, "cp", copied, host+":/usr/local/bin/hub-publish")
	docker(t, "cp", h.dir, host+":/hub")

	status, output := command{name: "docker", args: []string{
		"exec", "--workdir", "/hub", host, "hub-publish", "build", "--isolation", "in-place", b.path(),
	}}.run(t)
	if status != 1 && status != 2 {
		t.Errorf("exit status %d\n%s", status, output)
	}
	if !strings.Contains(output, "disposable") {
		t.Errorf("the message does not say that the root is not disposable:\n%s", output)
	}
	docker(t, "exec", host, "/bin/ls", "/etc/passwd", "/bin/ls", "/hub/"+b.path()+"/manifest.yml")
}

// On a machine of one's own a build has a root of its own beside what is there.
func TestPrivilegedSandbox(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "GoodEncoder", "0.0.1")
	h.add(b)
	h.commit("feat: add an encoder")

	output := docker(t, "run", "--rm",
		"--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		// An overlay cannot lie on the container's own overlay.
		"--volume", "/tmp",
		"--volume", h.dir+":/hub", "--workdir", "/hub",
		actionImage(t), "build", "--isolation", "sandbox", b.path())
	if !strings.Contains(output, `"sandbox"`) {
		t.Errorf("the log does not name the isolation:\n%s", output)
	}
}
