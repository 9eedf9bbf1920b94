package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	imagespec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/proto"
)

// ContextName is the name of the local source that stands for the build's context.
const ContextName = "context"

// Options are what a conversion needs beside the Dockerfile.
type Options struct {
	BuildArgs map[string]string
	// Platform is the platform to build for; nil is the base image's, or this machine's.
	Platform *ocispecs.Platform
	// Labels are given to the image, over those of the Dockerfile.
	Labels map[string]string
	// Created is what SOURCE_DATE_EPOCH says where the Dockerfile declares it.
	Created time.Time
	// Resolver finds the configuration of base images.
	Resolver sourceresolver.ImageMetaResolver
}

// Target is one stage, converted.
type Target struct {
	// Definition describes the stage's file system: a marshalled pb.Definition, which package graph reads.
	Definition []byte
	// Image is the image's configuration, without its layers.
	Image *imagespec.DockerOCIImage
}

// Convert turns the stages into what is to be done for them, with BuildKit's own frontend: what an instruction means is
// decided where `docker build` decides it. The last target is the image; the others are there because a hub's tests may
// be in a stage that the image does not use. Its error is a *SyntaxError where the Dockerfile is to blame.
func (f *File) Convert(ctx context.Context, options Options) ([]Target, error) {
	var targets []Target
	for i := range f.Stages {
		target, err := f.convert(ctx, i, options)
		if err != nil {
			return nil, f.convertError(err)
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func (f *File) convert(ctx context.Context, stage int, options Options) (Target, error) {
	source, name := f.named(stage)
	caps := pb.Caps.CapSet(pb.Caps.All())
	// Without an ID, the context would be another one for each target, and what is made of it would be made again.
	local := llb.Local(ContextName, llb.LocalUniqueID(ContextName))
	config := dockerui.Config{BuildArgs: map[string]string{}, Target: name}
	for key, value := range options.BuildArgs {
		config.BuildArgs[key] = value
	}
	if _, given := config.BuildArgs[epochArg]; !given && f.declares(epochArg) {
		config.BuildArgs[epochArg] = strconv.FormatInt(options.Created.Unix(), 10)
	}
	if stage == len(f.Stages)-1 {
		config.Labels = options.Labels
	}
	var mutex sync.Mutex // BuildKit resolves several images at a time, and has findings on each
	var warned []parser.Range
	var warn linter.LintWarnFunc
	if f.failsOnFindings() {
		warn = func(_, _, _, _ string, location []parser.Range) {
			mutex.Lock()
			defer mutex.Unlock()
			if warned == nil {
				warned = location
			}
		}
	}
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, source, dockerfile2llb.ConvertOpt{
		Warn: warn, Config: config, MainContext: &local, LLBCaps: &caps, MetaResolver: options.Resolver, TargetPlatform: options.Platform,
		SourceMap: llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", f.data),
	})
	if err != nil {
		if warned != nil && !errors.As(err, new(*parser.LocationError)) {
			err = parser.WithLocation(err, warned)
		}
		return Target{}, err
	}
	definition, err := result.State.Marshal(ctx)
	if err != nil {
		return Target{}, err
	}
	data, err := proto.Marshal(definition.ToPB())
	if err != nil {
		return Target{}, err
	}
	return Target{Definition: data, Image: result.Image}, nil
}

// failsOnFindings reports whether the Dockerfile asks that BuildKit's own findings fail a build: `# check=error=true`.
// Otherwise nobody needs to know them.
func (f *File) failsOnFindings() bool {
	text, _, _, _ := parser.ParseDirective("check", f.data)
	options, err := linter.ParseLintOptions(text)
	return err == nil && options.ReturnAsError
}

// epochArg is the build argument that tells the time of the sources (reproducible-builds.org/specs/source-date-epoch).
const epochArg = "SOURCE_DATE_EPOCH"

// declares reports whether a stage has an ARG of the name.
func (f *File) declares(arg string) bool {
	declares := func(c *instructions.ArgCommand) bool {
		return slices.ContainsFunc(c.Args, func(a instructions.KeyValuePairOptional) bool { return a.Key == arg })
	}
	for _, stage := range f.Stages {
		for _, command := range stage.Commands {
			if c, ok := command.(*instructions.ArgCommand); ok && declares(c) {
				return true
			}
		}
	}
	return slices.ContainsFunc(f.Args, func(c instructions.ArgCommand) bool { return declares(&c) })
}

// named is the Dockerfile's text, and the name that stands in it for a stage. BuildKit converts stages by their names: one
// that has none, or whose name a later stage takes, gets one at the end of its FROM, and all lines stay where they are.
func (f *File) named(stage int) (text []byte, name string) {
	s := f.Stages[stage]
	if stage == len(f.Stages)-1 {
		return f.data, ""
	}
	later := slices.ContainsFunc(f.Stages[stage+1:], func(other instructions.Stage) bool { return strings.EqualFold(other.Name, s.Name) })
	if s.Name != "" && !later {
		return f.data, s.Name
	}
	name = fmt.Sprintf("hub-publish-stage-%d", stage)
	from := s.SourceCode // on one line, also where it is continued
	switch {
	case s.Name != "":
		from = from[:strings.LastIndexAny(from, " \t\v\f\r")+1] + name
	case s.OrigCmd == strings.ToLower(s.OrigCmd): // BuildKit has a finding where the two are not of one case
		from += " as " + name
	default:
		from += " AS " + name
	}
	lines := strings.SplitAfter(string(f.data), "\n")
	first, end := s.Location[0].Start.Line-1, s.Location[len(s.Location)-1].End.Line-1
	for i := first; i <= end; i++ {
		lines[i] = "\n"
	}
	lines[first] = from + "\n"
	return []byte(strings.Join(lines, "")), name
}

// convertError gives an error of the conversion its line.
func (f *File) convertError(err error) error {
	line := lineOf(err)
	var unresolved *ResolveError
	if errors.As(err, &unresolved) {
		if unresolved.Line = line; line == 0 {
			unresolved.Line = f.firstLine(func(c instructions.Command) bool { return mountsImage(c, unresolved.Image) })
		}
		return unresolved
	}
	syntax := syntaxError(err)
	if line == 0 {
		syntax.Line = f.firstLine(f.copiesFromNoStage)
	}
	return syntax
}

// firstLine is the line of the first instruction that is at fault, where BuildKit's error does not tell it; 1 if none is.
func (f *File) firstLine(atFault func(instructions.Command) bool) int {
	for _, stage := range f.Stages {
		for _, command := range stage.Commands {
			if atFault(command) {
				return Line(command.Location())
			}
		}
	}
	return 1
}

// mountsImage reports whether an instruction is a RUN that mounts an image.
func mountsImage(command instructions.Command, image string) bool {
	run, ok := command.(*instructions.RunCommand)
	return ok && slices.ContainsFunc(instructions.GetMounts(run), func(m *instructions.Mount) bool {
		from, err := reference.ParseNormalizedNamed(m.From)
		return err == nil && reference.TagNameOnly(from).String() == image
	})
}

// copiesFromNoStage reports whether an instruction is a COPY from a stage by a variable, or by a number that no stage has.
func (f *File) copiesFromNoStage(command instructions.Command) bool {
	c, ok := command.(*instructions.CopyCommand)
	if !ok {
		return false
	}
	number, err := strconv.Atoi(c.From)
	return strings.Contains(c.From, "$") || err == nil && (number < 0 || number >= len(f.Stages))
}

// ResolveError says which image could not be had. A resolver returns it.
type ResolveError struct {
	Image string
	Line  int
	Err   error
}

func (e *ResolveError) Error() string { return fmt.Sprintf("the image %s: %v", e.Image, e.Err) }
func (e *ResolveError) Unwrap() error { return e.Err }
