//go:build e2e

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// buildkit is the BuildKit of E2E_BUILDKIT, an address as buildctl takes it, with the program E2E_BUILDCTL.
type buildkit struct{ program, address string }

func newBuildkit(t *testing.T) buildkit {
	t.Helper()
	return buildkit{required(t, "E2E_BUILDCTL"), required(t, "E2E_BUILDKIT")}
}

// build builds a directory and pushes the image. The option cmdline makes BuildKit read the Dockerfile itself, also
// where that asks for a frontend by a syntax directive, which lies in a registry that no test asks.
func (b buildkit) build(t *testing.T, dir, reference string, buildArgs []string, options ...string) (status int, log string) {
	t.Helper()
	args := []string{
		"--addr", b.address, "build", "--progress=plain", "--frontend=dockerfile.v0", "--opt", "cmdline=docker/dockerfile:1",
		"--local", "context=" + dir, "--local", "dockerfile=" + dir, "--output", "type=image,name=" + reference + ",push=true",
	}
	args = append(args, options...)
	for _, arg := range buildArgs {
		args = append(args, "--opt", "build-arg:"+arg)
	}
	return command{name: b.program, args: args}.run(t)
}

// isolation is a way in which this project builds.
type isolation struct {
	name  string
	build func(t *testing.T, dir, reference string, buildArgs []string) (status int, log string)
}

// again is BuildKit itself, without what it remembers: a case that it does not build the same twice is no yardstick.
const again = "buildkit-again"

// newIsolations are those that E2E_ISOLATIONS names.
func newIsolations(t *testing.T, b buildkit) []isolation {
	t.Helper()
	program := program(t)
	all := []isolation{
		{again, func(t *testing.T, dir, reference string, buildArgs []string) (int, string) {
			return b.build(t, dir, reference, buildArgs, "--no-cache")
		}},
		{"sandbox", func(t *testing.T, dir, reference string, buildArgs []string) (int, string) {
			return command{name: program, args: imageArgs("sandbox", dir, reference, buildArgs)}.run(t)
		}},
		{"in-place", func(t *testing.T, dir, reference string, buildArgs []string) (int, string) {
			return inContainer(t, dir, nil, imageArgs("in-place", ".", reference, buildArgs))
		}},
		{"sibling", func(t *testing.T, dir, reference string, buildArgs []string) (int, string) {
			socket := []string{"--volume", "/var/run/docker.sock:/var/run/docker.sock"}
			return inContainer(t, dir, socket, imageArgs("sibling", ".", reference, buildArgs))
		}},
	}
	wanted := strings.Fields(required(t, "E2E_ISOLATIONS"))
	chosen := slices.DeleteFunc(all, func(i isolation) bool { return !slices.Contains(wanted, i.name) })
	if len(chosen) != len(wanted) {
		t.Fatalf("E2E_ISOLATIONS is %q: expected some of sandbox, in-place, sibling and "+again, wanted)
	}
	return chosen
}

// imageArgs are the arguments of the command that builds a directory and pushes the image.
func imageArgs(isolation, dir, reference string, buildArgs []string) []string {
	args := []string{"image", "--isolation", isolation, "--plain-http", os.Getenv("E2E_REGISTRY")}
	if len(buildArgs) > 0 {
		args = append(args, "--build-args", strings.Join(buildArgs, "\n"))
	}
	return append(args, dir, reference)
}

// inContainer runs the action's image as GitHub's runner does, with a directory as the workspace.
func inContainer(t *testing.T, workspace string, options, args []string) (int, string) {
	t.Helper()
	all := []string{"run", "--rm", "--workdir", "/github/workspace", "--volume", workspace + ":/github/workspace:ro"}
	return command{name: "docker", args: slices.Concat(all, options, []string{actionImage(t)}, args)}.run(t)
}
