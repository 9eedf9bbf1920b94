//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// A build in place wipes the root it runs on: one that is somebody's is refused.
func TestGuard(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "GoodEncoder", "0.0.1")
	h.add(b)
	h.commit("feat: add an encoder")

	host := container(t, baseImage(t), "sleep", "infinity")
	docker(t, "cp", program(t), host+":/usr/local/bin/hub-publish")
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
