package rule

import (
	"path"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

// required says what to do about a required file that is not there, by its name.
var required = map[string]string{
	hub.Dockerfile: "add the recipe of its image, with an ENTRYPOINT",
	manifest.File:  "add it with at least name, kind, type and description",
}

var bundleMissingFile = &Rule{
	ID:       "bundle/missing-file",
	Severity: finding.Error,
	About:    "A bundle has a `Dockerfile` and a `manifest.yml`.",
	Check: func(p *Pass) {
		for _, name := range p.Config.RequiredFiles {
			why, usual := required[name]
			if p.hasFile(name) || !usual && p.has(name) {
				continue
			}
			if !usual {
				why = "this hub requires it"
			}
			p.Report(p.firstRequired(), finding.Line(1), "the bundle %s has no %s; %s", p.Path, name, why)
		}
	},
}

// firstRequired is where a finding on a file that is not there belongs: the manifest, else the Dockerfile, else the first
// of the bundle's files in byte order.
func (p *Pass) firstRequired() string {
	for _, name := range []string{manifest.File, hub.Dockerfile} {
		if p.hasFile(name) {
			return path.Join(p.Path, name)
		}
	}
	return p.Hub.FirstFile(p.Path)
}

// listingEnds reports whether the bundle has so many files that they are not all listed.
func (p *Pass) listingEnds() bool { return len(p.files()) == hub.MaxFiles }

// hasFile reports whether the bundle has a regular file, or a link to one, of this name.
func (p *Pass) hasFile(name string) bool {
	at := path.Join(p.Path, name)
	i, found := slices.BinarySearchFunc(p.files(), at, func(f hub.File, at string) int { return strings.Compare(f.Path, at) })
	if !found {
		return p.listingEnds() && p.Hub.Has(p.Path, name)
	}
	return p.files()[i].Link == "" || p.Hub.Has(p.Path, name)
}
