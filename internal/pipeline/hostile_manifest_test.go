//go:build !race

package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/report"
)

// keys is a manifest of keys that begin alike.
func keys(prefix string, n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "%s%05d: 1\n", prefix, i)
	}
	return s.String()
}

// bomb is a list of lists of lists, each of nine times the one before it by aliases.
func bomb(levels int) string {
	var s strings.Builder
	s.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&s, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	return s.String()
}

// deep is a mapping in a mapping in a mapping, by indentation.
func deep(levels int) string {
	var s strings.Builder
	for i := range levels {
		s.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return s.String()
}

const (
	many = 10 << 20
	// nearlyAll is nearly as much as a manifest may have.
	nearlyAll = 1<<20 - 400
)

// TestHostileManifests gives the whole check manifests that are made to cost much, or to be read as something else. It is
// not parallel, as it measures.
func TestHostileManifests(t *testing.T) {
	none := func(*testing.T, *report.Report) {}
	found := func(id, place, words string) func(*testing.T, *report.Report) {
		return func(t *testing.T, r *report.Report) { t.Helper(); says(t, r, id, place, words) }
	}
	wrong := func(place, words string) func(*testing.T, *report.Report) {
		return found("manifest/syntax", place, words)
	}
	long := strings.Repeat("x", nearlyAll)
	for _, c := range []struct {
		name, manifest string
		want           func(*testing.T, *report.Report)
	}{
		{"10 MB of comments", sound + strings.Repeat("# x\n", many/4), wrong("manifest.yml:1", "larger than 1048576 bytes")},
		{"10 MB in a value", sound + "vendor: " + strings.Repeat("x", many) + "\n", wrong("manifest.yml:1", "larger than 1048576 bytes")},
		{"10 MB of nothing but a word, without a line end", strings.Repeat("x", many), wrong("manifest.yml:1", "larger than 1048576 bytes")},
		{"10 MB of NUL", strings.Repeat("\x00", many), wrong("manifest.yml:1", "larger than 1048576 bytes")},
		{"10 MB of brackets", strings.Repeat("[", many), wrong("manifest.yml:1", "larger than 1048576 bytes")},

		{"ten thousand keys", sound + keys("key", 10_000), func(t *testing.T, r *report.Report) {
			if n := len(r.All()); n != 10_000+1 {
				t.Errorf("%d findings", n)
			}
			found("manifest/unknown-key", "manifest.yml:10004", `"key09999"`)(t, r)
		}},
		{"a MiB of keys that are nearly one that is missing", keys("nam", 80_000), found("manifest/required", "manifest.yml:1", `"name"`)},
		{"a MiB of keys on one line", "{" + strings.ReplaceAll(keys("k", 90_000), "\n", ", ") + "}", found("manifest/unknown-key", "manifest.yml:1", `"k00007"`)},
		{"ten thousand keywords that are none", sound + "keywords: [" + strings.Repeat("1, ", 10_000) + "]\n", found("manifest/keywords", "manifest.yml:5", "the number 1")},

		{"aliases that explode", sound + bomb(30) + "keywords: *a29\n", found("manifest/keywords", "manifest.yml:34", "a list")},
		{"aliases that explode where text belongs", bomb(30) + "name: *a29\n", found("manifest/value-type", "manifest.yml:31", "a list")},
		{"an anchor that holds itself", sound + "keywords: &k [*k, *k]\n", none},
		{"a merge of what it is in", sound + "keywords: &k\n  <<: *k\n", none},
		{"a MiB of anchors", "a: " + strings.Repeat("&a ", nearlyAll/3), wrong("manifest.yml:1", "not valid YAML")},
		{"an alias of a MiB without anchor", sound + "vendor: *" + long, wrong("manifest.yml:5", "unknown anchor 'xxxx")},

		{"lists in lists", sound + "keywords: " + strings.Repeat("[", nearlyAll), wrong("manifest.yml:5", "max depth")},
		{"mappings in mappings", sound + "keywords: " + strings.Repeat("{a: ", nearlyAll/4), wrong("manifest.yml:5", "max depth")},
		{"lists in lists without brackets", sound + "keywords:\n" + strings.Repeat("- ", nearlyAll/2), wrong("manifest.yml:5", "max depth")},
		{"as deep as the parser goes", sound + "keywords: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), found("manifest/keywords", "manifest.yml:5", "a list")},
		{"as deep as indentation goes", sound + deep(1_400), found("manifest/unknown-key", "manifest.yml:5", `"a"`)},
		{"keys that are keys of keys", sound + strings.Repeat("? ", nearlyAll/2), wrong("manifest.yml:4", "max depth")},

		{"a NUL in a value", "name: Foo\x00o\n", wrong("manifest.yml:1", "control characters")},
		{"a NUL in a key", sound + "a\x00b: 1\n", wrong("manifest.yml:5", "control characters")},
		{"a NUL in a comment", sound + "# \x00\n", wrong("manifest.yml:5", "control characters")},
		{"a NUL by an escape", strings.Replace(sound, "Foo0", `"Foo\0"`, 1), found("manifest/name", "manifest.yml:1", `"Foo\x00" is not allowed`)},
		{"a NUL by an escape in a key", sound + `"a\0b": 1` + "\n", found("manifest/unknown-key", "manifest.yml:5", `"a\x00b"`)},

		{"a name of a MiB", strings.Replace(sound, "Foo0", long, 1), found("manifest/name", "manifest.yml:1", "too long")},
		{"a number of a MiB for a name", strings.Replace(sound, "Foo0", "1."+strings.Repeat("0", nearlyAll), 1), found("manifest/value-type", "manifest.yml:1", "the number 1")},
		{"a kind of a MiB", strings.Replace(sound, "encoder", long, 1), found("manifest/kind", "manifest.yml:2", "is not allowed")},
		{"a version of a MiB", sound + "version: 1.0.0-" + long + "\n", none},
		{"a version of a MiB that is nothing but numbers", sound + "version: '" + strings.Repeat("1.", nearlyAll/2) + "'\n", found("manifest/version", "manifest.yml:5", "is not a semantic version")},
		{"a version of a MiB that Markdown makes longer", sound + "version: '" + strings.Repeat("$", nearlyAll) + "'\n", found("manifest/version", "manifest.yml:5", "is not a semantic version")},
		{"a licence of a MiB", sound + "license: " + long + "\n", found("manifest/license", "manifest.yml:5", "is not allowed")},
		{"an address of a MiB", sound + "url: x" + strings.Repeat("/", nearlyAll) + "\n", found("manifest/url", "manifest.yml:5", "is not an absolute web address")},
		{"keywords of a MiB that are a text", sound + "keywords: " + long + "\n", found("manifest/value-type", "manifest.yml:5", "must be a list")},
		{"a keyword of a MiB that is a number", sound + "keywords: [1." + strings.Repeat("0", nearlyAll) + "]\n", found("manifest/keywords", "manifest.yml:5", "the number 1")},
		{"a key of a MiB", sound + "? " + long + "\n: 1\n", found("manifest/unknown-key", "manifest.yml:5", `"xxxx`)},
		{"a key of half a MiB, twice", sound + strings.Repeat("? "+long[:nearlyAll/2]+"\n: 1\n", 2), wrong("manifest.yml:7", "a second time")},
		{"a tag of a MiB", sound + "vendor: !" + long + " x\n", found("manifest/value-type", "manifest.yml:5", "of the type !xxxx")},
		{"a tag of a MiB that is not known", sound + "vendor: !" + long + "!x x\n", wrong("manifest.yml:5", "undefined tag")},
		{"a MiB of comments that let pass", sound + strings.Repeat("# hub-publish ignore=manifest/name x\n", nearlyAll/37), found("ignore/directive", "manifest.yml:5", "finds nothing")},
		{"a MiB of a comment that lets pass", sound + "# hub-publish ignore=" + strings.Repeat("manifest/name,", nearlyAll/14) + " x\n", found("ignore/directive", "manifest.yml:5", "gives no reason")},
		{"a MiB of quotes that end nowhere", sound + "keywords: " + strings.Repeat("'a' ", nearlyAll/4), wrong("manifest.yml:5", "not valid YAML")},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := lay(t, one(map[string]string{"manifest.yml": c.manifest}))
			c.want(t, inspect(t, dir))
		})
	}
}
