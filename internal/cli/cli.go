// Package cli is the program's front: it tells the action's run and the commands at a terminal apart, and turns what
// comes of them into an exit status.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"
)

// The exit statuses.
const (
	// OK is a run with nothing at or above fail-on.
	OK = 0
	// Failed is a run with findings, a failed build or a failed publication.
	Failed = 1
	// Wrong is a run that could not do its work: wrong inputs, a wrong configuration, or a checkout or machine that
	// does not allow it.
	Wrong = 2
)

// Environment is what the program is run in.
type Environment struct {
	// Dir is the working directory.
	Dir    string
	Getenv func(string) string
	Out    io.Writer
	Err    io.Writer
	// Sample holds the demo's hub in testdata/hub.
	Sample fs.FS
}

// inActions reports whether GitHub's runner reads what is printed.
func (e Environment) inActions() bool { return e.Getenv("GITHUB_ACTIONS") == "true" }

// store is where base images stay from one run to the next: the user's cache directory. A runner's container has none.
func (e Environment) store() string {
	dir, err := os.UserCacheDir()
	if err != nil || e.inActions() {
		return ""
	}
	return filepath.Join(dir, "hub-publish", "images")
}

// color reports whether a person at a terminal wants colours (https://no-color.org).
func (e Environment) color() bool {
	f, ok := e.Out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && e.Getenv("NO_COLOR") == ""
}

// command is one word that the program knows.
type command struct {
	// args shows the arguments.
	args string
	// about says in a line what the command does.
	about string
	run   func(ctx context.Context, args []string, e Environment) (int, error)
}

// commands are set in init: the help that one of them prints lists them all.
var commands map[string]command

func init() {
	commands = map[string]command{
		"plan":    {"[PATH…]", "Say which bundles a run would look at.", run("plan")},
		"check":   {"[PATH…]", "Check the bundles that changed, or those below PATH.", run("check")},
		"build":   {"[PATH…]", "Check the bundles and build their images.", run("build")},
		"publish": {"[PATH…]", "Check the bundles, build their images and push them.", run("publish")},
		"image":   {"DIR REFERENCE…", "Build the Dockerfile of any directory, push the image and print its digest.", image},
		"rules":   {"", "List the rules, with their severities.", listRules},
		"demo":    {"", "Show the whole way on a sample hub, without a network.", runDemo},
	}
}

// Run runs the program with its arguments and returns its exit status.
func Run(ctx context.Context, args []string, e Environment) int {
	status, err := dispatch(ctx, args, e)
	if errors.Is(err, flag.ErrHelp) {
		return OK
	}
	if err != nil {
		complain(e, err)
	}
	return status
}

func dispatch(ctx context.Context, args []string, e Environment) (int, error) {
	if len(args) == 0 && e.inActions() {
		return run("")(ctx, nil, e)
	}
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		fmt.Fprint(e.Out, usage())
		if len(args) == 0 {
			return Wrong, nil
		}
		return OK, nil
	}
	c, ok := commands[args[0]]
	if !ok {
		return Wrong, fmt.Errorf("there is no command %q; the commands are %s", args[0], strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
	}
	return c.run(ctx, args[1:], e)
}

func usage() string {
	var s strings.Builder
	s.WriteString("hub-publish checks, builds and publishes the bundles of a hub.\n\n")
	for _, name := range []string{"check", "build", "publish", "plan", "image", "rules", "demo"} {
		fmt.Fprintf(&s, "  hub-publish %-22s %s\n", name+" "+commands[name].args, commands[name].about)
	}
	s.WriteString("\nEach of the action's inputs is a flag of the same name: hub-publish check -help lists them.\n")
	return s.String()
}

// parse reads a command's flags, which may stand before and behind its arguments.
func parse(set *flag.FlagSet, args []string, e Environment) ([]string, error) {
	set.SetOutput(e.Err)
	var rest []string
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if set.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, set.Arg(0)), set.Args()[1:]
	}
}
