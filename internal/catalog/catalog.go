// Package catalog makes one JSON document of all bundles of a hub, from which a Hub's site indexes them.
package catalog

import (
	"cmp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/hub"
)

// The types of a catalog in a registry, where it is an OCI artifact of one document. The number in them is the format's
// version: what reads it by its type can rely on the keys.
const (
	// ArtifactType is that of the artifact's manifest.
	ArtifactType = "application/vnd.jina.hub.catalog.v1+json"
	// MediaType is that of the manifest's one layer, whose blob is what JSON writes.
	MediaType = ArtifactType
)

// format is the version of the document.
const format = 1

// Catalog is what a hub holds at one commit.
type Catalog struct {
	// Version is that of the format, 1. Keys may be added to it; none is renamed.
	Version int `json:"version"`
	// Revision is the full hash of the commit.
	Revision string `json:"revision"`
	// Created is when the commit was made, in UTC.
	Created time.Time `json:"created"`
	// Source is the repository's address; empty where it is not known.
	Source string `json:"source,omitempty"`
	// Bundles are sorted by path.
	Bundles []Entry `json:"bundles"`
}

// Entry is one bundle: the facts of its manifest, as they are written there or by their defaults, and its image. What the
// manifest does not tell is empty; that is nothing to rely on, since a hub may let any of its rules be broken.
type Entry struct {
	// Path is the bundle's directory, relative to the repository.
	Path          string   `json:"path"`
	Name          string   `json:"name"`
	Kind          string   `json:"kind"`
	Type          string   `json:"type"`
	Version       string   `json:"version"`
	Description   string   `json:"description"`
	Author        string   `json:"author"`
	URL           string   `json:"url,omitempty"`
	Documentation string   `json:"documentation,omitempty"`
	Vendor        string   `json:"vendor"`
	License       string   `json:"license"`
	Keywords      []string `json:"keywords"`
	Avatar        string   `json:"avatar,omitempty"`
	Platform      []string `json:"platform,omitempty"`
	// Image is the image's name without a tag, such as jinahub/pod.encoder.awesomeencoder; empty where the bundle makes none.
	Image string `json:"image,omitempty"`
	// Published are where this version is to be had, one a registry; empty where no registry has it.
	Published []Publication `json:"published"`
}

// Publication is a bundle's version in a registry.
type Publication struct {
	// Reference is by the version's tag, such as jinahub/pod.encoder.awesomeencoder:0.0.0.
	Reference string `json:"reference"`
	// Digest is that of the image's manifest.
	Digest string `json:"digest"`
	// Tags name the same image; the version's is one of them.
	Tags []string `json:"tags"`
}

// New is the catalog of a hub's bundles at a commit. Left out are bundles that are removed, those without a manifest that can
// be read, and those whose path is not UTF-8, which JSON cannot hold. Image and Published are left to the caller, who knows
// the registries.
func New(bundles []*hub.Bundle, revision string, created time.Time, source string) *Catalog {
	c := &Catalog{Version: format, Revision: revision, Created: created.UTC().Truncate(time.Second), Source: source, Bundles: []Entry{}}
	for _, b := range bundles {
		if !b.Removed && b.Manifest != nil && utf8.ValidString(b.Path) {
			e := Of(b)
			e.fill()
			c.Bundles = append(c.Bundles, e)
		}
	}
	slices.SortFunc(c.Bundles, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	return c
}

// Of is the entry of a bundle whose manifest can be read, without what registries hold.
func Of(b *hub.Bundle) Entry {
	return Entry{
		Path: b.Path, Name: b.Text("name"), Kind: b.Text("kind"), Type: b.Text("type"), Version: b.Text("version"), Description: b.Text("description"),
		Author: b.Text("author"), URL: b.Text("url"), Documentation: b.Text("documentation"), Vendor: b.Text("vendor"), License: b.Text("license"),
		Keywords: texts(b, "keywords"), Avatar: b.Text("avatar"), Platform: texts(b, "platform"),
	}
}

// texts are the items of a list that have a text, as in the image's labels: one text instead of a list is a list of it.
func texts(b *hub.Bundle, key string) []string {
	f, ok := b.Manifest.Field(key)
	if !ok || f.IsNull() {
		return nil
	}
	if f.Text() != "" {
		return []string{f.Text()}
	}
	var all []string
	for _, item := range b.Manifest.Items(f) {
		if item.Text() != "" && !item.IsNull() {
			all = append(all, item.Text())
		}
	}
	return all
}

// Find is the entry of the bundle with this path, for the caller to fill in; nil where there is none.
func (c *Catalog) Find(path string) *Entry {
	i, ok := slices.BinarySearchFunc(c.Bundles, path, func(e Entry, path string) int { return cmp.Compare(e.Path, path) })
	if !ok {
		return nil
	}
	return &c.Bundles[i]
}
