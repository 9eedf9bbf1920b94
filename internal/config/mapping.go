package config

import (
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/wording"
)

// named is a mapping whose keys are names that the file gives.
type named struct {
	// key is what a name must be. A key counts as it is written: 1 and true are names too where the pattern allows them.
	key word
	// known are names whose values have shapes of their own.
	known fields
	// of is the shape of all other values.
	of shape
	// most is how many names there may be; 0 is any number.
	most int
	// exampleName and example show a name and its value.
	exampleName, example string
}

func (s named) check(c *checker, n *yaml.Node, where string) {
	entry := s.exampleName + ": " + s.example
	if !c.is(n, mapping, where, "write names and values, such as `"+entry+"`") {
		return
	}
	if len(n.Content) == 0 {
		c.report(n, "%s is empty; write for example `%s`, or remove the key", where, entry)
	}
	count := 0
	for key, value := range c.entries(n) {
		name := wording.Shorten(key.Value)
		if count++; s.most > 0 && count > s.most {
			c.report(key, "%s has more than %d entries, which is the limit; remove some", where, s.most)
			return
		}
		if !s.key.pattern.MatchString(key.Value) {
			c.report(key, "%s: %q is not %s; %s", where, name, s.key.is, s.key.mend)
			continue
		}
		if value.ShortTag() == "!!null" {
			c.report(key, "%s has no value; write for example `%s: %s`, or remove the key", name, name, s.example)
			continue
		}
		shape := s.of
		if i := slices.IndexFunc(s.known, func(f field) bool { return f.name == key.Value }); i >= 0 {
			shape = s.known[i].shape
		}
		shape.check(c, value, name)
	}
}

func (s named) schema(rules []string) object {
	o := s.known.schema(rules)
	o["minProperties"] = 1
	o["propertyNames"] = object{"pattern": s.key.pattern.String()}
	o["additionalProperties"] = s.of.schema(rules)
	if s.most > 0 {
		o["maxProperties"] = s.most
	}
	return o
}

// exclusive is a mapping that may have only one of some of its keys.
type exclusive struct {
	of fields
	// one are the keys of which only one may be there.
	one []string
	// needed are mappings that must have one of them. Then one are all keys of the mapping.
	needed bool
}

func (s exclusive) check(c *checker, n *yaml.Node, where string) {
	s.of.check(c, n, where)
	if n.Kind != yaml.MappingNode {
		return // it is reported
	}
	if s.needed && len(n.Content) == 0 { // a key that is not known is reported as such
		c.report(n, "%s is empty, but must have one of %s; write for example `%s`", where, wording.List(s.one), s.of[0].example)
	}
	first := ""
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode || !slices.Contains(s.one, key.Value) || key.Value == first:
		case first == "":
			first = key.Value
		default:
			c.report(key, "%s has %s already, and may have only one of %s; remove the others", where, first, wording.List(s.one))
			return
		}
	}
}

func (s exclusive) schema(rules []string) object {
	var each []object
	for _, key := range s.one {
		each = append(each, object{"required": []string{key}})
	}
	if !s.needed {
		each = append(each, object{"not": object{"anyOf": slices.Clone(each)}})
	}
	o := s.of.schema(rules)
	o["oneOf"] = each
	return o
}
