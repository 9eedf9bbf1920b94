//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// place is where a container action can build.
type place struct {
	// isolation is the one that the log names.
	isolation string
	// input is the action's input isolation.
	input string
	// options are given to docker run, beside the runner's own.
	options []string
	// socket reports whether the Docker socket is mounted.
	socket bool
}

// places are those of GitHub's runners, which mount the Docker socket and take no options, and that of a runner whose
// containers have the right to mount.
var places = []place{
	{isolation: "sibling", input: "auto", socket: true},
	{isolation: "in-place", input: "in-place", socket: true},
	{isolation: "sandbox", input: "auto", options: []string{
		"--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		// An overlay cannot lie on the container's own overlay.
		"--volume", "/tmp",
	}},
}

// inEachPlace runs a test in each of the places, side by side.
func inEachPlace(t *testing.T, test func(*testing.T, place)) {
	t.Helper()
	for _, p := range places {
		t.Run(p.isolation, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// inEachPlaceInTurn runs a test that takes the whole machine in each of the places.
func inEachPlaceInTurn(t *testing.T, test func(*testing.T, place)) {
	t.Helper()
	for _, p := range places {
		t.Run(p.isolation, func(t *testing.T) { test(t, p) })
	}
}

// separate reports whether a build's root is another one than the action's.
func (p place) separate() bool { return p.isolation != "in-place" }

// in is the step in a place.
func (a action) in(p place) action {
	a.place = p
	a.inputs = maps.Clone(a.inputs)
	if a.inputs == nil {
		a.inputs = map[string]string{}
	}
	a.inputs["isolation"] = p.input
	return a
}

// runnerEnvironment makes the runner's script start containers as this place does. The script takes no options for
// them, as the runner does not: a docker in front of Docker's adds them.
func (p place) runnerEnvironment(t *testing.T) []string {
	t.Helper()
	if len(p.options) == 0 {
		return nil
	}
	real, err := exec.LookPath("docker")
	if err != nil {
		t.Fatal(err)
	}
	// Not sh: Debian's loses variables whose names have a dash, as those of inputs have.
	script := fmt.Sprintf("#!/bin/bash\nif [ \"$1\" = run ]; then shift; set -- run %s \"$@\"; fi\nexec %s \"$@\"\n", strings.Join(p.options, " "), real)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "RA_NO_SOCK=1"}
}

// dockerRun are the arguments of docker run for a command of the action's image on a hub.
func (p place) dockerRun(t *testing.T, dir string, options, args []string) []string {
	t.Helper()
	all := append([]string{"run", "--rm", "--volume", dir + ":/hub", "--workdir", "/hub"}, p.options...)
	if p.socket {
		all = append(all, "--volume", "/var/run/docker.sock:/var/run/docker.sock")
	}
	all = append(append(all, options...), actionImage(t))
	return append(all, args...)
}

// expectIsolation looks for the place in the log.
func expectIsolation(t *testing.T, log string, p place) {
	t.Helper()
	if line := fmt.Sprintf("Builds run in the isolation %q.", p.isolation); !strings.Contains(log, line) {
		t.Errorf("the log does not say: %s\n%s", line, log)
	}
}

// program copies the program out of the action's image.
func program(t *testing.T) string {
	t.Helper()
	source := docker(t, "create", actionImage(t))
	defer docker(t, "rm", source)
	copied := filepath.Join(t.TempDir(), "hub-publish")
	docker(t, "cp", source+":/kaniko/hub-publish", copied)
	return copied
}
