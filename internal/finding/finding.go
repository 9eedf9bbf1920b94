// Package finding holds the one shape in which every check says what it found.
package finding

import (
	"cmp"
	"slices"
	"strings"
)

// Severity says how much a finding weighs.
type Severity string

// The severities, in falling order.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	// Off is no severity of a finding: it is what a hub sets for a rule that it does not want.
	Off Severity = "off"
)

// Range is a place in a text file. Lines and columns count from 1; columns count Unicode code points, as the YAML
// parser does. A zero Column means the whole line, a zero EndLine that the end is not known. The end column is the
// first one behind the range.
type Range struct {
	Line      int `json:"line"`
	Column    int `json:"column"`
	EndLine   int `json:"end_line"`
	EndColumn int `json:"end_column"`
}

// Line is the range of the whole line n.
func Line(n int) Range { return Range{Line: n} }

// Finding is one failed check at one place.
type Finding struct {
	// Rule is the rule's id, such as "manifest/name".
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// File is relative to the repository, with slashes; empty for what stands in no file, such as a commit's message.
	File string `json:"file"`
	Range
	// Message says what is wrong, what was expected and how to mend it.
	Message string `json:"message"`
	// Help is the address of the rule's paragraph in the README.
	Help string `json:"help"`
	// Fix is what mends it for certain; nil where there is no such thing.
	Fix *Fix `json:"fix,omitempty"`
	// Ignored is the reason that a comment in the file gives for letting it pass; empty where it counts.
	Ignored string `json:"ignored,omitempty"`
}

// Fix is a text that takes the place of a range on one line.
type Fix struct {
	Range
	Text string `json:"text"`
}

const readme = "https://github.com/jina/hub-publish"

// New is a finding of the rule with this id, with its link to the README.
func New(rule string, severity Severity, file string, at Range, message string) Finding {
	return Finding{Rule: rule, Severity: severity, File: file, Range: at, Message: message, Help: readme + "#" + Anchor(rule)}
}

// Anchor is the fragment that GitHub gives to a heading that is the rule's id.
func Anchor(rule string) string { return strings.ReplaceAll(rule, "/", "") }

// Sort orders findings by file and place. The order is total, so that two runs over the same files print the same.
func Sort(findings []Finding) {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// Count is how many findings have the severity. Those that are let pass do not count.
func Count(findings []Finding, severity Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == severity && f.Ignored == "" {
			n++
		}
	}
	return n
}
