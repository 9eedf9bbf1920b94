package rule

import (
	"errors"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
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

// dockerfile is the bundle's parsed Dockerfile.
func (p *Pass) dockerfile() (*dockerfile.File, error) {
	if !p.Hub.Has(p.Path, hub.Dockerfile) {
		return nil, errors.New("no Dockerfile") // bundle/missing-file's matter
	}
	data, err := p.Hub.Read(p.DockerfilePath())
	if err != nil {
		return nil, err
	}
	return dockerfile.Parse(data)
}
