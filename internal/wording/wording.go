// Package wording writes what messages have in common: the token that is wrong, what is allowed instead of it, and what
// was most likely meant.
package wording

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// maxQuoted is how many characters of a value a message quotes: enough to recognise it, and no wall of text.
const maxQuoted = 80

// Shorten cuts a value for a message.
func Shorten(value string) string {
	if utf8.RuneCountInString(value) <= maxQuoted {
		return value
	}
	return string([]rune(value)[:maxQuoted]) + "…"
}

// List is "a, b, c".
func List(words []string) string { return strings.Join(words, ", ") }

// Nearest is the allowed word that a wrong one was most likely meant to be, or "": one that it is the beginning of, one that
// it is the end of behind a slash, or one of which at most a third of its letters are off.
func Nearest(wrong string, allowed []string) string {
	length := utf8.RuneCountInString(wrong)
	if length > maxQuoted {
		return ""
	}
	best, bestDistance := "", length/3+1
	for _, candidate := range allowed {
		d := levenshtein.Distance(strings.ToLower(wrong), strings.ToLower(candidate), nil)
		if length > 2 && (strings.HasPrefix(candidate, wrong) || strings.HasSuffix(candidate, "/"+wrong)) {
			d = 0
		}
		if d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// DidYouMean is a clause that names the nearest allowed word, or "".
func DidYouMean(wrong string, allowed []string) string {
	if n := Nearest(wrong, allowed); n != "" {
		return fmt.Sprintf(" did you mean %q?", n)
	}
	return ""
}
