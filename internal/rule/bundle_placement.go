package rule

import (
	"path"
	"slices"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
)

var bundlePlacement = &Rule{
	ID:       "bundle/placement",
	Severity: finding.Error,
	About:    "A bundle stands at `<root>/<kinds>/[<group>/]<Name>/`, in the folder of the kind that its manifest names.",
	Check: func(p *Pass) {
		kind := p.Text("kind")
		known := slices.Contains(p.Config.Kinds, kind)
		switch {
		case !p.HasManifest:
		case !p.Place.WellPlaced:
			p.Report(p.ManifestPath(), finding.Line(1), "the bundle %s stands outside of the hub's layout; move it to %s", p.Path, p.target(kind, known))
		case known && kind != p.Place.Kind:
			f, _ := p.field("kind")
			p.Report(p.ManifestPath(), f.At, "kind is %q, but the bundle stands in the folder %q; move it to %s, or write `kind: %s`",
				kind, p.Place.Folder, p.target(kind, known), p.Place.Kind)
		}
	},
}

// target is the path where the bundle should stand: as it is, in the right kind folder.
func (p *Pass) target(kind string, known bool) string {
	name := path.Base(p.Path)
	if p.Place.Kind != "" && p.Place.Depth == 0 { // the kind folder itself
		if name = p.Text("name"); name == "" {
			name = "<Name>"
		}
	}
	if !known {
		return path.Join(p.Hub.Root(), "<kinds>", name) + ", where <kinds> is the plural of its kind"
	}
	group := ""
	if p.Place.Depth == 2 {
		group = path.Base(path.Dir(p.Path))
	}
	return path.Join(p.Hub.Root(), hub.KindFolder(kind), group, name)
}
