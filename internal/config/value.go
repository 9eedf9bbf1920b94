package config

import (
	"regexp"
	"time"

	"gopkg.in/yaml.v3"
)

// truth is true or false.
type truth struct{}

func (truth) check(c *checker, n *yaml.Node, where string) {
	var value bool
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(&value) != nil {
		c.report(n, "%s must be true or false, but it is %s; write one of the two", where, what(n))
	}
}

func (truth) schema([]string) object { return object{"type": "boolean"} }

// integer is a whole number in a range, which both ends belong to.
type integer struct {
	from, to int
	example  string
}

func (s integer) check(c *checker, n *yaml.Node, where string) {
	if value, ok := intOf(n); !ok || value < s.from || value > s.to {
		c.report(n, "%s must be a whole number from %d to %d, but it is %s; write for example %s", where, s.from, s.to, what(n), s.example)
	}
}

func (s integer) schema([]string) object {
	return object{"type": "integer", "minimum": s.from, "maximum": s.to}
}

// intOf is the number that a value says.
func intOf(n *yaml.Node) (int, bool) {
	var value int
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		return 0, false
	}
	err := n.Decode(&value)
	return value, err == nil
}

// span is a length of time, above 0 and at most maxSpan.
type span struct {
	example string
}

const maxSpan = time.Hour

// spanPattern are those of time.ParseDuration's texts that people write. It does not say how long they are: schemas cannot.
var spanPattern = regexp.MustCompile(`^([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h))+$`)

func (s span) check(c *checker, n *yaml.Node, where string) {
	if _, ok := spanOf(n); !ok {
		c.report(n, "%s must be a time above 0 and at most 1h, but it is %s; write a number with its unit, ms, s, m or h, such as %s", where, what(n), s.example)
	}
}

func (span) schema([]string) object {
	return object{"type": "string", "pattern": spanPattern.String()}
}

// spanOf is the length of time that a value says.
func spanOf(n *yaml.Node) (time.Duration, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != text.tag || !spanPattern.MatchString(n.Value) {
		return 0, false
	}
	value, err := time.ParseDuration(n.Value)
	return value, err == nil && value > 0 && value <= maxSpan
}
