package rule

import (
	"path"

	"github.com/jina/hub-publish/internal/finding"
)

var bundleNested = &Rule{
	ID:       "bundle/nested",
	Severity: finding.Error,
	About:    "A bundle does not stand inside of another one.",
	Check: func(p *Pass) {
		for above := path.Dir(p.Path); above != "."; above = path.Dir(above) {
			if p.isBundle(above) {
				p.Report(p.firstRequired(), finding.Line(1), "the bundle %s stands inside of the bundle %s, whose image would hold it too; move it out, beside that one", p.Path, above)
				return
			}
		}
	},
}

// isBundle reports whether a directory is a bundle. Many bundles ask it of the same directories above them.
func (c *Checker) isBundle(dir string) bool {
	if known, ok := c.bundles.Load(dir); ok {
		return known.(bool)
	}
	is := c.Hub.IsBundle(dir)
	c.bundles.Store(dir, is)
	return is
}
