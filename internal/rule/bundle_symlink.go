package rule

import (
	"path"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/wording"
)

var bundleSymlink = &Rule{
	ID:       "bundle/symlink",
	Severity: finding.Error,
	About:    "A symbolic link does not leave its bundle.",
	Check: func(p *Pass) {
		links := map[string]string{}
		for _, f := range p.files() {
			if f.Link != "" {
				links[f.Path] = f.Link
			}
		}
		for _, f := range p.files() {
			if f.Link != "" && leaves(p.Bundle, links, f.Path) {
				p.Report(f.Path, finding.Line(1), "this link to %q leaves the bundle %s, and the image would not have what it points to; put a copy here, or a link to a path below %s", wording.Shorten(f.Link), p.Path, p.Path)
			}
		}
	},
}

// maxLinks is how many links are followed, as in Linux (path_resolution(7), MAXSYMLINKS). More make a loop, which stays
// where it is.
const maxLinks = 40

// leaves reports whether a link, or one that it leads to, points out of its bundle.
func leaves(b *hub.Bundle, links map[string]string, link string) bool {
	rest := []string{}
	at, followed := b.Path, 0
	push := func(p string) { rest = append(strings.Split(p, "/"), rest...) }
	push(strings.TrimPrefix(link, b.Path+"/"))
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == b.Path {
				return true
			}
			at = path.Dir(at)
			continue
		}
		next := at + "/" + part
		target, isLink := links[next]
		if !isLink {
			at = next
			continue
		}
		if followed++; followed > maxLinks {
			return false
		}
		if strings.HasPrefix(target, "/") {
			return true
		}
		push(target)
	}
	return false
}
