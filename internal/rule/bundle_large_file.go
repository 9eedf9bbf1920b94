package rule

import (
	"github.com/docker/go-units"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
)

var bundleLargeFile = &Rule{
	ID:       "bundle/large-file",
	Severity: finding.Warning,
	About:    "No file of a bundle is larger than 1 MiB: the image downloads what is, while it builds.",
	Check: func(p *Pass) {
		limit := p.Config.Limits.LargeFile
		if p.listingEnds() {
			p.Report(p.firstRequired(), finding.Line(1), "the bundle %s has %d files or more, and those behind them are not checked; let the Dockerfile download them, and remove them here", p.Path, hub.MaxFiles)
		}
		for _, f := range p.files() {
			if f.Link == "" && f.Size > limit {
				p.Report(f.Path, finding.Line(1), "this file has %s, and the limit is %s; let the Dockerfile download it, and remove it here", units.BytesSize(float64(f.Size)), units.BytesSize(float64(limit)))
			}
		}
	},
}
