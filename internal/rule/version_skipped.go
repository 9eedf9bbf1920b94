package rule

import (
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/finding"
)

var versionSkipped = &Rule{
	ID:       "version/skipped",
	Severity: finding.Warning,
	About:    "A version grows to the next patch, minor or major one, or to a pre-release of it.",
	Check: func(p *Pass) {
		if p.Manifest == nil || p.Base == nil {
			return
		}
		f, ok := p.text("version")
		if !ok {
			return
		}
		now, err := semver.StrictNewVersion(f.Text())
		if err != nil {
			return // manifest/version has said so
		}
		before, err := semver.NewVersion(p.Base.Text("version"))
		if err != nil || !now.GreaterThan(before) {
			return
		}
		// The next patch version of a pre-release is the release that it stands for.
		next := []semver.Version{before.IncPatch(), before.IncMinor(), before.IncMajor()}
		released, _ := now.SetPrerelease("")
		var names []string
		for _, n := range next {
			if released.Equal(&n) {
				return
			}
			names = append(names, n.String())
		}
		p.Report(p.ManifestPath(), f.At, "the version goes from %s to %s and leaves some out; after %s comes %s", before.Original(), now.Original(), before.Original(), strings.Join(names, " or "))
	},
}
