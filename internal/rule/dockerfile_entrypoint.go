package rule

import (
	"cmp"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
)

var dockerfileEntrypoint = &Rule{
	ID:       "dockerfile/entrypoint",
	Severity: finding.Warning,
	About:    "The Dockerfile's final stage sets an ENTRYPOINT or a CMD.",
	Check: func(p *Pass) {
		file, err := p.dockerfile()
		if err != nil || file.CommandLine() > 0 {
			return
		}
		p.Report(p.DockerfilePath(), finding.Line(lastFrom(file)), "the final stage sets neither ENTRYPOINT nor CMD, and the image does not say what it runs; write for example `ENTRYPOINT [\"jina\", \"pod\", \"--uses\", \"config.yml\"]`")
	},
}

// LastFrom is the line of the last FROM in a bundle's Dockerfile.
func (c *Checker) LastFrom(b *hub.Bundle) int {
	file, err := c.parseDockerfile(b, c.Hub.Read)
	if err != nil {
		return 1
	}
	return lastFrom(file)
}

// CommandLine is the line in a bundle's Dockerfile that says what the image runs; that of the last FROM where the base image
// does.
func (c *Checker) CommandLine(b *hub.Bundle) int {
	file, err := c.parseDockerfile(b, c.Hub.Read)
	if err != nil {
		return 1
	}
	return cmp.Or(file.CommandLine(), lastFrom(file))
}

func lastFrom(file *dockerfile.File) int {
	return dockerfile.Line(file.Stages[len(file.Stages)-1].Location)
}
