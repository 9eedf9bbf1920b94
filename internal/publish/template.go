package publish

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/hub"
)

// Facts are what a tag may hold beside the version.
type Facts struct {
	// SHA is the commit.
	SHA string
	// Date is when the commit was made.
	Date time.Time
}

// Template makes a tag, such as {major}.{minor}.
type Template struct {
	text string
	// made matches the tags that the template makes, with their version as its first group.
	made *regexp.Regexp
}

// places are the words that may stand in braces.
var places = []string{"version", "major", "minor", "patch", "sha", "short_sha", "date"}

var (
	place = regexp.MustCompile(`\{([^}]*)\}`)
	// quotedPlace is a place in a template that regexp.QuoteMeta has quoted.
	quotedPlace = regexp.MustCompile(`\\\{(\w+)\\\}`)
	// tagPattern is the registry protocol's, from the OCI distribution specification.
	tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// ParseTemplate reads a tag's template.
func ParseTemplate(text string) (Template, error) {
	for _, found := range place.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(places, found[1]) {
			return Template{}, fmt.Errorf("%q holds {%s}; allowed are {%s}", text, found[1], strings.Join(places, "}, {"))
		}
	}
	t := Template{text: text}
	example := t.Expand(semver.MustParse("1.2.3"), Facts{SHA: strings.Repeat("0", 40), Date: time.Unix(0, 0)})
	if !tagPattern.MatchString(example) {
		return Template{}, fmt.Errorf("%q would make the tag %q; a tag has letters, digits, _, . and -, at most 128, and begins with none of . and -", text, example)
	}
	t.made = regexp.MustCompile("^" + quotedPlace.ReplaceAllStringFunc(regexp.QuoteMeta(text), func(word string) string {
		switch strings.Trim(word, `\{}`) {
		case "version":
			return `(.+)`
		case "major", "minor", "patch":
			return `\d+`
		case "date":
			return `\d{4}-\d{2}-\d{2}`
		default:
			return `[0-9a-f]*`
		}
	}) + "$")
	return t, nil
}

// String is the template as it was written.
func (t Template) String() string { return t.text }

// Fixed reports whether the tag holds the whole version, so that it names one image for ever.
func (t Template) Fixed() bool {
	return strings.Contains(t.text, "{version}")
}

// Identifies reports whether the tag tells a version and nothing else: by it one sees whether the version is there.
func (t Template) Identifies() bool { return t.Fixed() && !t.dated() }

// dated reports whether the tag comes from the commit.
func (t Template) dated() bool {
	return slices.ContainsFunc([]string{"{sha}", "{short_sha}", "{date}"}, func(place string) bool { return strings.Contains(t.text, place) })
}

// versionOf is the version in a tag that a fixed template made.
func (t Template) versionOf(tag string) (*semver.Version, bool) {
	found := t.made.FindStringSubmatch(tag)
	if found == nil {
		return nil, false
	}
	v, err := semver.StrictNewVersion(strings.ReplaceAll(found[1], "_", "+")) // the other way round than hub.Tag
	return v, err == nil
}

// Expand is the tag for a version.
func (t Template) Expand(v *semver.Version, f Facts) string {
	return place.ReplaceAllStringFunc(t.text, func(word string) string {
		switch strings.Trim(word, "{}") {
		case "version":
			return hub.Tag(v.Original())
		case "major":
			return strconv.FormatUint(v.Major(), 10)
		case "minor":
			return strconv.FormatUint(v.Minor(), 10)
		case "patch":
			return strconv.FormatUint(v.Patch(), 10)
		case "sha":
			return f.SHA
		case "short_sha":
			return f.SHA[:min(7, len(f.SHA))]
		default:
			return f.Date.UTC().Format(time.DateOnly)
		}
	})
}
