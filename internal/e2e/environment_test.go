//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTimeout ends a command that hangs long before the test binary's own timeout would hide
// which one it was.
const commandTimeout = 10 * time.Minute

// required is an environment variable that .ci/run sets. A test without it proves nothing: it fails.
func required(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run these tests by .ci/run", name)
	}
	return value
}

func actionImage(t *testing.T) string { return required(t, "E2E_IMAGE") }
func registry(t *testing.T) string    { return required(t, "E2E_REGISTRY") }
func baseImage(t *testing.T) string   { return required(t, "E2E_BASE") }

// command is a program to run to its end.
type command struct {
	dir  string
	env  []string // added to what the test itself was started with
	name string
	args []string
}

// run returns the exit status and everything that was printed, both streams in order.
func (c command) run(t *testing.T) (int, string) {
	t.Helper()
	// Not the test's own context: a clean-up runs after that one's end.
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(plainEnvironment(), c.env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", cmd, err, &output)
	}
	return cmd.ProcessState.ExitCode(), output.String()
}

// must returns what a command that has to succeed printed, without the blanks around it.
func (c command) must(t *testing.T) string {
	t.Helper()
	status, output := c.run(t)
	if status != 0 {
		t.Fatalf("%s %s: exit status %d\n%s", c.name, strings.Join(c.args, " "), status, output)
	}
	return strings.TrimSpace(output)
}

// plainEnvironment is the test's environment without what a workflow that runs the tests would
// leak into the action under test.
func plainEnvironment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch prefix, _, _ := strings.Cut(name, "_"); prefix {
		case "GITHUB", "RUNNER", "ACTIONS", "INPUT", "STATE", "RA", "GIT":
		default:
			kept = append(kept, variable)
		}
	}
	return kept
}
