package rule

import (
	"errors"
	"fmt"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

var dockerfileSyntax = &Rule{
	ID:       "dockerfile/syntax",
	Severity: finding.Error,
	About:    "The Dockerfile is one that Docker's parser accepts.",
	Check: func(p *Pass) {
		var syntax *dockerfile.SyntaxError
		if _, err := p.dockerfile(); errors.As(err, &syntax) {
			p.Report(p.DockerfilePath(), finding.Line(syntax.Line), "%s", syntax.Message)
		}
	},
}

var dockerfileUnsupported = &Rule{
	ID:       "dockerfile/unsupported",
	Severity: finding.Error,
	About:    "The Dockerfile asks for nothing that the builder would leave out.",
	Check: func(p *Pass) {
		file, err := p.dockerfile()
		if err != nil {
			return
		}
		for _, u := range file.Unsupported(false) {
			p.Report(p.DockerfilePath(), finding.Line(u.Line), "the builder does not support %s; %s", u.What, u.Instead)
		}
	},
}

// parseDockerfile reads a bundle's Dockerfile.
func (c *Checker) parseDockerfile(b *hub.Bundle, read func(file string) ([]byte, error)) (*dockerfile.File, error) {
	data, err := read(b.DockerfilePath())
	if err != nil {
		return nil, err // bundle/missing-file's matter
	}
	if len(data) > manifest.MaxSize {
		return nil, &dockerfile.SyntaxError{Line: 1, Message: fmt.Sprintf("the Dockerfile is larger than %d bytes, which is the limit; let it run a script for what is long", manifest.MaxSize)}
	}
	return dockerfile.Parse(data)
}
