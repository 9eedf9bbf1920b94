package rule

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/hub"
)

// sharedImages are the bundles of the whole hub by the images that they make, as far as one of the given bundles may make
// the same. Of the others only those manifests are parsed that hold the words of a name.
func sharedImages(h *hub.Hub, bundles []*hub.Bundle) map[string][]*hub.Bundle {
	images := map[string][]*hub.Bundle{}
	given := map[string]bool{}
	var names [][]byte
	for _, b := range bundles {
		given[b.Path] = true
		if repository := b.Repository(); repository != "" && !b.Removed {
			images[repository] = append(images[repository], b)
			names = append(names, []byte(strings.ToLower(longestWord(b.Text("name")))))
		}
	}
	all, err := h.Bundles()
	if err != nil || len(names) == 0 {
		return images
	}
	var mutex sync.Mutex
	var group errgroup.Group
	group.SetLimit(2 * runtime.GOMAXPROCS(0))
	for _, dir := range all {
		if given[dir] {
			continue
		}
		group.Go(func() error {
			if !mayBeNamed(h, dir, names) {
				return nil
			}
			b, err := h.Load(dir)
			if err != nil {
				return nil // it is not among the checked ones
			}
			mutex.Lock()
			defer mutex.Unlock()
			if _, ok := images[b.Repository()]; ok && b.Repository() != "" {
				images[b.Repository()] = append(images[b.Repository()], b)
			}
			return nil
		})
	}
	_ = group.Wait()
	for _, sharing := range images {
		slices.SortFunc(sharing, func(a, b *hub.Bundle) int { return strings.Compare(a.Path, b.Path) })
	}
	return images
}

// mayBeNamed reports whether a bundle's manifest can hold one of the names. A name that is written with an escape or an
// alias does not stand there as it is.
func mayBeNamed(h *hub.Hub, dir string, names [][]byte) bool {
	data, err := h.Read(dir + "/manifest.yml")
	if err != nil {
		return false
	}
	data = bytes.ToLower(data)
	if bytes.ContainsAny(data, "\\*") {
		return true
	}
	for _, name := range names {
		if bytes.Contains(data, name) {
			return true
		}
	}
	return false
}

// longestWord is what stands in one piece however the name is folded.
func longestWord(name string) string {
	longest := ""
	for _, word := range strings.Fields(name) {
		if len(word) > len(longest) {
			longest = word
		}
	}
	return longest
}
