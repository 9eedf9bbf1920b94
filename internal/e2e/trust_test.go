//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What a Dockerfile runs is a stranger's code: it sees no secret, speaks to nobody in the action's
// name, and its image is the only one that it makes.
func TestHostileBuild(t *testing.T) {
	t.Parallel()
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
		`ENTRYPOINT ["cat", "/files", "/environment"]`,
	)
	h.add(hostile)
	commit := h.commit("feat: add two encoders")
	namespace := newNamespace()
	secret := func() string { return fmt.Sprintf("s3cret-%d", rand.Uint64()) }

	step := pushTo(t, namespace, noCommit, commit, h.checkout("push", commit, 1))
	step.inputs["username"] = "somebody"
	step.inputs["password"] = secret()
	step.inputs["token"] = secret()
	got := step.run(t)
	got.expectExit(t, 0)

	reference := hostile.image(registry(t), namespace) + ":" + hostile.version
	pull(t, reference)
	loot := strings.Split(docker(t, "run", "--rm", reference), "\n")
	for _, line := range loot {
		if strings.Contains(line, "s3cret-") {
			t.Errorf("the build reads %s", line)
		}
		if strings.HasPrefix(line, "/") {
			t.Errorf("the build reads a secret in %s", line)
		}
	}
	if !slices.ContainsFunc(loot, func(line string) bool { return strings.HasPrefix(line, "PATH=") }) {
		t.Errorf("the build did not even read its own environment: %q", loot)
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
