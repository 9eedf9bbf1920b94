package requirements

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/jina/hub-publish/internal/wording"
)

// parser reads one requirement from left to right. Its methods say what is wrong, or nothing.
type parser struct{ text string }

var (
	name = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`)
	word = regexp.MustCompile(`^[^\s,;()\[\]]+`)
	// operator is one of PEP 440's; the longest goes first.
	operator = regexp.MustCompile(`^(===|~=|==|!=|<=|>=|<|>)`)
	// version is that of PEP 440, appendix B, anchored and without the groups' names.
	version = regexp.MustCompile(`(?i)^v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?` +
		`(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$`)
	// prefix is a version with a wildcard, for == and != alone.
	prefix = regexp.MustCompile(`(?i)^v?(?:[0-9]+!)?[0-9]+(?:\.[0-9]+)*(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?` +
		`(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?\.\*$`)
	comparison = regexp.MustCompile(`^(===|~=|==|!=|<=|>=|<|>|in\b|not\s+in\b)`)
	literal    = regexp.MustCompile(`^("[^"]*"|'[^']*')`)
	// environment are the marker variables of the dependency specifiers, with their older names.
	environment = regexp.MustCompile(`^(python_full_version|python_version|os_name|os\.name|sys_platform|sys\.platform|` +
		`platform_(?:release|system|version|machine|python_implementation)|platform\.(?:version|machine|python_implementation)|` +
		`python_implementation|implementation_(?:name|version)|extras?|dependency_groups)\b`)
)

// take takes what a pattern matches, and the blanks behind it.
func (p *parser) take(pattern *regexp.Regexp) (string, bool) {
	found := pattern.FindString(p.text)
	if found == "" {
		return "", false
	}
	p.text = strings.TrimLeft(p.text[len(found):], " \t")
	return found, true
}

// sign takes a character that must stand as it is.
func (p *parser) sign(sign string) bool {
	rest, ok := strings.CutPrefix(p.text, sign)
	if ok {
		p.text = strings.TrimLeft(rest, " \t")
	}
	return ok
}

func (p *parser) requirement() string {
	if _, ok := p.take(name); !ok {
		return "it must begin with the name of a package, of letters, digits, ., _ and -"
	}
	if p.sign("[") {
		if wrong := p.extras(); wrong != "" {
			return wrong
		}
	}
	if p.sign("@") {
		address := word.FindString(p.text)
		if address == "" {
			return "behind @ there must be an address"
		}
		// An address may hold a semicolon: a marker behind it is told apart by a blank.
		address, marker, found := strings.Cut(p.text, " ;")
		if strings.ContainsAny(strings.TrimSpace(address), " \t") {
			return "the address behind @ may not hold a blank"
		}
		if !found {
			return ""
		}
		p.text = strings.TrimLeft(marker, " \t")
		return p.marker()
	}
	if wrong := p.versions(); wrong != "" {
		return wrong
	}
	if p.text == "" {
		return ""
	}
	if p.sign(";") {
		return p.marker()
	}
	return p.unexpected()
}

// unexpected says what to do about what stands behind a name or a version.
func (p *parser) unexpected() string {
	switch {
	case strings.HasPrefix(p.text, "="):
		return "write == instead of ="
	case strings.HasPrefix(p.text, "^"):
		return "pip does not know ^; write ~= or a range such as >=1.2,<2"
	}
	return fmt.Sprintf("there is %q behind its name or version; write a version such as `==1.2.3` or `>=1.2,<2`, one requirement a line", wording.Shorten(p.text))
}

func (p *parser) extras() string {
	for first := true; !p.sign("]"); first = false {
		if !first && !p.sign(",") {
			return "the extras in [ ] are names with commas between them, such as [audio,video]"
		}
		if _, ok := p.take(name); !ok {
			return "the extras in [ ] are names with commas between them, such as [audio,video]"
		}
	}
	return ""
}

func (p *parser) versions() string {
	inParentheses := p.sign("(")
	for {
		op, ok := p.take(operator)
		if !ok {
			break
		}
		v, _ := p.take(word)
		switch {
		case v == "":
			return fmt.Sprintf("behind %s there must be a version", op)
		case op == "===", version.MatchString(v) && fits(op, v):
		case (op == "==" || op == "!=") && prefix.MatchString(v):
		case strings.Contains(v, "+") && version.MatchString(v):
			return fmt.Sprintf("%s%s: a version with + may stand only behind == and !=", op, wording.Shorten(v))
		case strings.HasSuffix(v, ".*"):
			return fmt.Sprintf("%s%s: a version with .* may stand only behind == and !=", op, wording.Shorten(v))
		case op == "~=" && version.MatchString(v):
			return fmt.Sprintf("~=%s: behind ~= a version has two numbers at least, such as ~=1.2", wording.Shorten(v))
		default:
			return fmt.Sprintf("%q is not a version (PEP 440); write one such as 1.2.3", wording.Shorten(v))
		}
		if !p.sign(",") {
			break
		}
	}
	if inParentheses && !p.sign(")") {
		return "a parenthesis is not closed"
	}
	return ""
}

// fits reports whether a version may stand behind an operator: a local version only behind two, and ~= needs a last number
// that may grow.
func fits(op, v string) bool {
	if strings.Contains(v, "+") && op != "==" && op != "!=" {
		return false
	}
	return op != "~=" || strings.Contains(v, ".")
}

// maxDepth is how deep the parentheses of a marker may stand in each other.
const maxDepth = 50

// marker reads what stands behind the semicolon. pip reads nothing as no marker.
func (p *parser) marker() string {
	if p.text == "" {
		return ""
	}
	if wrong := p.alternatives(0); wrong != "" {
		return wrong
	}
	if p.text != "" {
		return fmt.Sprintf("the marker behind ; ends before %q; join conditions by `and` or `or`", wording.Shorten(p.text))
	}
	return ""
}

var conjunction = regexp.MustCompile(`^(and|or)\b`)

func (p *parser) alternatives(depth int) string {
	for {
		if wrong := p.condition(depth); wrong != "" {
			return wrong
		}
		if _, ok := p.take(conjunction); !ok {
			return ""
		}
	}
}

func (p *parser) condition(depth int) string {
	if p.sign("(") {
		if depth == maxDepth {
			return "the marker's parentheses are too deep"
		}
		if wrong := p.alternatives(depth + 1); wrong != "" {
			return wrong
		}
		if !p.sign(")") {
			return "a parenthesis of the marker is not closed"
		}
		return ""
	}
	for _, side := range []string{"before", "behind"} {
		_, isLiteral := p.take(literal)
		if !isLiteral {
			if _, ok := p.take(environment); !ok {
				return fmt.Sprintf("a marker compares a variable with a text in quotes, such as `; python_version < \"3.9\"`, but %q is neither", wording.Shorten(p.text))
			}
		}
		if side == "behind" {
			break
		}
		if _, ok := p.take(comparison); !ok {
			return fmt.Sprintf("a marker compares by ==, !=, <, <=, >, >=, ~=, in or not in, but there is %q", wording.Shorten(p.text))
		}
	}
	return ""
}
