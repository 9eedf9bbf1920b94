package rule

import (
	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/finding"
)

var versionNotBumped = &Rule{
	ID:       "version/not-bumped",
	Severity: finding.Error,
	About:    "A bundle with a changed file has a higher version than before.",
	Check: func(p *Pass) {
		if p.Manifest == nil || p.Base == nil || !p.Changed {
			return
		}
		at := finding.Line(1)
		if f, ok := p.field("version"); ok {
			at = f.At
		}
		// A version that is written wrongly (1.0) is other rules' matter; here it counts for what it was meant to be.
		before, err := semver.NewVersion(p.Base.Text("version"))
		if err != nil {
			return
		}
		now, err := semver.NewVersion(p.Text("version"))
		if err != nil || now.GreaterThan(before) {
			return
		}
		next := before.IncPatch()
		verb := "is still"
		if !now.Equal(before) {
			verb = "goes back from " + before.Original() + " to"
		}
		p.Report(p.ManifestPath(), at, "the bundle changed, but its version %s %s; write `version: %s` or higher", verb, now.Original(), next.String())
	},
}
