package rule

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"

	"github.com/jina/hub-publish/internal/manifest"
)

// blank reports whether a field holds nothing that a reader would see.
func blank(f manifest.Field) bool { return strings.TrimSpace(f.Text()) == "" }

// nearest is the allowed word that a wrong one was most likely meant to be, or "": at most a third of its letters off.
func nearest(word string, allowed []string) string {
	best, bestDistance := "", utf8.RuneCountInString(word)/3+1
	for _, candidate := range allowed {
		if d := levenshtein.Distance(strings.ToLower(word), candidate, nil); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// didYouMean is a clause that names the nearest allowed word, or "".
func didYouMean(word string, allowed []string) string {
	if utf8.RuneCountInString(word) > maxQuoted {
		return ""
	}
	if n := nearest(word, allowed); n != "" {
		return fmt.Sprintf(" did you mean %q?", n)
	}
	return ""
}

func list(words []string) string { return strings.Join(words, ", ") }

// maxQuoted is how many characters of a value a message quotes: enough to recognise it, and no wall of text.
const maxQuoted = 80

// shorten cuts a value for a message.
func shorten(value string) string {
	if utf8.RuneCountInString(value) <= maxQuoted {
		return value
	}
	return string([]rune(value)[:maxQuoted]) + "…"
}
