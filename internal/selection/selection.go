// Package selection decides which bundles a run looks at.
package selection

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

// The words that may stand instead of paths.
const (
	Changed = "changed"
	All     = "all"
	Missing = "missing"
)

// Select are the bundles that are wanted, sorted by path: those with a changed file, all (also for "missing", whose
// other half only a registry can answer), or those that paths and globs name. Bundles that are gone at the head come
// with Removed set, when changed ones are wanted. A path or glob that names no bundle is an error.
func Select(ctx context.Context, h *hub.Hub, c *compare.Comparison, wanted []string) ([]*hub.Bundle, error) {
	s := selector{ctx: ctx, hub: h, comparison: c, touched: map[string]bool{}, base: map[string]*manifest.Manifest{}}
	if c.Base != "" {
		if err := s.readBase(); err != nil {
			return nil, err
		}
	}
	changed := s.changed()
	if slices.Equal(wanted, []string{Changed}) && c.Base != "" {
		return s.loadAll(slices.Sorted(maps.Keys(changed)), func(dir string) (*hub.Bundle, error) {
			if !h.IsBundle(dir) && !h.Exists(dir) {
				return &hub.Bundle{Path: dir, Removed: true, Base: s.base[dir]}, nil
			}
			return s.load(dir, changed[dir])
		})
	}
	all, err := h.Bundles()
	if err != nil {
		return nil, err
	}
	paths, err := match(all, wanted)
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	return s.loadAll(paths, func(dir string) (*hub.Bundle, error) { return s.load(dir, changed[dir]) })
}

// loadAll loads bundles, several at a time, and returns them in the order of their paths.
func (s *selector) loadAll(paths []string, load func(dir string) (*hub.Bundle, error)) ([]*hub.Bundle, error) {
	bundles := make([]*hub.Bundle, len(paths))
	group, ctx := errgroup.WithContext(s.ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, dir := range paths {
		group.Go(func() (err error) {
			if ctx.Err() == nil {
				bundles[i], err = load(dir)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return bundles, context.Cause(s.ctx)
}

// match are the bundles that the wanted words, paths and globs name. A path names the bundles below it too.
func match(all, wanted []string) ([]string, error) {
	found := map[string]bool{}
	for _, want := range wanted {
		hits := 0
		for _, bundle := range all {
			if names(want, bundle) {
				found[bundle] = true
				hits++
			}
		}
		if hits == 0 && want != Changed && want != All && want != Missing {
			return nil, fmt.Errorf("bundles: %q names no bundle; give the path of one, such as executors/encoders/AwesomeEncoder, a glob, or one of changed, all, missing", want)
		}
	}
	return slices.Collect(maps.Keys(found)), nil
}

func names(want, bundle string) bool {
	if want == Changed || want == All || want == Missing {
		return true
	}
	want = path.Clean(want)
	if want == "." || bundle == want || strings.HasPrefix(bundle, want+"/") {
		return true
	}
	matched, err := doublestar.Match(want, bundle)
	return err == nil && matched
}

type selector struct {
	ctx        context.Context
	hub        *hub.Hub
	comparison *compare.Comparison
	// touched are the directories whose manifest changed, and base holds those that were there at the base; nil where it
	// does not parse.
	touched map[string]bool
	base    map[string]*manifest.Manifest
}

// readBase reads the manifests that changed as they were at the base. Those that did not change need no reading.
func (s *selector) readBase() error {
	for _, change := range s.comparison.Changes {
		dir := path.Dir(change.Path)
		if path.Base(change.Path) != manifest.File || dir == "." || hub.Hidden(dir) {
			continue
		}
		s.touched[dir] = true
		data, err := s.comparison.BaseFile(s.ctx, change.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s as it was at the base: %w", change.Path, err)
		}
		if s.hub.PlaceOf(dir).Kind == "" && !hub.LooksLikeManifest(data) {
			_, err := s.comparison.BaseFile(s.ctx, path.Join(dir, hub.Dockerfile))
			if errors.Is(err, fs.ErrNotExist) {
				continue // another tool's manifest.yml
			}
			if err != nil {
				return fmt.Errorf("look for a Dockerfile beside %s as it was at the base: %w", change.Path, err)
			}
		}
		m, err := manifest.Parse(data)
		if err != nil {
			m = nil
		}
		s.base[dir] = m
	}
	return nil
}

func (s *selector) wasBundle(dir string) bool {
	_, was := s.base[dir]
	return was
}

// changed are the changed paths by the bundle that owns them.
func (s *selector) changed() map[string][]string {
	paths := map[string][]string{}
	owners := map[string]string{} // of directories
	for _, change := range s.comparison.Changes {
		dir := path.Dir(change.Path)
		owner, looked := owners[dir]
		if !looked {
			owner, _ = s.hub.Owner(change.Path, s.wasBundle)
			owners[dir] = owner
		}
		if owner != "" {
			paths[owner] = append(paths[owner], change.Path)
		}
	}
	return paths
}

func (s *selector) load(dir string, changed []string) (*hub.Bundle, error) {
	b, err := s.hub.Load(dir)
	if err != nil {
		return nil, err
	}
	b.Changed = changed
	b.Base = s.baseOf(b)
	return b, nil
}

// baseOf is the manifest that a bundle is compared with: the one at the base that made the same image, wherever it
// stood, else the one at the same place.
func (s *selector) baseOf(b *hub.Bundle) *manifest.Manifest {
	if s.comparison.Base == "" {
		return nil
	}
	if !s.touched[b.Path] {
		return b.Manifest // as it was
	}
	before, image := s.base[b.Path], b.Repository()
	if image == "" || hub.Repository(before) == image {
		return before
	}
	var same *manifest.Manifest
	for _, dir := range slices.Sorted(maps.Keys(s.base)) {
		if m := s.base[dir]; hub.Repository(m) == image && (same == nil || newer(m, same)) {
			same = m
		}
	}
	if same != nil {
		return same
	}
	return before
}

// newer reports whether a manifest's version is higher than another's. Where several bundles made one image, none of their
// versions may come again.
func newer(a, b *manifest.Manifest) bool {
	versionA, err := semver.NewVersion(a.Text("version"))
	if err != nil {
		return false
	}
	versionB, err := semver.NewVersion(b.Text("version"))
	return err != nil || versionA.GreaterThan(versionB)
}
