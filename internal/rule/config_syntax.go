package rule

import (
	"path"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/manifest"
)

var configSyntax = &Rule{
	ID:       "config/syntax",
	Severity: finding.Error,
	About:    "Each `*.yml` file of a bundle is YAML; tags such as `!ImageReader` are fine.",
	Check: func(p *Pass) {
		for _, f := range p.files() {
			if path.Ext(f.Path) != ".yml" || f.Path == p.ManifestPath() || f.Link != "" {
				continue
			}
			data, err := p.Hub.Read(f.Path)
			if err != nil || len(data) > manifest.MaxSize {
				continue // a file so large is no configuration, and bundle/large-file's matter
			}
			if wrong := manifest.CheckYAML(data); wrong != nil {
				p.Report(f.Path, wrong.At, "%s", wrong.Message)
			}
		}
	},
}
