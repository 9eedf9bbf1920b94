package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

// shape is what a value must be. The parser and the schema are made of the same shapes.
type shape interface {
	// check reports what is wrong with a value. where names the value in messages.
	check(c *checker, n *yaml.Node, where string)
	// schema says the same to editors.
	schema(rules []string) object
}

// object is a part of a JSON schema.
type object map[string]any

// field is a key that a mapping may have.
type field struct {
	name, about string
	// example is a line that shows the key with a value.
	example  string
	required bool
	shape    shape
}

// fields is a mapping whose keys are known.
type fields []field

func (fs fields) check(c *checker, n *yaml.Node, where string) {
	var names, examples []string
	for _, f := range fs {
		names = append(names, f.name)
		examples = append(examples, f.example)
	}
	if !c.is(n, mapping, where, "write keys and values, such as `"+examples[0]+"`") {
		return
	}
	seen := map[string]bool{}
	for key, value := range c.entries(n) {
		seen[key.Value] = true
		i := slices.Index(names, key.Value)
		if i < 0 {
			inside := ""
			if where != top {
				inside = " in " + where
			}
			c.report(key, "the key %q is not known%s;%s the keys are %s; write one of them, or remove it",
				wording.Shorten(key.Value), inside, wording.DidYouMean(key.Value, names), wording.List(names))
			continue
		}
		if value.ShortTag() == "!!null" {
			c.report(key, "%s has no value; write for example `%s`, or remove the key", key.Value, fs[i].example)
			continue
		}
		fs[i].shape.check(c, value, key.Value)
	}
	for _, f := range fs {
		if f.required && !seen[f.name] {
			c.report(n, "%s has no %s; add for example `%s`", where, f.name, f.example)
		}
	}
}

func (fs fields) schema(rules []string) object {
	properties, required := object{}, []string{}
	usual := defaults()
	for _, f := range fs {
		property := f.shape.schema(rules)
		property["description"] = f.about
		if value, ok := usual[f.name]; ok {
			property["default"] = value
		}
		properties[f.name] = property
		if f.required {
			required = append(required, f.name)
		}
	}
	s := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// severities is a mapping of rules to what they weigh.
type severities struct{}

var allowedSeverities = []string{string(finding.Error), string(finding.Warning), string(finding.Off)}

func (severities) check(c *checker, n *yaml.Node, where string) {
	if !c.is(n, mapping, where, "write `RULE: SEVERITY` in each line, such as `version/not-bumped: warning`") {
		return
	}
	empty := true
	for key, value := range c.entries(n) {
		empty = false
		if !slices.Contains(c.rules, key.Value) {
			c.report(key, "there is no rule %q;%s the rules are %s", wording.Shorten(key.Value), wording.DidYouMean(key.Value, c.rules), wording.List(c.rules))
			continue
		}
		word{is: "a severity", allowed: allowedSeverities}.check(c, value, key.Value)
	}
	if empty {
		c.report(n, "%s names no rule; name one, such as `version/not-bumped: warning`, or remove the key", where)
	}
}

func (severities) schema(rules []string) object {
	properties := object{} // editors complete these, but not what propertyNames says
	for _, rule := range rules {
		properties[rule] = object{"$ref": "#/$defs/severity"}
	}
	return object{
		"type": "object", "minProperties": 1, "properties": properties, "propertyNames": object{"$ref": "#/$defs/rule"},
	}
}

// items is a list of values of one shape.
type items struct {
	of shape
	// first is the shape of the first item, where it is another one.
	first shape
	// repeats allows an item that is there already.
	repeats bool
	// one names an item in messages; empty for a text, which names itself.
	one string
	// mayBeEmpty allows a list without items.
	mayBeEmpty bool
	// together reports what is wrong with the items beside one another.
	together func(c *checker, items []*yaml.Node)
	// example shows an item.
	example string
	// mend says what to write instead of a text; empty where brackets around it make it the list that is meant.
	mend string
}

func (s items) check(c *checker, n *yaml.Node, where string) {
	mend := fmt.Sprintf("write `- %s`, one item a line", s.example)
	if n.Kind == yaml.ScalarNode && s.mend != "" {
		mend = s.mend
	} else if n.Kind == yaml.ScalarNode {
		mend = "put it in brackets: `[" + wording.Shorten(strings.TrimSpace(n.Value)) + "]`"
	}
	if !c.is(n, sequence, where, mend) {
		return
	}
	if len(n.Content) == 0 && !s.mayBeEmpty {
		c.report(n, "%s is empty; name at least one, such as `%s`, or remove the key", where, s.example)
	}
	one := s.one
	if one == "" {
		one = where
	}
	seen := map[string]bool{}
	for i, item := range n.Content {
		if c.full() {
			return
		}
		if !s.repeats && item.Kind == yaml.ScalarNode && item.ShortTag() == "!!str" {
			if seen[item.Value] {
				c.report(item, "%q stands in %s a second time; remove one of them", wording.Shorten(item.Value), where)
				continue
			}
			seen[item.Value] = true
		}
		of := s.of
		if i == 0 && s.first != nil {
			of = s.first
		}
		of.check(c, item, one)
	}
	if s.together != nil {
		s.together(c, n.Content)
	}
}

func (s items) schema(rules []string) object {
	o := object{"type": "array", "items": s.of.schema(rules)}
	if !s.mayBeEmpty {
		o["minItems"] = 1
	}
	if s.first != nil {
		o["prefixItems"] = []object{s.first.schema(rules)}
	}
	if _, texts := s.of.(word); texts && !s.repeats {
		o["uniqueItems"] = true
	}
	return o
}
