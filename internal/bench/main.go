// Command bench builds the same images with this project's builder and with others, side by side in one run, and prints
// one table: wall time and peak memory, medians of some rounds, and their ratios to BuildKit. Each build ends with the
// image in a registry. Run it as root on a machine that does nothing else, with all that the
// tools write on a file system with a journal: ext4 without one makes new files slowly for minutes after many were removed
// (fs/ext4/ialloc.c, recently_deleted), and tools suffer for each other. For example:
//
//	go run ./internal/bench --registry 172.17.0.1:5000 --base 172.17.0.1:5000/debian:bookworm --image hub-publish:ci \
//		--buildkit unix:///run/buildkit/buildkitd.sock
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/builder"
)

// settings are the flags.
type settings struct {
	registry, base, program, image, buildctl, buildkit, kaniko string

	tools, scenarios string
	rounds           int
	pause            time.Duration
	sizes            sizes
}

func main() {
	builder.RunChild()
	var s settings
	flag.StringVar(&s.registry, "registry", "172.17.0.1:5000", "the registry to push to, by plain HTTP")
	flag.StringVar(&s.base, "base", "172.17.0.1:5000/debian:bookworm", "the image that all start from, with a shell and the core utilities")
	flag.StringVar(&s.program, "program", "hub-publish", "this project's program")
	flag.StringVar(&s.image, "image", "hub-publish:ci", "the action's image, for builds in place")
	flag.StringVar(&s.buildctl, "buildctl", "buildctl", "BuildKit's client")
	flag.StringVar(&s.buildkit, "buildkit", "unix:///run/buildkit/buildkitd.sock", "BuildKit's address")
	flag.StringVar(&s.kaniko, "kaniko", "", "a program around kaniko's executor.DoBuild that takes the arguments image --isolation=sandbox DIR REFERENCE")
	flag.StringVar(&s.tools, "tools", "", "the tools to run, separated by commas; by default all")
	flag.StringVar(&s.scenarios, "scenarios", "", "the scenarios to run, separated by commas; by default all")
	flag.IntVar(&s.rounds, "rounds", 5, "how many times each tool builds each scenario")
	flag.DurationVar(&s.pause, "pause", 3*time.Second, "the time between two builds, in which the disk comes to rest")
	flag.Parse()
	s.sizes = full
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, tells each measurement to log, and prints the table to out.
func run(ctx context.Context, s settings, out, log io.Writer) error {
	dir, err := os.MkdirTemp("", "hub-publish-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	scenarios, err := chosen(s.scenarios, allScenarios(s.base, s.sizes), func(c scenario) string { return c.name })
	if err != nil {
		return err
	}
	tools, err := chosen(s.tools, allTools(s, dir), func(t tool) string { return t.name })
	if err != nil {
		return err
	}
	fmt.Fprint(out, heading)
	for _, c := range scenarios {
		if err := c.lay(ctx, dir); err != nil {
			return err
		}
		r := newResults(c.name, tools)
		for round := range s.rounds {
			for i := range tools {
				t := tools[(i+round)%len(tools)] // nobody is always behind the same one
				m, err := measure(ctx, s, t, c, fmt.Sprintf("%s/bench%d/%s%d", s.registry, os.Getpid(), c.name, round))
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, t.name, err)
				}
				fmt.Fprintf(log, "%s round %d %-18s %6.2f s %5d MB\n", c.name, round+1, t.name, m.seconds, m.memory>>20)
				r.add(t, m)
			}
		}
		fmt.Fprint(out, r)
	}
	return nil
}

// chosen are the named ones of a list, in the list's order.
func chosen[T any](names string, all []T, name func(T) string) ([]T, error) {
	if names == "" {
		return all, nil
	}
	var known []string
	for _, one := range all {
		known = append(known, name(one))
	}
	wanted := strings.Split(names, ",")
	for _, w := range wanted {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("there is no %q; there are %s", w, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(one T) bool { return !slices.Contains(wanted, name(one)) }), nil
}

// measurement is one build, or one scenario's builds side by side.
type measurement struct {
	seconds float64
	memory  int64 // bytes
}

func measure(ctx context.Context, s settings, t tool, c scenario, to string) (measurement, error) {
	build, finish, err := t.prepare(ctx, c)
	if err != nil {
		return measurement{}, err
	}
	unix.Sync()
	time.Sleep(s.pause)
	peak := watch(t.processes)
	begin := time.Now()
	err = build(to + "-" + t.name)
	m := measurement{seconds: time.Since(begin).Seconds()}
	m.memory = peak()
	if finishErr := finish(); err == nil {
		err = finishErr
	}
	return m, err
}
