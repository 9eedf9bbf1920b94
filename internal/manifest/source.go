package manifest

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
)

// source is a manifest's text by lines. The parser tells where a node begins; where a scalar ends is read off the text.
type source []line

// line is one as the parser counts them. It ends lines also at a lone CR, NEL, LS and PS, which editors and GitHub do
// not: there the line has the number of, and stands behind some characters of, a line that a person sees.
type line struct {
	text           []rune
	number, offset int
}

func newSource(data []byte) source {
	s := make(source, 0, 1+bytes.Count(data, []byte("\n")))
	text := []rune(string(data))
	next := line{number: 1}
	begin := 0
	for i, r := range text {
		switch r {
		case '\n', '\u0085', '\u2028', '\u2029':
		case '\r':
			if i+1 < len(text) && text[i+1] == '\n' {
				continue
			}
		default:
			continue
		}
		next.text = text[begin:i]
		if r == '\n' {
			next.text = trimCR(next.text)
		}
		s = append(s, next)
		if next.offset += i + 1 - begin; r == '\n' {
			next.number, next.offset = next.number+1, 0
		}
		begin = i + 1
	}
	if next.text = text[begin:]; len(next.text) > 0 {
		s = append(s, next)
	}
	return s
}

func trimCR(text []rune) []rune {
	if n := len(text); n > 0 && text[n-1] == '\r' {
		return text[:n-1]
	}
	return text
}

// line is a whole line, by the parser's count; the last one for what the parser misses behind the end.
func (s source) line(n int) finding.Range {
	if len(s) == 0 {
		return finding.Line(1)
	}
	return finding.Line(s[min(max(n, 1), len(s))-1].number)
}

// find is the parser's count of the first line that holds a text, or 0.
func (s source) find(text string) int {
	return 1 + slices.IndexFunc(s, func(l line) bool { return strings.Contains(string(l.text), text) })
}

// findControl is the parser's count of the first line that holds a control character, or 0.
func (s source) findControl() int {
	isControl := func(r rune) bool { return r != '\t' && unicode.IsControl(r) }
	return 1 + slices.IndexFunc(s, func(l line) bool { return slices.ContainsFunc(l.text, isControl) })
}

// extent is the node's place; its end is given for a scalar that ends on the line where it begins.
func (s source) extent(n *yaml.Node) finding.Range {
	if n.Line == 0 || n.Line > len(s) {
		return s.line(n.Line)
	}
	l := s[n.Line-1]
	at := finding.Range{Line: l.number, Column: l.offset + n.Column}
	if n.Column > len(l.text) {
		return at
	}
	text := l.text[n.Column-1:]
	for n.Kind == yaml.ScalarNode && (text[0] == '&' || text[0] == '!') {
		skip := propertyWidth(text)
		if skip == len(text) {
			return at // the value itself is on a later line
		}
		text, at.Column = text[skip:], at.Column+skip
	}
	width := 0
	switch {
	case n.Kind == yaml.AliasNode:
		width = 1 + utf8.RuneCountInString(n.Value)
	case n.Kind != yaml.ScalarNode:
	case n.Style&yaml.DoubleQuotedStyle != 0:
		width = quoted(text, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		width = quoted(text, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
	default:
		// Only as much of the line as the value is long: a line may be as long as the manifest and hold every value.
		if length := utf8.RuneCountInString(n.Value); length <= len(text) && string(text[:length]) == n.Value {
			width = length
		}
	}
	if width > 0 {
		at.EndLine, at.EndColumn = at.Line, at.Column+width
	}
	return at
}

// propertyWidth is the length of the anchor or tag that text begins with, and of the blanks behind it.
func propertyWidth(text []rune) int {
	i := 0
	for i < len(text) && text[i] != ' ' && text[i] != '\t' {
		i++
	}
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	return i
}

// quoted is the length of the quoted scalar that text begins with, its quotes included; 0 where it ends on a later line.
func quoted(text []rune, quote rune) int {
	if len(text) == 0 || text[0] != quote {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case quote == '\'' && text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return 0
}
