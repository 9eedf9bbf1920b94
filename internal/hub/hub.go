// Package hub knows how a hub repository is laid out: where its bundles are, and which bundle a path belongs to.
//
// A bundle lives at <root>/<kinds>/[<group>/]<Name>/. Paths are relative to the repository, with slashes.
package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/manifest"
)

// Required are the manifest's keys that have no default.
var Required = []string{"name", "kind", "type", "description"}

// Dockerfile is the recipe's name in every bundle.
const Dockerfile = "Dockerfile"

// marks are the files that show a bundle where the manifest is missing; a group folder holds none of them.
var marks = []string{Dockerfile, "config.yml", "requirements.txt"}

// roots are the places where kind folders are looked for, in this order.
var roots = []string{"executors", "hub/executors", "hub", "."}

// KindFolder is the name of the folder that holds bundles of a kind.
func KindFolder(kind string) string { return kind + "s" }

// Hub is one state of a hub's files.
type Hub struct {
	files  fs.FS
	root   string
	kinds  []string
	groups config.Groups
	// bundles finds all bundles, once.
	bundles func() ([]string, error)
}

// Open finds the kind folders in a repository's files. They are in root, else in the root that the configuration names.
// With neither they are looked for in executors, hub/executors, hub and the top; the first that holds a kind folder wins.
func Open(files fs.FS, root string, c *config.Config) (*Hub, error) {
	h := &Hub{files: files, root: cmp.Or(root, c.Layout.Root), kinds: c.Kinds, groups: c.Layout.Groups}
	h.bundles = sync.OnceValues(h.search)
	if h.root != "" {
		h.root = path.Clean(h.root)
		if info, err := fs.Stat(files, h.root); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("root: there is no directory %q in the repository; name the directory that holds the kind folders (encoders, indexers, …)", h.root)
		}
		return h, nil
	}
	h.root = "."
	for _, candidate := range roots {
		info, err := fs.Stat(files, candidate)
		if err != nil || !info.IsDir() {
			continue
		}
		holds, err := h.holdsKindFolder(candidate)
		if err != nil {
			return nil, err
		}
		if holds {
			h.root = candidate
			return h, nil
		}
		if h.root == "." {
			h.root = candidate
		}
	}
	return h, nil
}

func (h *Hub) holdsKindFolder(dir string) (bool, error) {
	entries, err := fs.ReadDir(h.files, dir)
	if err != nil {
		return false, fmt.Errorf("look for kind folders: %w", err)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() && h.kindOf(e.Name()) != "" }), nil
}

// kindOf is the kind that a folder's name stands for, or "".
func (h *Hub) kindOf(folder string) string {
	for _, kind := range h.kinds {
		if folder == kind || folder == KindFolder(kind) {
			return kind
		}
	}
	return ""
}

// Root is the directory that holds the kind folders.
func (h *Hub) Root() string { return h.root }

// Place is where a bundle stands in the layout.
type Place struct {
	// Kind is the kind that the kind folder stands for; empty outside of every kind folder.
	Kind string
	// Folder is the kind folder's name as it is written, singular or plural.
	Folder string
	// Depth counts the levels below the kind folder.
	Depth int
	// WellPlaced reports whether a bundle may stand here: one level below the kind folder, or two with a group's folder.
	WellPlaced bool
}

// PlaceOf tells where a directory stands.
func (h *Hub) PlaceOf(dir string) Place {
	below := dir
	if h.root != "." {
		var inside bool
		if below, inside = strings.CutPrefix(dir, h.root+"/"); !inside {
			return Place{}
		}
	}
	parts := strings.Split(below, "/")
	kind, depth := h.kindOf(parts[0]), len(parts)-1
	if kind == "" {
		return Place{}
	}
	return Place{Kind: kind, Folder: parts[0], Depth: depth, WellPlaced: h.groups.Allows(depth)}
}

// Has reports whether the directory holds a regular file, or a link to one, of this name.
func (h *Hub) Has(dir, name string) bool {
	info, err := fs.Stat(h.files, path.Join(dir, name))
	return err == nil && info.Mode().IsRegular()
}

// IsBundle reports whether the directory is a bundle: it holds a manifest in a place or with the signs of a bundle's,
// or it stands where a bundle would and holds a file that only bundles have.
func (h *Hub) IsBundle(dir string) bool {
	return h.isBundle(dir, func(name string) bool { return h.Has(dir, name) })
}

// isBundle is IsBundle where has tells what the directory has.
func (h *Hub) isBundle(dir string, has func(name string) bool) bool {
	if dir == "." || Hidden(dir) {
		return false
	}
	place := h.PlaceOf(dir)
	if has(manifest.File) {
		return place.Kind != "" || has(Dockerfile) || h.looksLikeManifest(path.Join(dir, manifest.File))
	}
	return (place.Depth == 1 || place.Depth == 2) && slices.ContainsFunc(marks, has) && !(place.Depth == 2 && h.IsBundle(path.Dir(dir)))
}

func (h *Hub) looksLikeManifest(file string) bool {
	data, err := h.Read(file)
	return err == nil && LooksLikeManifest(data)
}

// LooksLikeManifest reports whether two of a manifest's required keys are in a YAML file: other tools use the name
// manifest.yml too.
func LooksLikeManifest(data []byte) bool {
	m, err := manifest.Parse(data)
	if err != nil {
		return false
	}
	found := 0
	for _, key := range Required {
		if _, ok := m.Field(key); ok {
			found++
		}
	}
	return found >= 2
}

// headReader is a file system that has a shorter way to what Read asks for.
type headReader interface {
	ReadHead(file string, limit int) ([]byte, error)
}

// Read is a file's content, up to one byte more than the largest manifest.
func (h *Hub) Read(file string) ([]byte, error) {
	if files, ok := h.files.(headReader); ok {
		return files.ReadHead(file, manifest.MaxSize+1)
	}
	f, err := h.files.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
}

// Owner is the bundle that a path belongs to: the nearest directory above it that is a bundle now or, as the caller
// knows, was one at the base.
func (h *Hub) Owner(file string, wasBundle func(dir string) bool) (dir string, ok bool) {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if h.IsBundle(dir) || wasBundle(dir) {
			return dir, true
		}
	}
	return "", false
}

// Exists reports whether anything of a bundle is left: a file in its directory that is not in a bundle below it.
func (h *Hub) Exists(dir string) bool {
	found := false
	_ = fs.WalkDir(h.files, dir, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case !entry.IsDir():
			found = true
			return fs.SkipAll
		case p != dir && h.Has(p, manifest.File):
			return fs.SkipDir
		}
		return nil
	})
	return found
}

// Bundles are the paths of all bundles, sorted; they are looked for once. Hidden directories are not looked into.
func (h *Hub) Bundles() ([]string, error) { return h.bundles() }

func (h *Hub) search() ([]string, error) {
	s := search{hub: h}
	s.group.SetLimit(2 * runtime.GOMAXPROCS(0))
	err := errors.Join(s.look("."), s.group.Wait())
	if err != nil {
		return nil, fmt.Errorf("look for bundles: %w", err)
	}
	slices.Sort(s.bundles)
	return s.bundles, nil
}

// search looks for bundles in several directories at a time.
type search struct {
	hub     *Hub
	group   errgroup.Group
	mutex   sync.Mutex
	bundles []string
}

func (s *search) look(dir string) error {
	entries, err := fs.ReadDir(s.hub.files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone while we looked
	}
	if err != nil {
		return err
	}
	if s.hub.isBundle(dir, func(name string) bool { return s.hub.holds(dir, entries, name) }) {
		s.mutex.Lock()
		s.bundles = append(s.bundles, dir)
		s.mutex.Unlock()
	}
	for _, entry := range entries {
		below := path.Join(dir, entry.Name())
		if !entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if !s.group.TryGo(func() error { return s.look(below) }) {
			if err := s.look(below); err != nil {
				return err
			}
		}
	}
	return nil
}

// holds is Has for a directory whose entries, sorted by name, are read.
func (h *Hub) holds(dir string, entries []fs.DirEntry, name string) bool {
	i, found := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
	if !found {
		return false
	}
	return entries[i].Type().IsRegular() || entries[i].Type()&fs.ModeSymlink != 0 && h.Has(dir, name)
}

// Hidden reports whether a part of the path begins with a dot.
func Hidden(p string) bool {
	return p != "." && slices.ContainsFunc(strings.Split(p, "/"), func(part string) bool { return strings.HasPrefix(part, ".") })
}

// FirstFile is the first of a directory's files in byte order of their paths below it, or "".
func (h *Hub) FirstFile(dir string) string {
	var names []string
	_ = fs.WalkDir(h.files, dir, func(p string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, p)
		}
		return nil
	})
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}
