package commit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"

	"github.com/jina/hub-publish/internal/finding"
)

// What @commitlint/config-conventional 21.2.4 allows.
var types = []string{"build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test"}

const (
	maxHeader = 100 // header-max-length
	maxLine   = 100 // body-max-line-length and footer-max-line-length
)

var allowed = strings.Join(types, ", ")

// rules are those of @commitlint/config-conventional 21.2.4, with its severities.
var rules = []struct {
	name     string
	severity finding.Severity
	// check says what is wrong, or nothing. It has the message also as it is written, with its blank lines.
	check func(m Message, written string) string
}{
	{"type-empty", finding.Error, typeEmpty},
	{"type-case", finding.Error, typeCase},
	{"type-enum", finding.Error, typeEnum},
	{"subject-empty", finding.Error, subjectEmpty},
	{"subject-case", finding.Error, subjectCase},
	{"subject-full-stop", finding.Error, subjectFullStop},
	{"header-trim", finding.Error, headerTrim},
	{"header-max-length", finding.Error, headerMaxLength},
	{"body-leading-blank", finding.Warning, bodyLeadingBlank},
	{"body-max-line-length", finding.Error, func(m Message, _ string) string { return maxLineLength("body", m.Body) }},
	{"footer-leading-blank", finding.Warning, footerLeadingBlank},
	{"footer-max-line-length", finding.Error, func(m Message, _ string) string { return maxLineLength("footer", m.Footer) }},
}

func typeEmpty(m Message, _ string) string {
	if m.Type != "" {
		return ""
	}
	if meant := mend(m.Header); meant != "" {
		return fmt.Sprintf("the header %s does not have a colon and one space right behind its type; write %s", quote(m.Header), quote(meant))
	}
	return fmt.Sprintf("the header %s does not begin with a type and a colon; write `type: subject` or `type(scope): subject`, where type is one of %s",
		quote(m.Header), allowed)
}

// almostHeader is a header whose colon or spaces are not where they should be.
var almostHeader = regexp.MustCompile(`^(\w+)\s*(\(.*\))?\s*(!?)\s*:\s*(\S.*)$`)

// mend is the header that a wrong one was meant to be, or "".
func mend(header string) string {
	parts := almostHeader.FindStringSubmatch(trim(header))
	if parts == nil || !slices.Contains(types, strings.ToLower(parts[1])) {
		return ""
	}
	return strings.ToLower(parts[1]) + parts[2] + parts[3] + ": " + parts[4]
}

func typeCase(m Message, _ string) string {
	// A type that begins with a digit has any case.
	if lower := strings.ToLower(m.Type); m.Type != lower && (m.Type[0] < '0' || m.Type[0] > '9') {
		return fmt.Sprintf("the type %s is not in lower case; write %s", quote(m.Type), quote(lower))
	}
	return ""
}

func typeEnum(m Message, _ string) string {
	if m.Type == "" || slices.Contains(types, m.Type) {
		return ""
	}
	hint := ""
	if n := nearest(m.Type); n != "" {
		hint = fmt.Sprintf(" did you mean %q?", n)
	}
	return fmt.Sprintf("the type %s is not allowed;%s write one of %s", quote(m.Type), hint, allowed)
}

// nearest is the allowed type that a wrong one was most likely meant to be, or "": one that it begins or ends with
// (feature, bugfix), that begins with it (doc), or of which at most a third of its letters is off.
func nearest(word string) string {
	if len(word) > maxQuoted {
		return ""
	}
	word = strings.ToLower(word)
	best, bestDistance := "", len(word)/3+1
	for _, t := range types {
		if len(t) > 2 && (strings.HasPrefix(word, t) || strings.HasSuffix(word, t)) || len(word) > 2 && strings.HasPrefix(t, word) {
			return t
		}
		if d := levenshtein.Distance(word, t, nil); d < bestDistance {
			best, bestDistance = t, d
		}
	}
	return best
}

func subjectEmpty(m Message, _ string) string {
	switch {
	case m.Subject != "":
		return ""
	case m.Type != "":
		return fmt.Sprintf("the header %s has no subject; write what the commit does after the colon and a space", quote(m.Header))
	default:
		return "the header has no subject, which is what follows `type: `; write there what the commit does"
	}
}

// subjectCase refuses a subject in sentence, start, pascal or upper case. All of these begin with a capital, and nothing
// else makes a sentence case, so that the first letter decides.
func subjectCase(m Message, _ string) string {
	first, _ := utf8.DecodeRuneInString(m.Subject)
	if !unicode.IsUpper(first) {
		return ""
	}
	return fmt.Sprintf("the subject %s begins with the capital %c; begin it with a small letter, with another word, or put a name in quotes",
		quote(m.Subject), first)
}

func subjectFullStop(m Message, _ string) string {
	if !strings.HasSuffix(m.Header, ".") || strings.HasSuffix(m.Header, "...") {
		return ""
	}
	end := m.Header[strings.LastIndexByte(m.Header, ' ')+1:]
	return fmt.Sprintf("the subject ends with the full stop of %s; remove it", quote(end))
}

func headerTrim(m Message, _ string) string {
	if trim(m.Header) == m.Header {
		return ""
	}
	return fmt.Sprintf("the header %s has white space at its beginning or its end; remove it", quote(m.Header))
}

func headerMaxLength(m Message, _ string) string {
	n := length(m.Header)
	if n <= maxHeader {
		return ""
	}
	return fmt.Sprintf("the header %s has %d characters, and at most %d are allowed; say in the body what does not fit", quote(m.Header), n, maxHeader)
}

func bodyLeadingBlank(m Message, written string) string {
	if m.Body == "" {
		return ""
	}
	second := split(written)[1]
	if second == "" {
		return ""
	}
	return fmt.Sprintf("the second line %s is not blank; put a blank line between the header and the body", quote(second))
}

func footerLeadingBlank(m Message, written string) string {
	if m.Footer == "" {
		return ""
	}
	lines := split(written)
	first, _, _ := strings.Cut(m.Footer, "\n")
	before := slices.Index(lines, first) - 1
	if before < 0 || lines[before] == "" {
		return ""
	}
	return fmt.Sprintf("the line %s begins the footer, as every line does that is a word and a colon; put a blank line before it, or write it without the colon",
		quote(first))
}

// webAddress is what a line may hold to be of any length: it cannot be broken.
var webAddress = regexp.MustCompile(`\bhttps?://[^\t-\r\p{Zs}\x{2028}\x{2029}\x{feff}]`)

func maxLineLength(part, text string) string {
	first, long := "", 0
	for _, line := range split(text) {
		if length(line) > maxLine && !webAddress.MatchString(line) {
			if long++; long == 1 {
				first = line
			}
		}
	}
	switch long {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("the %s's line %s has %d characters, and at most %d are allowed in a line without a web address; break it",
			part, quote(first), length(first), maxLine)
	default:
		return fmt.Sprintf("%d lines of the %s are too long, the first of them %s; at most %d characters are allowed in a line without a web address: break them",
			long, part, quote(first), maxLine)
	}
}
