package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/distribution/reference"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/wording"
)

var (
	nameStart     = regexp.MustCompile(`^[a-zA-Z_$]`)
	nameForbidden = regexp.MustCompile(`[^a-zA-Z_\s\-$0-9]`)
)

var manifestName = &Rule{
	ID:       "manifest/name",
	Severity: finding.Error,
	About:    "The name has 4 to 21 characters, begins with a letter, `_` or `$`, and goes on with letters, digits, spaces, `_`, `-` and `$`.",
	Check: func(p *Pass) {
		f, ok := p.text("name")
		if !ok || p.Config.NamePattern.MatchString(f.Text()) {
			return
		}
		if pattern := p.Config.NamePattern.String(); pattern != defaults.NamePattern.String() {
			p.Report(p.ManifestPath(), f.At, "the name %q is not allowed: this hub's names match `%s`", wording.Shorten(f.Text()), pattern)
			return
		}
		name, why := f.Text(), ""
		switch length := utf8.RuneCountInString(name); {
		case nameForbidden.MatchString(name):
			why = "it may not hold " + quote(nameForbidden.FindString(name))
		case !nameStart.MatchString(name):
			why = "it may not begin with " + quote(string([]rune(name)[0]))
		case length < 4:
			why = "it is too short: 4 characters are the least"
		default:
			why = "it is too long: 21 characters are the most"
		}
		p.Report(p.ManifestPath(), f.At, "the name %q is not allowed: %s; a name begins with a letter, _ or $, goes on with letters, digits, spaces, _, - and $, and has 4 to 21 characters", wording.Shorten(name), why)
	},
}

// quote shows a character, by its number where it cannot be seen.
func quote(s string) string {
	if r, _ := utf8.DecodeRuneInString(s); !strconv.IsPrint(r) {
		return fmt.Sprintf("the character %U", r)
	}
	return "\u2018" + s + "\u2019"
}

var manifestImageName = &Rule{
	ID:       "manifest/image-name",
	Severity: finding.Error,
	About:    "A registry accepts the image name that the manifest's name becomes.",
	Check: func(p *Pass) {
		f, ok := p.text("name")
		repository := hub.Repository(p.Manifest)
		if !ok || repository == "" || !p.Config.NamePattern.MatchString(f.Text()) {
			return // manifest/name and manifest/required have said what is wrong
		}
		if !slices.Contains(p.Config.Kinds, p.Text("kind")) || !slices.Contains(p.Config.Types, p.Text("type")) {
			return // it may be those that no registry accepts, and manifest/kind and manifest/type have said so
		}
		if _, err := reference.WithName("hub.invalid/" + repository); err != nil {
			p.Report(p.ManifestPath(), f.At, "the name %q would become the image %s, which no registry accepts: between letters and digits there may stand one ., one or two _, or hyphens, and neither at an end; choose a name of letters and digits", wording.Shorten(f.Text()), wording.Shorten(repository))
		}
	},
}
