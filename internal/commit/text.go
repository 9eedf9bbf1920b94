package commit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// isSpace reports what JavaScript's trim takes away.
func isSpace(r rune) bool {
	return r >= '\t' && r <= '\r' || r == '\u2028' || r == '\u2029' || r == '\ufeff' || unicode.Is(unicode.Zs, r)
}

func trim(s string) string { return strings.TrimFunc(s, isSpace) }

// length is a text's length as JavaScript counts it, in UTF-16 code units: an emoji is two or more.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// maxQuoted is how many characters of a message a problem quotes.
const maxQuoted = 80

// quote writes a part of a message into a problem, cut and without what a terminal would act on.
func quote(s string) string {
	if characters := []rune(s); len(characters) > maxQuoted {
		s = string(characters[:maxQuoted]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
