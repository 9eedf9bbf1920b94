package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/manifest"
)

// Bundle is one bundle as it stands at the head, with what the base held of it.
type Bundle struct {
	// Path is the bundle's directory.
	Path string
	// Manifest is nil where there is none or it does not parse.
	Manifest *manifest.Manifest
	// SyntaxError says why the manifest does not parse.
	SyntaxError *manifest.SyntaxError
	// HasManifest reports whether there is a manifest.yml, well-formed or not.
	HasManifest bool
	// Removed reports that the bundle was at the base and is gone at the head.
	Removed bool
	// Changed are the bundle's paths that differ between the base and the head; those that are gone are among them.
	Changed []string
	// Base is the bundle's manifest at the base; nil for a new bundle, and where there is no base to compare with.
	Base *manifest.Manifest
	// Place is where the bundle stands in the layout.
	Place Place
}

// Load reads a bundle's manifest.
func (h *Hub) Load(dir string) (*Bundle, error) {
	b := &Bundle{Path: dir, Place: h.PlaceOf(dir)}
	data, err := h.Read(path.Join(dir, manifest.File))
	if errors.Is(err, fs.ErrNotExist) || err != nil && !h.Has(dir, manifest.File) {
		return b, nil // a directory of this name, and a link to nowhere, is none either
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest of %s: %w", dir, err)
	}
	b.HasManifest = true
	b.Manifest, err = manifest.Parse(data)
	if err != nil && !errors.As(err, &b.SyntaxError) {
		return nil, err
	}
	return b, nil
}

// File is one of a bundle's files, or a link; directories are not listed.
type File struct {
	// Path is relative to the repository.
	Path string
	// Size is in bytes.
	Size int64
	// Link is where a symbolic link points to; empty for a file.
	Link string
}

// MaxFiles is how many of a bundle's files are listed. A bundle has some ten; beyond this its listing is cut, so that a
// hostile one costs no more.
const MaxFiles = 100_000

// Files are the files in a bundle's directory, hidden ones included, but not those of a bundle below it, sorted by path.
func (h *Hub) Files(dir string) ([]File, error) {
	var files []File
	err := fs.WalkDir(h.files, dir, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone while we looked
		case err != nil:
			return err
		case entry.IsDir() && p != dir && h.Has(p, manifest.File):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case len(files) == MaxFiles:
			return fs.SkipAll
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		file := File{Path: p, Size: info.Size()}
		if info.Mode()&fs.ModeSymlink != 0 {
			if file.Link, err = fs.ReadLink(h.files, p); err != nil {
				return err
			}
		}
		files = append(files, file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", dir, err)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// ManifestPath is where the bundle's manifest is, or should be.
func (b *Bundle) ManifestPath() string { return path.Join(b.Path, manifest.File) }

// DockerfilePath is where the bundle's Dockerfile is, or should be.
func (b *Bundle) DockerfilePath() string { return path.Join(b.Path, Dockerfile) }

// Text is a key's value or its default; empty where there is no manifest to read.
func (b *Bundle) Text(key string) string {
	if b.Manifest == nil {
		return ""
	}
	return b.Manifest.Text(key)
}

// Repository is the last part of the image's name, without registry, namespace and tag: pod.encoder.awesomeencoder.
// It is empty where the manifest does not tell enough.
func (b *Bundle) Repository() string { return Repository(b.Manifest) }

// Repository is the image name that a manifest makes; empty where name, kind or type is missing.
func Repository(m *manifest.Manifest) string {
	if m == nil || m.Text("type") == "" || m.Text("kind") == "" || m.Text("name") == "" {
		return ""
	}
	return strings.ToLower(m.Text("type") + "." + m.Text("kind") + "." + escapeName.Replace(m.Text("name")))
}

// escapeName keeps names that differ apart in an image's name, which may hold neither a space nor a single hyphen.
var escapeName = strings.NewReplacer("-", "--", "_", "__", " ", "_")

// Tag is the image tag of a version: a tag may not hold a plus sign.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }
