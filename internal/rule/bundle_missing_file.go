package rule

import (
	"path"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

var bundleMissingFile = &Rule{
	ID:       "bundle/missing-file",
	Severity: finding.Error,
	About:    "A bundle has a `Dockerfile` and a `manifest.yml`.",
	Check: func(p *Pass) {
		for _, required := range []struct{ file, other, why string }{
			{hub.Dockerfile, manifest.File, "add the recipe of its image, with an ENTRYPOINT"},
			{manifest.File, hub.Dockerfile, "add it with at least name, kind, type and description"},
		} {
			if p.Hub.Has(p.Path, required.file) {
				continue
			}
			at := path.Join(p.Path, required.other)
			if !p.Hub.Has(p.Path, required.other) {
				at = p.Hub.FirstFile(p.Path)
			}
			p.Report(at, finding.Line(1), "the bundle %s has no %s; %s", p.Path, required.file, required.why)
		}
	},
}
