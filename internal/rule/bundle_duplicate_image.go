package rule

import (
	"fmt"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/wording"
)

var bundleDuplicateImage = &Rule{
	ID:       "bundle/duplicate-image",
	Severity: finding.Error,
	About:    "No two bundles make the same image.",
	Check: func(p *Pass) {
		f, ok := p.text("name")
		if !ok || p.Repository() == "" {
			return
		}
		others := p.sameImage(p.Bundle)
		for _, other := range others[:min(len(others), maxOthers)] {
			at := finding.Line(1)
			if name, ok := other.Manifest.Field("name"); ok {
				at = name.At
			}
			place := fmt.Sprintf("%s:%d", other.ManifestPath(), at.Line)
			p.Report(p.ManifestPath(), f.At, "this bundle and the one in %s make the same image, %s; give one of them another name", place, wording.Shorten(p.Repository()))
		}
	},
}

// maxOthers is how many others of a bundle are named: of many bundles, each with all others would be too many pairs.
const maxOthers = 10

// sameImage are the other bundles of the hub that make the same image, by their paths.
func (c *Checker) sameImage(b *hub.Bundle) []*hub.Bundle {
	var others []*hub.Bundle
	for _, other := range c.images()[b.Repository()] {
		if other.Path != b.Path {
			others = append(others, other)
		}
	}
	return others
}
