package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// tool is a way to build a scenario's images and to push them.
type tool struct {
	name string
	// yardstick is the tool that this one is compared with.
	yardstick string
	processes processes
	// prepare does what is not measured: finish tidies up behind build, which pushes to repositories that begin with to.
	prepare func(ctx context.Context, c scenario) (build func(to string) error, finish func() error, err error)
}

const (
	warm = "buildkit-warm"
	cold = "buildkit-cold"
)

// allTools are the tools; dir is a directory for their files. Warm ones have the base image from a build before, but no
// layer that they made.
func allTools(s settings, dir string) []tool {
	buildctl := []string{s.buildctl, "--addr", s.buildkit}
	storage := []string{"--root", filepath.Join(dir, "buildah"), "--runroot", filepath.Join(dir, "buildah-run"), "--storage-driver", "overlay"}
	buildkit := func(dir, ref string) []command {
		return []command{slices.Concat(buildctl, []string{"build", "--no-cache", "--progress=plain", "--frontend=dockerfile.v0",
			"--local=context=" + dir, "--local=dockerfile=" + dir, "--output=type=image,name=" + ref + ",push=true"})}
	}
	buildah := func(dir, ref string) []command {
		return []command{
			slices.Concat([]string{"buildah"}, storage, []string{"bud", "--no-cache", "--tls-verify=false", "--tag", ref, dir}),
			slices.Concat([]string{"buildah"}, storage, []string{"push", "--tls-verify=false", ref}),
		}
	}
	kaniko := func(dir, ref string) []command {
		return []command{{s.kaniko, "image", "--isolation=sandbox", dir, ref}}
	}
	daemon := processes{daemon: "buildkitd"}
	tools := []tool{
		{"ours-warm", warm, processes{}, s.atTerminal(filepath.Join(dir, "warm"))},
		{"ours-api", warm, processes{self: true}, s.inProcess},
		{warm, warm, daemon, s.each(nil, buildkit)},
		{"buildah-warm", warm, processes{}, s.each(nil, buildah)},
		{"ours-cold", cold, processes{}, s.atTerminal("")},
		{"ours-in-place", cold, processes{containers: true}, s.inPlace},
		{cold, cold, daemon, s.each(append(buildctl, "prune", "--all"), buildkit)},
		{"buildah-cold", cold, processes{}, s.each(slices.Concat([]string{"buildah"}, storage, []string{"rmi", "--all", "--force"}), buildah)},
	}
	if s.kaniko != "" {
		tools = append(tools, tool{"kaniko", cold, processes{}, s.each(command{"true"}, kaniko)})
	}
	return tools
}

// command is a program and its arguments.
type command []string

// run runs the command in a directory, with variables added to the environment.
func (c command) run(ctx context.Context, dir string, env ...string) error {
	cmd := exec.CommandContext(ctx, c[0], c[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, output)
	}
	return nil
}

// each is a tool that builds one directory at a time, so that several run side by side. Its commands are run one after
// another. clean makes it cold before each scenario; without, the first one is built once more, to warm it.
func (s settings) each(clean command, commands func(dir, ref string) []command) func(context.Context, scenario) (func(string) error, func() error, error) {
	warmed := false
	return func(ctx context.Context, c scenario) (func(string) error, func() error, error) {
		build := func(to string) error {
			group, ctx := errgroup.WithContext(ctx)
			group.SetLimit(parallel)
			for i := range c.bundles {
				group.Go(func() error {
					for _, command := range commands(filepath.Join(c.dir, c.bundle(i)), to+"/"+strconv.Itoa(i)) {
						if err := command.run(ctx, ""); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return group.Wait()
		}
		var err error
		if clean != nil {
			err = clean.run(ctx, "")
		} else if !warmed {
			warmed, err = true, build(s.aside())
		}
		return build, nothing, err
	}
}

// aside is where images are pushed to that are built to warm a tool.
func (s settings) aside() string { return fmt.Sprintf("%s/bench%d/aside", s.registry, os.Getpid()) }

func nothing() error { return nil }

// arguments are those of this project's program for a scenario: image for one bundle, publish for a hub of several.
func (s settings) arguments(c scenario, isolation, to string) []string {
	if c.bundles == 1 {
		return []string{"image", "--isolation", isolation, "--plain-http", s.registry, c.bundle(0), to + "/0"}
	}
	return []string{"publish", "--isolation", isolation, "--registry", s.registry, "--plain-http", s.registry, "--namespace", strings.TrimPrefix(to, s.registry+"/"),
		"--required-approvals", "0", "--jobs", strconv.Itoa(parallel), "executors"}
}

// atTerminal is this project's program with a directory in which base images stay; with none, each build has a new one.
func (s settings) atTerminal(cache string) func(context.Context, scenario) (func(string) error, func() error, error) {
	return func(ctx context.Context, c scenario) (func(string) error, func() error, error) {
		here := cache
		build := func(to string) error {
			return append(command{s.program}, s.arguments(c, "sandbox", to)...).run(ctx, c.dir, "XDG_CACHE_HOME="+here)
		}
		if here == "" {
			// It is not removed before the end: many removals make the builds after them slower.
			var err error
			here, err = os.MkdirTemp(filepath.Dir(c.dir), "cold-")
			return build, nothing, err
		}
		if _, err := os.Stat(here); err == nil {
			return build, nothing, nil
		}
		return build, nothing, build(s.aside())
	}
}

// inPlace is the action's image without the Docker socket.
func (s settings) inPlace(ctx context.Context, c scenario) (func(string) error, func() error, error) {
	build := func(to string) error {
		docker := command{"docker", "run", "--rm", "--volume", c.dir + ":/hub", "--workdir", "/hub", s.image}
		return append(docker, s.arguments(c, "in-place", to)...).run(ctx, "")
	}
	return build, nothing, nil
}
