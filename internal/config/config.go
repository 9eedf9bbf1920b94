// Package config reads a hub's configuration file: what its rules weigh, where and for which paths, and the values, files
// and limits that they allow. A hub without the file has Default.
//
// The file is strict: what is not known is an error with its place. The table in table.go is the one place that says what
// may stand in it; schema.json, which editors read, is made of the same table.
package config

import (
	"path"
	"regexp"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/usage"
)

// File is where the configuration is, relative to the repository, unless the input `config` says otherwise.
const File = ".github/hub-publish.yml"

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// Config is what a hub asks for.
type Config struct {
	// Rules are the severities that the hub gives to rules, by the rule's id.
	Rules map[string]finding.Severity
	// Overrides are severities for some paths. A later one goes before an earlier one, and each before Rules.
	Overrides []Override
	// Kinds are the allowed kinds. Bundles of a kind stand in a folder with the kind's name or its plural, kind + "s".
	Kinds []string
	// Types are the allowed types.
	Types []string
	// Licenses are the allowed licences.
	Licenses []string
	// NamePattern is what a bundle's whole name must match: it begins with ^ and ends with $.
	NamePattern *regexp.Regexp
	Layout      Layout
	Limits      Limits
	// RequiredFiles are the paths, relative to the bundle, that each bundle must have. Dockerfile and manifest.yml are
	// always the first two of them.
	RequiredFiles []string
	// RecommendedFiles are the paths, relative to the bundle, that each bundle should have; none of them is required too.
	RecommendedFiles []string
	// Unversioned are globs, relative to the bundle, of the files whose change needs no new version.
	Unversioned []string
	// UsageTests are what the hub says of the usage tests, in the file's order, each name once: what differs in the basic ones
	// of usage.Basic, or that they are off, and tests of the hub's own.
	UsageTests []usage.Test
	// RequireJina makes images without Jina fail the tests usage.CLI and usage.Flow, which do not apply to them otherwise.
	RequireJina bool
}

// Override gives severities to rules in some paths.
type Override struct {
	// Paths are globs relative to the repository, as doublestar reads them: * stands for what has no slash in it, ** for
	// any number of directories. A glob that matches a directory counts for all that is in it.
	Paths []string
	Rules map[string]finding.Severity
}

// Layout is where bundles stand.
type Layout struct {
	// Root is the directory, relative to the repository, that holds the kind folders. Empty: it is looked for.
	Root   string
	Groups Groups
}

// Groups says whether bundles stand in a group's folder below the kind folder: <kinds>/<group>/<Name>.
type Groups string

// The values of layout's groups.
const (
	GroupsOptional Groups = "optional"
	GroupsNever    Groups = "never"
	GroupsAlways   Groups = "always"
)

// Allows reports whether a bundle may stand so many levels below its kind folder: 1 without a group, 2 in one.
func (g Groups) Allows(depth int) bool {
	return depth == 1 && g != GroupsAlways || depth == 2 && g != GroupsNever
}

// Limits are the sizes from which on something is reported.
type Limits struct {
	// LargeFile is the size, in bytes, above which a bundle's file is large. It is positive.
	LargeFile int64
}

// Default is the configuration of a hub that has no file: the values of the hub's document "Publish Your Pod Image to
// Jina Hub", and of the licences that it links to.
func Default() *Config {
	return &Config{
		Rules: map[string]finding.Severity{},
		Kinds: []string{"classifier", "crafter", "encoder", "evaluator", "indexer", "ranker", "segmenter", "trainer"},
		Types: []string{"pod", "app"},
		Licenses: []string{
			"afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "cc",
			"cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "ecl-2.0", "epl-1.0", "eupl-1.1", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl",
			"lgpl-2.1", "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "ofl-1.1", "osl-3.0", "postgresql", "unlicense",
			"wtfpl", "zlib",
		},
		NamePattern:      regexp.MustCompile(`^[a-zA-Z_$][a-zA-Z_\s\-$0-9]{3,20}$`),
		Layout:           Layout{Groups: GroupsOptional},
		Limits:           Limits{LargeFile: 1 << 20},
		RequiredFiles:    slices.Clone(alwaysRequired),
		RecommendedFiles: []string{"README.md", "tests", "requirements.txt"},
	}
}

// alwaysRequired are the files without which no image can be built and named.
var alwaysRequired = []string{"Dockerfile", "manifest.yml"}

// Severity is what a finding of a rule weighs at a path, where its rule usually gives it the severity usual. It may be
// finding.Off. The path is relative to the repository; what stands in no file has none, and no override counts for it.
func (c *Config) Severity(rule, path string, usual finding.Severity) finding.Severity {
	for _, o := range slices.Backward(c.Overrides) {
		if severity, ok := o.Rules[rule]; ok && covers(o.Paths, path) {
			return severity
		}
	}
	if severity, ok := c.Rules[rule]; ok {
		return severity
	}
	return usual
}

// NeedsVersion reports whether a change of a bundle's file asks for a new version. The file is relative to the bundle.
func (c *Config) NeedsVersion(file string) bool { return !covers(c.Unversioned, file) }

// covers reports whether one of the globs matches a file or a directory above it.
func covers(globs []string, file string) bool {
	for ; file != "" && file != "." && file != "/"; file = path.Dir(file) {
		for _, glob := range globs {
			if ok, err := doublestar.Match(glob, file); err == nil && ok {
				return true
			}
		}
	}
	return false
}
