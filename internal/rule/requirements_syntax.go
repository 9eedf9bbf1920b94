package rule

import (
	"path"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/requirements"
)

var requirementsSyntax = &Rule{
	ID:       "requirements/syntax",
	Severity: finding.Error,
	About:    "Each line of `requirements.txt` is one that pip reads.",
	Check: func(p *Pass) {
		file := path.Join(p.Path, "requirements.txt")
		data, err := p.Hub.Read(file)
		if err != nil || len(data) > manifest.MaxSize {
			return
		}
		for _, wrong := range requirements.Check(data) {
			p.Report(file, finding.Line(wrong.Line), "%s", wrong.Message)
		}
	},
}
