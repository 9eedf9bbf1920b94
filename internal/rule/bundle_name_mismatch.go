package rule

import (
	"path"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

var bundleNameMismatch = &Rule{
	ID:       "bundle/name-mismatch",
	Severity: finding.Warning,
	About:    "A bundle's directory has the name that its manifest tells.",
	Check: func(p *Pass) {
		f, ok := p.text("name")
		if dir := path.Base(p.Path); ok && f.Text() != dir {
			p.Report(p.ManifestPath(), f.At, "the name is %q, but the directory is called %q; call both alike", wording.Shorten(f.Text()), dir)
		}
	},
}
