//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// runnersOwn is what the runner mounts into the action's container.
var runnersOwn = []string{"/var/run/docker.sock", "/run/docker.sock", "/github", "/github/workspace", "/github/file_commands", "/github/home", "/github/runner_temp"}

// What a Dockerfile runs is a stranger's code: it sees no secret, speaks to nobody in the action's
// name, and its image is the only one that it makes.
func TestHostileBuild(t *testing.T) {
	t.Parallel()
	events := followDaemon(t)
	inEachPlace(t, func(t *testing.T, p place) { hostileBuild(t, p, events) })
}

func hostileBuild(t *testing.T, p place, events *daemon) {
	h := newHub(t)
	victim := newBundle(t, "VictimEncoder", "0.0.1")
	h.add(victim)
	hostile := newBundle(t, "HostileEncoder", "0.0.1") // built first: bundles go in the order of their paths
	hostile.dockerfile = lines(
		"FROM "+baseImage(t),
		// The pattern does not match itself.
		"RUN grep -rsl 's3cret-[0-9]' /github /kaniko /run /etc /tmp > /files; true",
		"RUN cat /proc/[0-9]*/environ | tr '\\0' '\\n' > /environment; true",
		"RUN for file in /github/file_commands/*; do echo hijack=yes >> $file; done; true",
		"RUN for dir in /github/workspace /kaniko/context; do echo hijack >> $dir/"+victim.path()+"/victimencoder.txt; done; true",
		"RUN for path in "+strings.Join(runnersOwn, " ")+"; do test ! -e $path || echo there is $path; done > /seen",
		`ENTRYPOINT ["cat", "/files", "/environment", "/seen"]`,
	)
	h.add(hostile)
	commit := h.commit("feat: add two encoders")
	namespace := newNamespace()
	secret := func() string { return fmt.Sprintf("s3cret-%d", rand.Uint64()) }

	workspace := h.checkout("push", commit, 1)
	step := pushTo(t, namespace, noCommit, commit, workspace).in(p)
	step.inputs["username"] = "somebody"
	step.inputs["password"] = secret()
	step.inputs["token"] = secret()
	got := step.run(t)
	got.expectExit(t, 0)
	expectIsolation(t, got.log, p)
	events.expectNothingLeft(t, got.container)

	reference := hostile.image(registry(t), namespace) + ":" + hostile.version
	pull(t, reference)
	loot := strings.Split(docker(t, "run", "--rm", reference), "\n")
	if !p.separate() && !slices.Contains(loot, "there is /github/workspace") {
		t.Errorf("the build does not look where it should: in place the workspace is there: %q", loot)
	}
	for _, line := range loot {
		if strings.Contains(line, "s3cret-") {
			t.Errorf("the build reads %s", line)
		}
		if strings.HasPrefix(line, "/") {
			t.Errorf("the build reads a secret in %s", line)
		}
		if p.separate() && strings.HasPrefix(line, "there is ") {
			t.Errorf("in the build %s", line)
		}
	}
	if !slices.ContainsFunc(loot, func(line string) bool { return strings.HasPrefix(line, "PATH=") }) {
		t.Errorf("the build did not even read its own environment: %q", loot)
	}
	if p.separate() {
		expectUntouched(t, workspace, got.workspace)
	}
	for name := range got.outputs {
		if name == "hijack" {
			t.Error("the build set an output")
		}
	}
	if strings.Contains(got.environment+got.summary, "hijack") {
		t.Errorf("the build set the job's environment %q or summary", got.environment)
	}

	reference = victim.image(registry(t), namespace) + ":" + victim.version
	pull(t, reference)
	if text := docker(t, "run", "--rm", "--entrypoint", "cat", reference, "/workspace/victimencoder.txt"); strings.Contains(text, "hijack") {
		t.Errorf("one bundle's build changed another's image: %q", text)
	}
}
