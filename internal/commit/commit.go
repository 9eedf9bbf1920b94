// Package commit holds a commit's message against the rules of @commitlint/config-conventional, as commitlint 21.2.4 does.
package commit

import (
	"github.com/jina/hub-publish/internal/finding"
)

// Problem is one rule that a message breaks.
type Problem struct {
	// Rule is the rule's name in commitlint, such as "type-enum".
	Rule     string
	Severity finding.Severity
	// Message is one line that says what is wrong, what is allowed and what to do.
	Message string
}

// Lint is what is wrong with a commit's message, in the order header, body, footer. A blank message and one that
// commitlint ignores (merges, reverts, fixups, plain versions) have no problems.
//
// Two things commitlint sees otherwise. A subject that begins with a small letter without a capital of its own (ĸ), or
// with one beyond U+FFFF (𝐚), it takes for one in upper case, and a subject of nothing but µ for one in start case; here
// letters are what Unicode says they are. And a header that is missing because a line of GnuPG's stands in its place it
// also calls too long.
func Lint(message string) []Problem {
	if trim(message) == "" || ignored(message) {
		return nil
	}
	m := Parse(message)
	if m == (Message{}) {
		return nil
	}
	var problems []Problem
	for _, r := range rules {
		if wrong := r.check(m, message); wrong != "" {
			problems = append(problems, Problem{Rule: r.name, Severity: r.severity, Message: wrong})
		}
	}
	return problems
}
