package manifest

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
)

// source is a manifest's text by lines. The parser tells where a node begins; where a scalar ends is read off the text.
type source [][]rune

func newSource(data []byte) source {
	var s source
	for line := range bytes.Lines(data) {
		s = append(s, []rune(strings.TrimRight(string(line), "\r\n")))
	}
	return s
}

// extent is the node's place; its end is given for a scalar that ends on the line where it begins.
func (s source) extent(n *yaml.Node) finding.Range {
	if n.Line == 0 {
		return finding.Line(1)
	}
	at := finding.Range{Line: n.Line, Column: n.Column}
	if n.Line > len(s) || n.Column > len(s[n.Line-1]) {
		return at
	}
	text := s[n.Line-1][n.Column-1:]
	for n.Kind == yaml.ScalarNode && len(text) > 0 && (text[0] == '&' || text[0] == '!') {
		skip := propertyWidth(text)
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
	case strings.HasPrefix(string(text), n.Value):
		width = utf8.RuneCountInString(n.Value)
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
