package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/docker/go-units"
	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/wording"
)

// word is a text.
type word struct {
	// is names the text, with its article: "a kind".
	is string
	// allowed are all that the text may be; nil where there are too many.
	allowed []string
	// pattern is one that the text must match. Its language is what RE2 and JavaScript, which reads schemas, share.
	pattern *regexp.Regexp
	// mend says what to write instead of a text that does not match.
	mend string
	// plain takes numbers and truth values, too, as the text that they are written as.
	plain bool
	// valid says what else is wrong with a text.
	valid func(string) error
}

func (w word) check(c *checker, n *yaml.Node, where string) {
	mend := "write " + w.is + " in its place"
	switch {
	case len(w.allowed) > 0:
		mend = "write " + choice(w.allowed)
	case n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null":
		mend = "put it in quotes: `'" + strings.ReplaceAll(wording.Shorten(n.Value), "'", "''") + "'`"
	}
	written := w.plain && n.Kind == yaml.ScalarNode && slices.Contains([]string{"!!int", "!!float", "!!bool"}, n.ShortTag())
	if !written && !c.is(n, text, where+": "+w.is, mend) {
		return
	}
	quoted := wording.Shorten(n.Value)
	if len(w.allowed) > 0 && !slices.Contains(w.allowed, n.Value) {
		c.report(n, "%s: %q is not %s;%s write %s", where, quoted, w.is, wording.DidYouMean(n.Value, w.allowed), choice(w.allowed))
	} else if w.pattern != nil && !w.pattern.MatchString(n.Value) {
		c.report(n, "%s: %q is not %s; %s", where, quoted, w.is, w.mend)
	} else if w.valid != nil {
		if err := w.valid(n.Value); err != nil {
			c.report(n, "%s: %q is not %s: %s", where, quoted, w.is, err)
		}
	}
}

func (w word) schema([]string) object {
	if len(w.allowed) > 0 {
		return object{"enum": w.allowed}
	}
	o := object{"type": "string"}
	if w.plain {
		o["type"] = []string{"string", "number", "boolean"}
	}
	if w.pattern != nil {
		o["pattern"] = w.pattern.String()
	}
	return o
}

// name is a kind or type: a part of a folder's name and of an image's. The latter sets the pattern, which is a component
// of a repository's name in the OCI distribution specification without dots, which stand between kind, type and name.
func name(is string) word {
	return word{
		is:      is,
		pattern: regexp.MustCompile(`^[a-z][a-z0-9]*((_|__|-+)[a-z0-9]+)*$`),
		mend:    "write it in lower case, from a letter on, with letters, digits and single hyphens, such as encoder",
	}
}

// inside are patterns of paths that stay in a directory: relative, without `.` and `..`, without a slash at the end.
const inside = `^([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+)(/([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+))*$`

func file() word {
	return word{
		is:      "a path inside of a bundle",
		pattern: regexp.MustCompile(inside),
		mend:    "write it relative to the bundle's directory, such as README.md or docs/usage.md",
	}
}

func directory() word {
	return word{
		is:      "a directory of the repository",
		pattern: regexp.MustCompile(`^\.$|` + inside),
		mend:    "write it relative to the repository, such as executors or hub/executors, or . for its top",
	}
}

// maxAlternatives is how many braces and commas a glob may hold. Each group of alternatives multiplies the work: 24 of
// them are 6561 globs at the most, and more than anybody writes.
const maxAlternatives = 24

func glob(example string) word {
	return word{
		is:      "a glob of paths",
		pattern: regexp.MustCompile(inside),
		mend:    "write it without / at its ends, without . and .. as a part, such as `" + example + "`",
		valid: func(glob string) error {
			if !doublestar.ValidatePattern(glob) {
				return errors.New("a [ or { is not closed, or nothing stands in []; write \\ before a character that means itself")
			}
			if alternatives(glob) > maxAlternatives {
				return errors.New("it has too many alternatives in braces; write several globs")
			}
			return nil
		},
	}
}

// alternatives counts the braces and commas of a glob that has braces.
func alternatives(glob string) int {
	bare := escaped.ReplaceAllString(glob, "")
	if !strings.Contains(bare, "{") {
		return 0
	}
	return strings.Count(bare, "{") + strings.Count(bare, ",")
}

var escaped = regexp.MustCompile(`(?s)\\.`)

// maxPattern is how long a pattern may be. What one costs to match grows with the square of its length.
const maxPattern = 1000

func pattern() word {
	return word{
		is:      "a pattern of the whole name",
		pattern: regexp.MustCompile(`^\^.*\$$`),
		mend:    "begin it with ^ and end it with $",
		valid:   compiles(maxPattern),
	}
}

// compiles gives a function that says what is wrong with a regular expression of at most so many bytes.
func compiles(most int) func(string) error {
	return func(s string) error {
		if len(s) > most {
			return fmt.Errorf("it is longer than %d bytes; shorten it", most)
		}
		_, err := regexp.Compile(s)
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			return errors.New(wrong.Code.String() + " at `" + wording.Shorten(wrong.Expr) + "`; write it in RE2's syntax, see https://golang.org/s/re2syntax")
		}
		return err
	}
}

// size is a number of bytes, with or without a unit.
type size struct{}

// sizePattern are texts whose number fits an int64.
var sizePattern = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})? ?([kKmMgG][iI]?)?[bB]$`)

// maxSize is the largest number of bytes that can be written: the largest of those that the pattern allows.
const maxSize = 1_000_000_000 << 30

func (size) check(c *checker, n *yaml.Node, where string) {
	if _, ok := bytesOf(n); !ok {
		c.report(n, "%s must be a size from 1 byte to %d GiB, but it is %s; write for example 1MiB, 500KB, or a whole number of bytes",
			where, maxSize>>30, what(n))
	}
}

func (size) schema([]string) object {
	return object{"anyOf": []object{
		{"type": "integer", "minimum": 1, "maximum": int64(maxSize)},
		{"type": "string", "pattern": sizePattern.String()},
	}}
}

// bytesOf is the number of bytes that a value says.
func bytesOf(n *yaml.Node) (int64, bool) {
	var size int64
	switch n.ShortTag() {
	case "!!int":
		err := n.Decode(&size)
		return size, err == nil && size > 0 && size <= maxSize
	case "!!str":
		if !sizePattern.MatchString(n.Value) {
			return 0, false
		}
		parse := units.FromHumanSize
		if strings.Contains(strings.ToLower(n.Value), "ib") { // it would take a KiB for a KB
			parse = units.RAMInBytes
		}
		size, err := parse(n.Value)
		return size, err == nil && size > 0
	}
	return 0, false
}

func licence() word {
	return word{
		is:      "a licence",
		pattern: regexp.MustCompile(`^[^\s]+( [^\s]+)*$`),
		mend:    "write its short name, such as apache-2.0",
	}
}
