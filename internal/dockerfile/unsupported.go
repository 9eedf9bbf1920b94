package dockerfile

import (
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/jina/hub-publish/internal/wording"
)

// Unsupported is what the builder cannot do as `docker build` does it.
type Unsupported struct {
	Line int
	// What names the instruction and its flag.
	What string
	// Instead says what to write.
	Instead string
}

// Unsupported are the parts of a Dockerfile that ask for more than a build of a hub gets: rights on the machine, secrets,
// another reader of the Dockerfile. In place, where nothing can be mounted and there is one network, there are some more.
func (f *File) Unsupported(inPlace bool) []Unsupported {
	var found []Unsupported
	if syntax, _, location, ok := parser.DetectSyntax(f.data); ok && !dockersFrontend.MatchString(syntax) {
		found = append(found, Unsupported{Line(location), "# syntax=" + wording.Shorten(syntax), "leave the line out: Dockerfiles are read as docker/dockerfile:1 reads them"})
	}
	for _, stage := range f.Stages {
		for _, command := range stage.Commands {
			if run, ok := command.(*instructions.RunCommand); ok {
				found = append(found, unsupportedRun(run, inPlace)...)
			}
		}
	}
	return found
}

// dockersFrontend are the names of the frontend whose library reads the Dockerfiles.
var dockersFrontend = regexp.MustCompile(`^(docker\.io/)?docker/dockerfile(-upstream)?(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$`)

func unsupportedRun(run *instructions.RunCommand, inPlace bool) []Unsupported {
	line := Line(run.Location())
	var found []Unsupported
	add := func(what, instead string) { found = append(found, Unsupported{line, what, instead}) }
	switch instructions.GetNetwork(run) {
	case instructions.NetworkHost:
		add("RUN --network=host", "leave the flag out: the command has a network without it")
	case instructions.NetworkNone:
		if inPlace {
			add("RUN --network=none", "leave the flag out, or build on a runner with a Docker socket: here the build cannot have a network of its own")
		}
	}
	if instructions.GetSecurity(run) == instructions.SecurityInsecure {
		add("RUN --security=insecure", "leave the flag out; an image of the hub is built without further rights")
	}
	if slices.Contains(run.FlagsUsed, "device") {
		add("RUN --device", "leave the flag out; an image of the hub is built without devices")
	}
	for _, mount := range mounts(run) {
		switch {
		case mount.Type == instructions.MountTypeBind && inPlace:
			add("RUN --mount=type=bind", "COPY the files that the command needs, or build on a runner with a Docker socket: nothing can be mounted here")
		case mount.Type == instructions.MountTypeSSH:
			add("RUN --mount=type=ssh", "clone by https, or COPY what the command needs: a build of the hub has no keys")
		case mount.Type == instructions.MountTypeSecret && mount.Required:
			add("RUN --mount=type=secret,required", "leave `required` out and do without: a build of the hub has no secrets")
		}
	}
	return found
}

// mounts are what the flags of a RUN ask for. The parser tells of them only once it knows the variables' values; what does
// not depend on any is known without, and a 0 may stand for most of what does: an owner, a mode, a size, a name.
func mounts(run *instructions.RunCommand) []*instructions.Mount {
	err := run.Expand(func(word string) (string, error) {
		if strings.Contains(word, "$") {
			return "0", nil
		}
		return word, nil
	})
	if err != nil {
		return nil // the conversion says what is wrong, or the worker what it does not do
	}
	return instructions.GetMounts(run)
}
