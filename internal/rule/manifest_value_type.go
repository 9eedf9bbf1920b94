package rule

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/wording"
)

var manifestValueType = &Rule{
	ID:       "manifest/value-type",
	Severity: finding.Error,
	About:    "Each value is of its key's type: text, a list of texts, or a number.",
	Check: func(p *Pass) {
		if p.Manifest == nil {
			return
		}
		for _, f := range p.Manifest.Fields {
			expected, known := valueTypes[f.Key]
			if !known || f.IsNull() || expected.fits(f) {
				continue
			}
			p.Report(p.ManifestPath(), f.At, "%s must be %s, but YAML reads %s; %s", f.Key, expected.name, what(f), expected.mend(f))
		}
	},
}

// valueType is what a key's value must be.
type valueType struct {
	name string
	fits func(manifest.Field) bool
	mend func(manifest.Field) string
}

var (
	text = valueType{"text", manifest.Field.IsString, func(f manifest.Field) string {
		if f.Key == "version" {
			return mendVersion(f.Text())
		}
		if f.Value.Kind == yaml.ScalarNode {
			return fmt.Sprintf("put it in quotes: `%s: %q`", f.Key, wording.Shorten(f.Text()))
		}
		return fmt.Sprintf("write `%s: …` with one text behind it", f.Key)
	}}
	texts = valueType{"a list", func(f manifest.Field) bool { return f.Value.Kind == yaml.SequenceNode }, func(f manifest.Field) string {
		if f.Value.Kind == yaml.ScalarNode {
			return fmt.Sprintf("write `%s: [%s]`", f.Key, wording.Shorten(strings.TrimSpace(f.Text())))
		}
		return fmt.Sprintf("write `%s: [first, second]`", f.Key)
	}}
	number = valueType{"a whole number", func(f manifest.Field) bool { return f.Value.Tag == "!!int" }, func(f manifest.Field) string {
		return fmt.Sprintf("write `%s: 1`", f.Key)
	}}
)

// valueTypes are the manifest's keys: those of the hub's document, and three that real hubs carry besides.
var valueTypes = map[string]valueType{
	"name": text, "kind": text, "type": text, "description": text, "author": text, "url": text, "documentation": text,
	"version": text, "vendor": text, "license": text, "keywords": texts,
	"manifest_version": number, "avatar": text, "platform": texts,
}

// what names a value by the type that YAML gives it.
func what(f manifest.Field) string {
	switch f.Value.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	kinds := map[string]string{
		"!!str": "the text", "!!int": "the number", "!!float": "the number", "!!bool": "the truth value", "!!timestamp": "the date",
	}
	kind, ok := kinds[f.Value.Tag]
	if !ok {
		kind = "a value of the type " + wording.Shorten(f.Value.Tag)
	}
	return kind + " " + wording.Shorten(f.Text())
}

var manifestKeywords = &Rule{
	ID:       "manifest/keywords",
	Severity: finding.Error,
	About:    "Each keyword is text that is not blank.",
	Check: func(p *Pass) {
		f, ok := p.field("keywords")
		if !ok || !texts.fits(f) {
			return
		}
		for _, word := range p.Manifest.Items(f) {
			switch {
			case !word.IsString():
				p.Report(p.ManifestPath(), word.At, "a keyword must be text, but YAML reads %s; write a word, in quotes where it looks like something else", what(word))
			case blank(word):
				p.Report(p.ManifestPath(), word.At, "this keyword is blank; write a word or remove it")
			}
		}
	},
}
