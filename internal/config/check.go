package config

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

// top names the whole file in messages.
const top = "the file"

// maxProblems is how many problems of one file are told; the first ones are as good as all.
const maxProblems = 50

// checker collects what is wrong with a file.
type checker struct {
	rules    []string
	lines    lines
	problems []*Problem
}

func (c *checker) full() bool { return len(c.problems) >= maxProblems }

func (c *checker) report(n *yaml.Node, format string, args ...any) {
	if !c.full() {
		c.problems = append(c.problems, &Problem{c.lines.extent(n), fmt.Sprintf(format, args...)})
	}
}

// sorted are the problems in the order of the file.
func (c *checker) sorted() []*Problem {
	slices.SortStableFunc(c.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	return c.problems
}

// kind is a type of YAML's.
type kind struct {
	tag, name string
}

var (
	mapping  = kind{"!!map", "a mapping"}
	sequence = kind{"!!seq", "a list"}
	text     = kind{"!!str", "text"}
)

// is reports a value that is not of a type. An alias is never of any: a file that is small could stand for one that is
// large, and no key needs one.
func (c *checker) is(n *yaml.Node, want kind, where, mend string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		c.report(n, "%s: aliases such as *%s are not read here; write the value out", where, wording.Shorten(n.Value))
		return false
	case n.ShortTag() != want.tag:
		c.report(n, "%s must be %s, but YAML reads %s; %s", where, want.name, what(n), mend)
		return false
	}
	return true
}

// entries are the keys and values of a mapping; what is no key, or one that was there before, is reported.
func (c *checker) entries(n *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content) && !c.full(); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				c.report(key, "a key must be a word; write it out")
				continue
			}
			if first, twice := seen[key.Value]; twice {
				c.report(key, "the key %q stands here a second time; the first is on line %d; remove one of them", wording.Shorten(key.Value), first)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

// what names a value by the type that YAML gives it.
func what(n *yaml.Node) string {
	tags := map[string]string{
		"!!str": "the text %q", "!!int": "the number %s", "!!float": "the number %s", "!!bool": "the truth value %s",
		"!!timestamp": "the date %s", "!!map": "a mapping", "!!seq": "a list", "!!null": "nothing",
	}
	format, ok := tags[n.ShortTag()]
	switch {
	case n.Kind == yaml.AliasNode:
		return "the alias *" + wording.Shorten(n.Value)
	case !ok:
		return "a value of the type " + wording.Shorten(n.ShortTag())
	case strings.Contains(format, "%"):
		return fmt.Sprintf(format, wording.Shorten(n.Value))
	}
	return format
}

// choice is "a, b or c".
func choice(words []string) string {
	last := len(words) - 1
	return wording.List(words[:last]) + " or " + words[last]
}

// lines are a file's, without their ends.
type lines []string

// extent is a node's place; its end is given for a scalar that is written as one word, or in quotes without escapes.
func (l lines) extent(n *yaml.Node) finding.Range {
	at := finding.Range{Line: min(max(n.Line, 1), max(len(l), 1)), Column: n.Column}
	if n.Line != at.Line || n.Column < 1 || n.Kind != yaml.ScalarNode || n.Value == "" {
		return at
	}
	rest := l[at.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	for _, written := range []string{n.Value, `"` + n.Value + `"`, "'" + n.Value + "'"} {
		if strings.HasPrefix(rest, written) {
			at.EndLine, at.EndColumn = at.Line, at.Column+utf8.RuneCountInString(written)
			break
		}
	}
	return at
}
