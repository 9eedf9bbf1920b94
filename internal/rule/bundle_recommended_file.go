package rule

import (
	"path"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
)

// recommended says why a file is good to have, by its name.
var recommended = map[string]string{
	"README.md":        "say in it how the image is used",
	"tests":            "add unit tests, such as tests/test_encode.py",
	"requirements.txt": "name in it what the executor installs",
}

var bundleRecommendedFile = &Rule{
	ID:       "bundle/recommended-file",
	Severity: finding.Warning,
	About:    "A bundle has a `README.md`, `tests/`, and, where it has `*.py` files, a `requirements.txt`.",
	Check: func(p *Pass) {
		for _, name := range p.Config.RecommendedFiles {
			if p.has(name) || name == "requirements.txt" && !p.isPython() {
				continue
			}
			why := recommended[name]
			if why == "" {
				why = "this hub recommends it"
			}
			p.Report(p.firstRequired(), finding.Line(1), "the bundle %s has no %s; %s", p.Path, name, why)
		}
	},
}

// has reports whether the bundle has a file of this path, or files in a directory of it.
func (p *Pass) has(name string) bool {
	at := path.Join(p.Path, name)
	for _, f := range p.files() {
		if f.Path == at || strings.HasPrefix(f.Path, at+"/") {
			return true
		}
	}
	return p.listingEnds() && p.Hub.Exists(at)
}

// isPython reports whether there is a Python file at the bundle's top.
func (p *Pass) isPython() bool {
	for _, f := range p.files() {
		if path.Dir(f.Path) == p.Path && strings.HasSuffix(f.Path, ".py") {
			return true
		}
	}
	return false
}
