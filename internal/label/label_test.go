package label_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/label"
	"github.com/jina/hub-publish/internal/manifest"
)

const tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

var source = label.Source{
	URL: "https://github.com/jina/hub/tree/0123/encoders/nlp/Awesome", Revision: "0123", Tree: tree,
	Created: time.Date(2021, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600)),
}

// defaults are the labels of a bundle whose manifest says nothing.
var defaults = map[string]string{
	"ai.jina.hub.author":                "Jina AI Dev-Team (dev-team@jina.ai)",
	"ai.jina.hub.license":               "apache-2.0",
	"ai.jina.hub.tree":                  tree,
	"ai.jina.hub.vendor":                "Jina AI Limited",
	"ai.jina.hub.version":               "0.0.0",
	"org.opencontainers.image.authors":  "Jina AI Dev-Team (dev-team@jina.ai)",
	"org.opencontainers.image.created":  "2021-02-03T03:05:06Z",
	"org.opencontainers.image.licenses": "Apache-2.0",
	"org.opencontainers.image.revision": "0123",
	"org.opencontainers.image.source":   "https://github.com/jina/hub/tree/0123/encoders/nlp/Awesome",
	"org.opencontainers.image.vendor":   "Jina AI Limited",
	"org.opencontainers.image.version":  "0.0.0",
}

func labels(t *testing.T, text string, s label.Source) map[string]string {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return label.Of(&hub.Bundle{Manifest: m}, s)
}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		// want are the labels beside the defaults; an empty one is not there.
		want map[string]string
	}{
		"an empty manifest": {"", nil},
		"every key": {`
name: AwesomeEncoder
kind: encoder
type: pod
description: an encoder to show
author: Jane <jane@example.com>
url: https://example.com
documentation: https://example.com/doc
version: 1.2.3
vendor: Example
license: mit
avatar: https://example.com/a.png
keywords: [awesome, encoder]
platform:
  - linux/amd64
  - linux/arm64
manifest_version: 1
`, map[string]string{
			"ai.jina.hub.name": "AwesomeEncoder", "ai.jina.hub.kind": "encoder", "ai.jina.hub.type": "pod", "ai.jina.hub.description": "an encoder to show",
			"ai.jina.hub.author": "Jane <jane@example.com>", "ai.jina.hub.url": "https://example.com", "ai.jina.hub.documentation": "https://example.com/doc",
			"ai.jina.hub.version": "1.2.3", "ai.jina.hub.vendor": "Example", "ai.jina.hub.license": "mit", "ai.jina.hub.avatar": "https://example.com/a.png",
			"ai.jina.hub.keywords": "awesome,encoder", "ai.jina.hub.platform": "linux/amd64,linux/arm64", "ai.jina.hub.manifest_version": "1",
			"org.opencontainers.image.title": "AwesomeEncoder", "org.opencontainers.image.description": "an encoder to show",
			"org.opencontainers.image.authors": "Jane <jane@example.com>", "org.opencontainers.image.url": "https://example.com",
			"org.opencontainers.image.documentation": "https://example.com/doc", "org.opencontainers.image.version": "1.2.3",
			"org.opencontainers.image.vendor": "Example", "org.opencontainers.image.licenses": "MIT",
		}},
		"a key that is not the hub's":           {"colour: green\n", map[string]string{"ai.jina.hub.colour": "green"}},
		"null takes the default":                {"version: ~\nlicense:\nname: ~\n", nil},
		"an alias":                              {"name: &n Awesome\ntitle: *n\n", map[string]string{"ai.jina.hub.name": "Awesome", "ai.jina.hub.title": "Awesome", "org.opencontainers.image.title": "Awesome"}},
		"a list with what is no text":           {"keywords: [a, ~, [b], '', 1, {c: d}]\n", map[string]string{"ai.jina.hub.keywords": "a,1"}},
		"an empty list":                         {"keywords: []\n", nil},
		"a mapping":                             {"keywords: {a: b}\n", nil},
		"the tree is not for a manifest to say": {"tree: 0000000000000000000000000000000000000000\n", nil},
		"nor as a list":                         {"tree: [a, b]\n", nil},
		"a licence that is a family":            {"license: gpl\n", map[string]string{"ai.jina.hub.license": "gpl", "org.opencontainers.image.licenses": ""}},
		"a licence that nobody knows":           {"license: mine\n", map[string]string{"ai.jina.hub.license": "mine", "org.opencontainers.image.licenses": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := maps.Clone(defaults)
			for key, value := range c.want {
				if want[key] = value; value == "" {
					delete(want, key)
				}
			}
			got := labels(t, c.text, source)
			for _, key := range slices.Sorted(maps.Keys(got)) {
				if got[key] != want[key] {
					t.Errorf("%s: got %q, want %q", key, got[key], want[key])
				}
			}
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if _, ok := got[key]; !ok {
					t.Errorf("%s is missing", key)
				}
			}
		})
	}
}

func TestSourceThatIsNotKnown(t *testing.T) {
	t.Parallel()
	got := labels(t, "", label.Source{Created: source.Created, Tree: tree})
	for _, key := range []string{"source", "revision"} {
		if value, ok := got["org.opencontainers.image."+key]; ok {
			t.Errorf("%s is %q", key, value)
		}
	}
	if got["ai.jina.hub.tree"] != tree {
		t.Errorf("got the tree %q", got["ai.jina.hub.tree"])
	}
}

// TestLicences has the hub's licences with the identifiers that the SPDX licence list gives them; cc, gpl and lgpl name
// no one licence.
func TestLicences(t *testing.T) {
	t.Parallel()
	for licence, want := range map[string]string{
		"afl-3.0": "AFL-3.0", "agpl-3.0": "AGPL-3.0-only", "apache-2.0": "Apache-2.0", "artistic-2.0": "Artistic-2.0", "bsd-2-clause": "BSD-2-Clause",
		"bsd-3-clause": "BSD-3-Clause", "bsd-3-clause-clear": "BSD-3-Clause-Clear", "bsl-1.0": "BSL-1.0", "cc": "", "cc-by-4.0": "CC-BY-4.0",
		"cc-by-sa-4.0": "CC-BY-SA-4.0", "cc0-1.0": "CC0-1.0", "ecl-2.0": "ECL-2.0", "epl-1.0": "EPL-1.0", "eupl-1.1": "EUPL-1.1", "gpl": "",
		"gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only", "isc": "ISC", "lgpl": "", "lgpl-2.1": "LGPL-2.1-only", "lgpl-3.0": "LGPL-3.0-only",
		"lppl-1.3c": "LPPL-1.3c", "mit": "MIT", "mpl-2.0": "MPL-2.0", "ms-pl": "MS-PL", "ncsa": "NCSA", "ofl-1.1": "OFL-1.1", "osl-3.0": "OSL-3.0",
		"postgresql": "PostgreSQL", "unlicense": "Unlicense", "wtfpl": "WTFPL", "zlib": "Zlib",
	} {
		got, ok := labels(t, "license: "+licence+"\n", source)["org.opencontainers.image.licenses"]
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %q, want %q", licence, got, want)
		}
	}
}
