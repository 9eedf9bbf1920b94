// Package manifest reads a bundle's manifest.yml and keeps the place of every key and value in it.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

// File is the manifest's name in every bundle.
const File = "manifest.yml"

// MaxSize is the largest manifest that is read, in bytes. Real manifests have some hundred.
const MaxSize = 1 << 20

// Defaults are those of optional keys, from the table in the hub's document "Publish Your Pod Image to Jina Hub".
var Defaults = map[string]string{
	"author":  "Jina AI Dev-Team (dev-team@jina.ai)",
	"version": "0.0.0",
	"vendor":  "Jina AI Limited",
	"license": "apache-2.0",
}

// Field is one key of the manifest with its value.
type Field struct {
	Key   string
	KeyAt finding.Range
	// Value is the value, behind any alias.
	Value *Value
	At    finding.Range
}

// Value is what is kept of a value's node. A hub has ten thousand manifests, and a node has a lot that nobody asks for.
type Value struct {
	Kind yaml.Kind
	// Tag is the value's type, such as !!str.
	Tag  string
	text string
	// content are a list's items.
	content []*yaml.Node
}

// set keeps what matters of a node.
func (v *Value) set(n *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch v.Kind, v.Tag = n.Kind, n.Tag; n.Kind {
	case yaml.ScalarNode:
		v.text = n.Value
	case yaml.SequenceNode:
		v.content = n.Content
	}
}

// Text is the field's value as it is written, for a scalar; empty for a list or a mapping.
func (f Field) Text() string { return f.Value.text }

// IsNull reports whether nothing is written behind the key, or a YAML null.
func (f Field) IsNull() bool { return f.Value.Tag == "!!null" }

// IsString reports whether YAML reads the value as a string.
func (f Field) IsString() bool { return f.Value.Kind == yaml.ScalarNode && f.Value.Tag == "!!str" }

// Manifest is a parsed manifest.
type Manifest struct {
	// Fields are in the file's order.
	Fields []Field
	data   []byte
}

// SyntaxError says where a manifest stops being one.
type SyntaxError struct {
	At      finding.Range
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.At.Line, e.Message) }

// Parse reads a manifest. Its error is a *SyntaxError where the text is not YAML, is no mapping, or names a key twice.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, &SyntaxError{finding.Line(1), fmt.Sprintf("the manifest is larger than %d bytes, which is the limit; shorten it", MaxSize)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if line := notUTF8(data); line > 0 {
		return nil, &SyntaxError{finding.Line(line), "the manifest is not UTF-8 text; save it as UTF-8"}
	}
	text := newSource(data)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return &Manifest{}, nil
	} else if err != nil {
		return nil, text.syntaxError(err)
	}
	m := &Manifest{data: data}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return m, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, &SyntaxError{text.line(top.Line), "the manifest must be a mapping of keys to values, such as `name: AwesomeEncoder`"}
	}
	m.Fields = make([]Field, 0, len(top.Content)/2)
	values := make([]Value, len(top.Content)/2)
	seen := make(map[string]finding.Range, len(top.Content)/2)
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		f := Field{Key: key.Value, KeyAt: text.extent(key), Value: &values[i/2], At: text.extent(value)}
		f.Value.set(value)
		if key.Kind != yaml.ScalarNode {
			return nil, &SyntaxError{f.KeyAt, "a key must be a word, not a list or a mapping"}
		}
		if first, twice := seen[f.Key]; twice {
			return nil, &SyntaxError{f.KeyAt, fmt.Sprintf("the key %q stands here a second time; the first is on line %d; remove one of them", wording.Shorten(f.Key), first.Line)}
		}
		seen[f.Key] = f.KeyAt
		m.Fields = append(m.Fields, f)
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return nil, &SyntaxError{text.line(next.Line), "a second YAML document begins here; a manifest is one document: remove the `---` and what follows"}
	} else if !errors.Is(err, io.EOF) {
		return nil, text.syntaxError(err)
	}
	return m, nil
}

// CheckYAML says where a text stops being YAML, of one document or several; nil where it is YAML throughout.
func CheckYAML(data []byte) *SyntaxError {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if line := notUTF8(data); line > 0 {
		return &SyntaxError{finding.Line(line), "the file is not UTF-8 text; save it as UTF-8"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return newSource(data).syntaxError(err)
		}
	}
}

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// parserError matches those of yaml.v3's errors whose lines it counts from 0: its parser's. Its scanner's count from 1.
	parserError   = regexp.MustCompile(`^(did not find expected (<|node content|'-'|key|',')|found (undefined tag|duplicate %|incompatible))`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError gives the parser's error its place. The parser tells a line, no column; of an unknown anchor not even that.
func (s source) syntaxError(err error) *SyntaxError {
	parts := yamlError.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if parts == nil {
		return &SyntaxError{finding.Line(1), err.Error()}
	}
	line, convErr := strconv.Atoi(parts[1])
	if alias := unknownAnchor.FindStringSubmatch(parts[2]); alias != nil {
		line = s.find("*" + alias[1])
	} else if strings.HasPrefix(parts[2], "control characters") {
		line = s.findControl()
	} else if convErr == nil && parserError.MatchString(parts[2]) {
		line++
	}
	return &SyntaxError{s.line(line), "not valid YAML: " + wording.Shorten(parts[2])}
}

// notUTF8 is the line of the first byte that is not UTF-8; 0 where there is none.
func notUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(data[:i], []byte("\n"))
		}
		i += size
	}
	return 0
}

// Data is the manifest's text, without a byte order mark.
func (m *Manifest) Data() []byte { return m.data }

// Field is the field with this key.
func (m *Manifest) Field(key string) (Field, bool) {
	for _, f := range m.Fields {
		if f.Key == key {
			return f, true
		}
	}
	return Field{}, false
}

// Text is the value of a key whose value is a scalar, or the key's default where the key is absent or null.
func (m *Manifest) Text(key string) string {
	if f, ok := m.Field(key); ok && !f.IsNull() {
		return f.Text()
	}
	return Defaults[key]
}

// Items are the items of a list value with their places; other values have none.
func (m *Manifest) Items(f Field) []Field {
	if len(f.Value.content) == 0 {
		return nil
	}
	text := newSource(m.data)
	items, values := make([]Field, len(f.Value.content)), make([]Value, len(f.Value.content))
	for i, n := range f.Value.content {
		values[i].set(n)
		items[i] = Field{Key: f.Key, KeyAt: f.KeyAt, Value: &values[i], At: text.extent(n)}
	}
	return items
}
