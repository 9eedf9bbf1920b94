// Package label turns a manifest's facts into an image's labels, by which the Hub indexes the image.
package label

import (
	"strings"
	"time"

	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/publish"
)

// prefix is that of the Hub's own labels.
const prefix = "ai.jina.hub."

// Source is where and when the image was made.
type Source struct {
	// URL is where the bundle's files can be read; empty where that is not known.
	URL string
	// Revision is the commit.
	Revision string
	// Created is when the commit was made.
	Created time.Time
	// Tree is the git tree hash of the bundle's directory.
	Tree string
}

// Of are the labels of a bundle's image: ai.jina.hub.<key> for each key of the manifest, the tree that it was made
// from, and those labels of the OCI image specification that say the same.
func Of(b *hub.Bundle, s Source) map[string]string {
	labels := map[string]string{}
	for _, f := range b.Manifest.Fields {
		if text := f.Text(); text != "" && !f.IsNull() {
			labels[prefix+f.Key] = text
			continue
		}
		var items []string
		for _, item := range b.Manifest.Items(f) {
			if item.Text() != "" && !item.IsNull() {
				items = append(items, item.Text())
			}
		}
		if len(items) > 0 {
			labels[prefix+f.Key] = strings.Join(items, ",")
		}
	}
	for key := range manifest.Defaults { // also where the manifest does not write it
		labels[prefix+key] = b.Text(key)
	}
	labels[publish.TreeLabel] = s.Tree
	for key, value := range map[string]string{
		"title": b.Text("name"), "description": b.Text("description"), "version": b.Text("version"), "vendor": b.Text("vendor"),
		"authors": b.Text("author"), "url": b.Text("url"), "documentation": b.Text("documentation"), "licenses": spdx[b.Text("license")],
		"source": s.URL, "revision": s.Revision, "created": s.Created.UTC().Format(time.RFC3339),
	} {
		if value != "" {
			labels["org.opencontainers.image."+key] = value
		}
	}
	return labels
}

// spdx gives the hub's licences their identifiers in the SPDX licence list 3.27. Those that name a family of licences
// (cc, gpl, lgpl) have none.
var spdx = map[string]string{
	"afl-3.0": "AFL-3.0", "agpl-3.0": "AGPL-3.0-only", "apache-2.0": "Apache-2.0", "artistic-2.0": "Artistic-2.0",
	"bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause", "bsd-3-clause-clear": "BSD-3-Clause-Clear", "bsl-1.0": "BSL-1.0",
	"cc-by-4.0": "CC-BY-4.0", "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc0-1.0": "CC0-1.0", "ecl-2.0": "ECL-2.0", "epl-1.0": "EPL-1.0",
	"eupl-1.1": "EUPL-1.1", "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only", "isc": "ISC", "lgpl-2.1": "LGPL-2.1-only",
	"lgpl-3.0": "LGPL-3.0-only", "lppl-1.3c": "LPPL-1.3c", "mit": "MIT", "mpl-2.0": "MPL-2.0", "ms-pl": "MS-PL", "ncsa": "NCSA",
	"ofl-1.1": "OFL-1.1", "osl-3.0": "OSL-3.0", "postgresql": "PostgreSQL", "unlicense": "Unlicense", "wtfpl": "WTFPL", "zlib": "Zlib",
}

// Annotations are those of an image's manifest: the labels that registries and tools look for there, and the tree, so that
// a registry's first answer tells what an image was made from.
func Annotations(labels map[string]string) map[string]string {
	annotations := map[string]string{}
	for key, value := range labels {
		if strings.HasPrefix(key, "org.opencontainers.image.") || key == publish.TreeLabel {
			annotations[key] = value
		}
	}
	return annotations
}
