package rule

import (
	"maps"
	"slices"

	"github.com/jina/hub-publish/internal/finding"
)

var manifestUnknownKey = &Rule{
	ID:       "manifest/unknown-key",
	Severity: finding.Warning,
	About:    "The manifest has no key that the Hub does not know.",
	Check: func(p *Pass) {
		if p.Manifest == nil {
			return
		}
		known := slices.Sorted(maps.Keys(valueTypes))
		for _, f := range p.Manifest.Fields {
			if !slices.Contains(known, f.Key) {
				p.Report(p.ManifestPath(), f.KeyAt, "the Hub does not know the key %q;%s known keys are %s", shorten(f.Key), didYouMean(f.Key, known), list(known))
			}
		}
	},
}
