package rule

import (
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
)

var manifestRequired = &Rule{
	ID:       "manifest/required",
	Severity: finding.Error,
	About:    "The manifest has a name, a kind, a type and a description.",
	Check: func(p *Pass) {
		if p.Manifest == nil {
			return
		}
		example := map[string]string{
			"name":        "name: AwesomeEncoder",
			"kind":        "kind: encoder",
			"type":        "type: pod",
			"description": "description: what the image does, in a sentence",
		}
		for _, key := range hub.Required {
			switch f, ok := p.Manifest.Field(key); {
			case !ok:
				p.Report(p.ManifestPath(), finding.Line(1), "the required key %q is missing; add a line such as `%s`", key, example[key])
			case f.IsNull() || f.IsString() && blank(f):
				p.Report(p.ManifestPath(), f.KeyAt, "the required key %q has no value; write for example `%s`", key, example[key])
			}
		}
	},
}
