package rule

import (
	"net/url"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

var defaults = config.Default()

var manifestKind = &Rule{
	ID:       "manifest/kind",
	Severity: finding.Error,
	About:    "The kind is one of " + wording.List(defaults.Kinds) + ".",
	Check:    func(p *Pass) { p.oneOf("kind", p.Config.Kinds) },
}

var manifestType = &Rule{
	ID:       "manifest/type",
	Severity: finding.Error,
	About:    "The type is one of " + wording.List(defaults.Types) + ".",
	Check:    func(p *Pass) { p.oneOf("type", p.Config.Types) },
}

var manifestLicense = &Rule{
	ID:       "manifest/license",
	Severity: finding.Error,
	About:    "The license is one of " + wording.List(defaults.Licenses) + ".",
	Check:    func(p *Pass) { p.oneOf("license", p.Config.Licenses) },
}

var manifestVersion = &Rule{
	ID:       "manifest/version",
	Severity: finding.Error,
	About:    "The version is a semantic version 2.0.0: `0.0.10` or `1.2.0-rc.1`, not `1.0` or `v1.0.0`.",
	Check: func(p *Pass) {
		f, ok := p.text("version")
		if !ok {
			return
		}
		if _, err := semver.StrictNewVersion(f.Text()); err == nil {
			return
		}
		p.Report(p.ManifestPath(), f.At, "%q is not a semantic version; %s", wording.Shorten(f.Text()), mendVersion(f.Text()))
	},
}

// mendVersion says what to write instead of a version that is not one.
func mendVersion(wrong string) string {
	if v, err := semver.NewVersion(wrong); err == nil {
		return "write `version: " + v.String() + "`"
	}
	return "write three numbers, such as `version: 0.0.1`"
}

var manifestURL = &Rule{
	ID:       "manifest/url",
	Severity: finding.Error,
	About:    "url and documentation are absolute http or https addresses.",
	Check: func(p *Pass) {
		for _, key := range []string{"url", "documentation"} {
			f, ok := p.text(key)
			if !ok {
				continue
			}
			address, err := url.Parse(f.Text())
			if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" || strings.ContainsAny(f.Text(), " \t\n") {
				p.Report(p.ManifestPath(), f.At, "%s %q is not an absolute web address; write it from https:// on, or remove the key", key, wording.Shorten(f.Text()))
			}
		}
	},
}
