package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Unsupported is an instruction that the builder would run otherwise than `docker build` does.
type Unsupported struct {
	Line int
	// What names the instruction and its flag.
	What string
	// Instead says what to write.
	Instead string
}

// Unsupported are the instructions that kaniko v1.24.0 accepts and then leaves out or runs wrongly, without a word: RUN
// heredocs run an empty command, --mount and --network have no effect, --checksum is not verified.
func (f *File) Unsupported() []Unsupported {
	var found []Unsupported
	for _, stage := range f.Stages {
		for _, command := range stage.Commands {
			line := Line(command.Location())
			switch c := command.(type) {
			case *instructions.RunCommand:
				if len(c.Files) > 0 {
					found = append(found, Unsupported{line, "RUN with a heredoc (<<)", "join the commands with && and \\ at the line ends, or COPY a script and run it"})
				}
				for _, flag := range slices.Sorted(slices.Values(c.FlagsUsed)) { // they come in a map's order
					found = append(found, Unsupported{line, "RUN --" + flag, insteadOfRunFlag(flag)})
				}
			case *instructions.AddCommand:
				if c.Checksum != "" {
					found = append(found, Unsupported{line, "ADD --checksum", "use RUN with curl and sha256sum --check"})
				}
				if len(c.SourceContents) > 0 {
					found = append(found, heredoc(line, "ADD"))
				}
				for _, source := range c.SourcePaths {
					if strings.HasPrefix(source, "git@") || strings.HasSuffix(source, ".git") {
						found = append(found, Unsupported{line, "ADD of a git repository", "use RUN git clone"})
					}
				}
			case *instructions.CopyCommand:
				if len(c.SourceContents) > 0 {
					found = append(found, heredoc(line, "COPY"))
				}
				if c.Parents {
					found = append(found, Unsupported{line, "COPY --parents", "name each directory in a COPY of its own"})
				}
				if len(c.ExcludePatterns) > 0 {
					found = append(found, Unsupported{line, "COPY --exclude", "name what to leave out in .dockerignore"})
				}
			}
		}
	}
	return found
}

func heredoc(line int, instruction string) Unsupported {
	return Unsupported{line, instruction + " with a heredoc (<<)", "keep the text in a file of the bundle and COPY it"}
}

func insteadOfRunFlag(flag string) string {
	switch flag {
	case "mount":
		return "COPY the files that the command needs, and remove its caches in the same RUN"
	case "network":
		return "leave the flag out"
	default:
		return "leave the flag out; an image of the hub is built without further rights"
	}
}
