package rule

import "github.com/jina/hub-publish/internal/finding"

var manifestSyntax = &Rule{
	ID:       "manifest/syntax",
	Severity: finding.Error,
	About:    "The manifest is one YAML mapping without a key that stands twice.",
	Check: func(p *Pass) {
		if p.SyntaxError != nil {
			p.Report(p.ManifestPath(), p.SyntaxError.At, "%s", p.SyntaxError.Message)
		}
	},
}
