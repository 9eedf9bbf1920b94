// Package usage says how a built image is tried: the tests that it must pass, and what the finding of one that it does not
// pass says.
package usage

import (
	"regexp"
	"time"
)

// The three basic usage tests of the Hub's document "Publish Your Pod Image to Jina Hub", each named for what it stands for.
const (
	// Run is `docker run IMAGE`.
	Run = "run"
	// CLI is `jina pod --uses docker://IMAGE`.
	CLI = "cli"
	// Flow is `Flow().add(uses='docker://IMAGE')`.
	Flow = "flow"
)

// Basic are the basic tests in their order. For a bundle of type app there is only the first.
var Basic = []string{Run, CLI, Flow}

// Dir is where a bundle has tests of its own, one a *.yml file, relative to the bundle.
const Dir = "tests/usage"

// NamePattern is what a test's name must match.
var NamePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Test is one way to start an image, and what is expected of it then. What is not set of a basic test is as that test has it;
// of another one, as `docker run IMAGE` has it.
type Test struct {
	Name string
	// Off leaves a basic test out.
	Off bool
	// Command replaces the image's entry point and command.
	Command []string
	// Arguments stand behind the entry point, instead of the image's command.
	Arguments []string
	// Environment is added to the image's.
	Environment map[string]string
	Ready       Ready
	// Timeout is how long it may take to be ready; 0 is the input ready-timeout.
	Timeout time.Duration
}

// Ready says how it is seen that a started image is ready. At the most one field is set; with none, it is ready once it
// listens on a TCP port.
type Ready struct {
	// Port is a TCP port on which it listens, from 1 to 65535.
	Port int
	// Log matches a line of what it prints.
	Log *regexp.Regexp
	// Exit is the exit status with which it ends by itself, from 0 to 255.
	Exit *int
	// Alive is how long it lives.
	Alive time.Duration
}
