// Package example reads small hubs out of txtar archives and runs the rules on them: the README's examples and the rules'
// cases are such archives.
package example

import (
	"io/fs"
	"strings"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/rule"
)

// Hub are an archive's files in a directory, and those of the hub's base, which stand below base/ in it.
func Hub(archive *txtar.Archive, dir string) (files, base fs.FS) {
	all := filesIn(archive, dir)
	was := filesIn(archive, dir+"base/")
	for name := range was {
		delete(all, "base/"+name)
	}
	return all, was
}

// filesIn are an archive's files in a directory. A name that ends with " -> " and a path is a symbolic link's.
func filesIn(archive *txtar.Archive, dir string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		name, ok := strings.CutPrefix(f.Name, dir)
		link, target, isLink := strings.Cut(name, " -> ")
		switch {
		case !ok:
		case isLink:
			files[link] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
		default:
			files[name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return files
}

// Check runs the rules on every bundle of a hub, and gives the findings by the bundles' paths. A bundle whose manifest is
// among the files of the base has changed since.
func Check(files, base fs.FS) ([]finding.Finding, error) {
	c := config.Default()
	if data, err := fs.ReadFile(files, config.File); err == nil {
		if c, err = config.Parse(data, rule.IDs()); err != nil {
			return nil, err
		}
	}
	h, err := hub.Open(files, "", c)
	if err != nil {
		return nil, err
	}
	paths, err := h.Bundles()
	if err != nil {
		return nil, err
	}
	var bundles []*hub.Bundle
	for _, path := range paths {
		b, err := h.Load(path)
		if err != nil {
			return nil, err
		}
		if data, err := fs.ReadFile(base, b.ManifestPath()); err == nil {
			b.Changed = []string{b.ManifestPath()}
			if b.Base, err = manifest.Parse(data); err != nil {
				return nil, err
			}
		}
		bundles = append(bundles, b)
	}
	checker := rule.NewChecker(h, c, bundles)
	var all []finding.Finding
	for _, b := range bundles {
		all = append(all, checker.Check(b)...)
	}
	return all, nil
}
