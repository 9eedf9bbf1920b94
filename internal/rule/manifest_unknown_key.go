package rule

import (
	"maps"
	"slices"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
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
		there := map[string]bool{}
		for _, f := range p.Manifest.Fields {
			there[f.Key] = true
		}
		for _, f := range p.Manifest.Fields {
			if slices.Contains(known, f.Key) {
				continue
			}
			const message = "the Hub does not know the key %q;%s known keys are %s"
			args := []any{wording.Shorten(f.Key), wording.DidYouMean(f.Key, known), wording.List(known)}
			n := wording.Nearest(f.Key, known)
			if n != "" && !there[n] {
				p.Mend(p.ManifestPath(), f.KeyAt, n, message, args...)
			} else {
				p.Report(p.ManifestPath(), f.KeyAt, message, args...)
			}
		}
	},
}
