package config

import (
	"encoding/json"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/wording"
)

// SchemaURL is where editors find the schema of this version's files.
const SchemaURL = "https://raw.githubusercontent.com/jina/hub-publish/v1/internal/config/schema.json"

// table is what may stand in a configuration file.
var table = fields{
	{name: "rules", shape: severities{},
		about:   "What the rules weigh: error, warning, or off for a rule that this hub does not want.",
		example: "rules: {version/not-bumped: warning}"},
	{name: "overrides", example: "overrides: [{paths: [executors/crafters/**], rules: {version/not-bumped: off}}]",
		about: "What rules weigh in some paths. A later override goes before an earlier one, and each before `rules`.",
		shape: items{one: "an override", example: "{paths: [executors/crafters/**], rules: {version/not-bumped: off}}", of: fields{
			{name: "paths", required: true, example: "paths: [executors/crafters/**]",
				about: "Globs relative to the repository: * stands for what has no slash in it, ** for any number of directories. A glob that matches a directory counts for all that is in it.",
				shape: items{of: glob("executors/crafters/**"), example: "executors/crafters/**"}},
			{name: "rules", required: true, shape: severities{},
				about:   "What the rules weigh in these paths.",
				example: "rules: {version/not-bumped: warning}"},
		}}},
	{name: "kinds", example: "kinds: [crafter, encoder]",
		about: "The kinds of executor. Bundles of a kind stand in a folder with the kind's name or its plural: encoder, encoders.",
		shape: items{of: name("a kind"), example: "encoder", together: folders}},
	{name: "types", example: "types: [pod, app]",
		about: "The types of bundle.",
		shape: items{of: name("a type"), example: "pod"}},
	{name: "licenses", example: "licenses: [apache-2.0, mit]",
		about: "The licences that a bundle may have.",
		shape: items{of: licence(), example: "apache-2.0"}},
	{name: "name-pattern", shape: pattern(), example: "name-pattern: '^[A-Z][A-Za-z0-9]{3,40}$'",
		about: "A regular expression, in RE2's syntax, for a bundle's whole name: from ^ to $."},
	{name: "layout", example: "layout: {root: executors}",
		about: "Where bundles stand: <root>/<kinds>/[<group>/]<Name>.",
		shape: fields{
			{name: "root", shape: directory(), example: "root: executors",
				about: "The directory that holds the kind folders. By default executors, hub/executors, hub or the top, whichever holds some."},
			{name: "groups", example: "groups: optional", shape: word{
				is: "a value of groups", allowed: []string{string(GroupsOptional), string(GroupsNever), string(GroupsAlways)}},
				about: "Whether bundles stand in a group's folder below the kind folder."},
		}},
	{name: "limits", example: "limits: {large-file: 1MiB}",
		about: "Sizes above which something is reported.",
		shape: fields{
			{name: "large-file", shape: size{}, example: "large-file: 1MiB",
				about: "The largest size of a bundle's file, such as 1MiB, 500KB, or a whole number of bytes."},
		}},
	{name: "required-files", example: "required-files: [README.md]",
		about: "Files and directories that each bundle must have, relative to the bundle. Dockerfile and manifest.yml are always required.",
		shape: items{of: file(), example: "README.md", mayBeEmpty: true}},
	{name: "recommended-files", example: "recommended-files: [README.md, tests]",
		about: "Files and directories that each bundle should have, relative to the bundle. [] recommends none.",
		shape: items{of: file(), example: "README.md", mayBeEmpty: true}},
	{name: "unversioned", example: "unversioned: [README.md, tests]",
		about: "Globs, relative to the bundle, of files whose change needs no new version. A glob that matches a directory counts for all that is in it.",
		shape: items{of: glob("tests/**"), example: "tests/**", mayBeEmpty: true}},
	{name: "usage-tests", example: "usage-tests: {run: {ready: {port: 8080}}, flow: off}", shape: tests(),
		about: "How built images are tried, by the tests' names. Of the basic tests run, cli and flow, what is written goes over what they do, or they are off; any other name adds a test."},
	{name: "require-jina", example: "require-jina: true", shape: truth{},
		about: "Whether images without Jina fail the tests cli and flow; by default these do not apply to them."},
}

// folders reports a kind whose folder is another kind's too.
func folders(c *checker, kinds []*yaml.Node) {
	plurals := map[string]string{}
	for _, n := range kinds {
		if n.ShortTag() == text.tag { // what else there is, is reported
			plurals[n.Value+"s"] = n.Value
		}
	}
	for _, n := range kinds {
		if singular, ok := plurals[n.Value]; ok && n.ShortTag() == text.tag {
			c.report(n, "kinds: the folder %s is that of the kind %q already; remove one of the two", wording.Shorten(n.Value), wording.Shorten(singular))
		}
	}
}

// defaults are the values of keys that are not there, as they would be written.
func defaults() map[string]any {
	d := Default()
	return map[string]any{
		"kinds": d.Kinds, "types": d.Types, "licenses": d.Licenses, "name-pattern": d.NamePattern.String(),
		"groups": string(d.Layout.Groups), "large-file": "1MiB", "required-files": d.RequiredFiles,
		"recommended-files": d.RecommendedFiles, "unversioned": []string{}, "require-jina": d.RequireJina,
	}
}

// Key is one key of a configuration file, for a reader.
type Key struct {
	// Name holds a dot between a key and one below it: layout.root.
	Name string
	// Default is the value where the key is not there, its items with commas; empty where there is none.
	Default, About string
}

// Keys are all keys but those of an override and of a usage test, in the table's order.
func Keys() []Key {
	var keys []Key
	var add func(prefix string, fs fields)
	add = func(prefix string, fs fields) {
		for _, f := range fs {
			if below, ok := f.shape.(fields); ok {
				add(prefix+f.name+".", below)
				continue
			}
			usual := ""
			switch value := defaults()[f.name].(type) {
			case []string:
				usual = wording.List(value)
			case string:
				usual = value
			case bool:
				usual = strconv.FormatBool(value)
			}
			keys = append(keys, Key{prefix + f.name, usual, f.about})
		}
	}
	add("", table)
	return keys
}

// Schema is the JSON schema of configuration files, for a program with these rules.
func Schema(rules []string) ([]byte, error) {
	s := table.schema(rules)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = SchemaURL
	s["title"] = "The configuration of hub-publish"
	s["$defs"] = object{"rule": object{"enum": rules}, "severity": object{"enum": allowedSeverities}, "usage-test": testSchema(rules)}
	s["type"] = []string{"object", "null"} // a file of nothing but comments
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(s)
	return []byte(out.String()), err
}
