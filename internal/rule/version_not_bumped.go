package rule

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/finding"
)

var versionNotBumped = &Rule{
	ID:       "version/not-bumped",
	Severity: finding.Error,
	About:    "A bundle with a changed file has a higher version than before.",
	Check: func(p *Pass) {
		if p.Manifest == nil || p.Base == nil || !slices.ContainsFunc(p.Changed, p.needsVersion) {
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
		const message = "the bundle changed, but its version %s %s; write `version: %s` or higher"
		p.Mend(p.ManifestPath(), at, next.String(), message, verb, now.Original(), next.String())
	},
}

// needsVersion reports whether a change of one of the bundle's files asks for a new version.
func (p *Pass) needsVersion(file string) bool {
	return p.Config.NeedsVersion(strings.TrimPrefix(file, p.Path+"/"))
}
