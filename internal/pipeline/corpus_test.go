//go:build !race

package pipeline_test

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/config"
	layout "github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/rule"
)

// values take the place of each value in turn: some are right for some keys, and none for all.
var values = []string{
	"7", "1.5", "true", "2001-01-01", "0x1f", "1e3", ".inf", "yes", "~", "null", "", "''", "'  '", `"\t"`, "' x '",
	"[a, b]", "[]", "[a, 1]", "[a, '']", "[~]", "[[a]]", "[{a: b}, ' ']", "{a: b}", "{}", "[a, 1.0, true, b]",
	"wrong", "Wrong", "'7'", "'1.0'", "1.0", "1.0.0", "v1.0.0", "1.0.0-rc.1", "1.0.0-01", "1.0.0+a.b", "01.0.0", "1.0.0-", "1.2.3.4",
	"Foo!", "Fo", "A b-c_d", "-abcd", "9abcd", "Ab$cd", "$abcd", "Abcd-", "Ab--cd", "Abcd ef", "A__bcd", "abcdefghijklmnopqrstu", "abcdefghijklmnopqrstuv", "Ünicode",
	"encoder", "Encoder", "encoders", "segmenter", "pod", "app", "apps", "apache-2.0", "Apache-2.0", "mit", "gpl", "gpl-4.0",
	"https://example.com", "http://example.com/a?b#c", "ftp://example.com", "https://", "https:/example.com", "example.com", "//example.com", "https://a b", "HTTPS://example.com",
	"!!str 7", "!!int '7'", "&a x", "|\n  a\n  b", ">-\n  a\n  b", "|", "\n  x", "\n  - a\n  - 1\n", "\n  a: b",
	"[a", "a: b", "'x", `"x`, "@x", "*x", "{", "]", "%x", "`x`", "\tx", "x\n y: z", "- a", "? a", "x # a comment", "'#x'",
}

// shares is how many manifests have all the values among them.
const shares = 6

// keyLine is a line that begins a key of a manifest.
var keyLine = regexp.MustCompile(`^([A-Za-z_]+):`)

// mutations are a manifest with one thing changed, by what was changed. Each manifest has its share of the values, so that
// each value stands for each key in some of them.
func mutations(text string, share int) map[string]string {
	all := map[string]string{"as it is": text}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && !keyLine.MatchString(lines[end]) {
			end++
		}
		found := keyLine.FindStringSubmatch(lines[i])
		if found == nil {
			i = end
			continue
		}
		key, value := found[1], strings.TrimPrefix(strings.Join(lines[i:end], "\n"), found[0])
		with := func(what, instead string) {
			parts := slices.Concat(lines[:i], []string{instead}, lines[end:])
			all[key+" "+what] = strings.Join(parts, "\n") + "\n"
		}
		for n, v := range values {
			if n%shares != share%shares {
				continue
			}
			with("is "+v, key+": "+v)
		}
		for _, k := range []string{key[1:], key[:len(key)-1], key + "s", strings.ToUpper(key), key + key, "x_" + key, "'" + key + "'", "\"" + key + "\"", "? " + key + "\n", key + " "} {
			with("is called "+k, k+":"+value)
		}
		all[key+" is gone"] = strings.Join(slices.Concat(lines[:i], lines[end:]), "\n") + "\n"
		all[key+" stands twice"] = strings.Join(slices.Concat(lines, lines[i:end]), "\n") + "\n"
		all[key+" is alone"] = strings.Join(lines[i:end], "\n") + "\n"
		all[key+" is the last"] = strings.Join(lines[:end], "\n")
		with("is indented", " "+key+":"+value)
		i = end
	}
	return all
}

// TestCorpus holds what the rules find in the manifests of a real hub, and in each of their mutations, against a second
// reading of the hub's document, which knows nothing of the first.
func TestCorpus(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("../../testdata/corpus.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range archive.Files {
		if path.Base(f.Name) != "manifest.yml" {
			continue
		}
		t.Run(path.Dir(f.Name), func(t *testing.T) {
			t.Parallel()
			for what, text := range mutations(string(f.Data), i) {
				got, want := read(t, f.Name, text), readAnew(text)
				if slices.Equal(got, want) {
					continue
				}
				t.Errorf("%s: the rules find %v, and the second reading %v in\n%s", what, got, want, text)
			}
		})
	}
}

// read are the findings of the manifest's rules, as rule:line. What the line of broken YAML is only the parser knows.
func read(t *testing.T, name, text string) []string {
	t.Helper()
	files := fstest.MapFS{name: {Data: []byte(text)}, path.Dir(name) + "/Dockerfile": {Data: []byte(recipe)}}
	h, err := layout.Open(files, "", config.Default())
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Load(path.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range rule.NewChecker(h, config.Default(), []*layout.Bundle{b}).Check(b) {
		switch {
		case f.Rule == "manifest/syntax":
			found = append(found, f.Rule)
		case strings.HasPrefix(f.Rule, "manifest/"):
			found = append(found, fmt.Sprintf("%s:%d", f.Rule, f.Line))
		}
	}
	slices.Sort(found)
	return found
}

var (
	goodName    = regexp.MustCompile(`^[a-zA-Z_$][a-zA-Z_\s\-$0-9]{3,20}$`)
	goodVersion = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-((0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(\+([0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*))?$`)
	goodAddress = regexp.MustCompile(`^(?i:https?)://[^\s/?#]+\S*$`)
	goodImage   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
)

// readAnew are the findings by the table in the hub's document, read off the values that YAML has for the keys.
func readAnew(text string) []string {
	var m, more map[string]any
	decoder := yaml.NewDecoder(strings.NewReader(text))
	if decoder.Decode(&m) != nil || !errors.Is(decoder.Decode(&more), io.EOF) { // one document, and no more
		return []string{"manifest/syntax"}
	}
	var found []string
	report := func(id string, line int) { found = append(found, fmt.Sprintf("manifest/%s:%d", id, line)) }
	keyAt, valueAt := linesOf(text)
	words := map[string]string{}
	for key, value := range m {
		word, isText := value.(string)
		list, isList := value.([]any)
		_, isNumber := value.(int)
		right := isText
		switch key {
		case "keywords", "platform":
			right = isList
		case "manifest_version":
			right = isNumber
		case "name", "kind", "type", "description", "author", "url", "documentation", "version", "vendor", "license", "avatar":
			words[key] = word
		default:
			report("unknown-key", keyAt[key])
			continue
		}
		if value != nil && !right {
			report("value-type", valueAt[key])
		}
		if key == "keywords" {
			for i, item := range list {
				if word, isText := item.(string); !isText || strings.TrimSpace(word) == "" {
					report("keywords", itemLine(text, valueAt[key], i))
				}
			}
		}
	}
	for _, key := range []string{"name", "kind", "type", "description"} {
		value, there := m[key]
		word, isText := value.(string)
		if !there {
			report("required", 1)
		} else if value == nil || isText && strings.TrimSpace(word) == "" {
			report("required", keyAt[key])
		}
	}
	for key, word := range words {
		if strings.TrimSpace(word) == "" {
			continue
		}
		wrong := false
		switch key {
		case "name":
			wrong = !goodName.MatchString(word)
		case "kind":
			wrong = !slices.Contains(replayKinds, word)
		case "type":
			wrong = word != "pod" && word != "app"
		case "version":
			wrong = !goodVersion.MatchString(word)
		case "license":
			wrong = !slices.Contains(config.Default().Licenses, word)
		case "url", "documentation":
			if !goodAddress.MatchString(word) {
				report("url", valueAt[key])
			}
		}
		if wrong {
			report(key, valueAt[key])
		}
	}
	// Whether a registry takes the name is told where it has a name, and a kind and a type to stand beside.
	kind, form := slices.Contains(replayKinds, words["kind"]), words["type"] == "pod" || words["type"] == "app"
	if name := words["name"]; goodName.MatchString(name) && kind && form && !goodImage.MatchString(imagePart(name)) {
		report("image-name", valueAt["name"])
	}
	slices.Sort(found)
	return found
}

// imagePart is what a name becomes in an image's.
func imagePart(name string) string {
	return strings.NewReplacer("-", "--", "_", "__", " ", "_").Replace(strings.ToLower(name))
}

// linesOf are the lines of the keys at the left, and of their values: behind them, or on the next line.
func linesOf(text string) (keys, values map[string]int) {
	keys, values = map[string]int{}, map[string]int{}
	written := regexp.MustCompile(`^(?:\? )?['"]?([A-Za-z_]+)['"]?(?:\s*:|$)(.*)$`)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		found := written.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		keys[found[1]], values[found[1]] = i+1, i+1
		if strings.TrimSpace(found[2]) == "" && i+1 < len(lines) && (strings.HasPrefix(lines[i+1], " ") || strings.HasPrefix(lines[i+1], ":")) {
			values[found[1]] = i + 2
		}
	}
	return keys, values
}

// itemLine is the line of a list's item: that of the list, or, where each has its own, as many below.
func itemLine(text string, line, item int) int {
	if strings.HasPrefix(strings.TrimSpace(strings.Split(text, "\n")[line-1]), "- ") {
		return line + item
	}
	return line
}
