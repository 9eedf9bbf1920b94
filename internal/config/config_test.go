package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
)

// parse reads a file that is right.
func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse([]byte(text), rules)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSeverity(t *testing.T) {
	t.Parallel()
	const file = `
rules:
  version/not-bumped: off
  manifest/name: warning
overrides:
  - paths: [executors/encoders]
    rules: {manifest/name: error, bundle/large-file: off}
  - paths: ['executors/encoders/*/Old*/**', 'executors/{rankers,indexers}/**/manifest.yml']
    rules: {manifest/name: off}
  - paths: ['executors/encoders/nlp/Old[AB]/manifest.yml']
    rules: {bundle/large-file: warning, manifest/name: warning}
`
	c := parse(t, file)
	for name, test := range map[string]struct {
		rule, path string
		want       finding.Severity
	}{
		"a rule that is not named":                {"manifest/kind", "executors/encoders/Foo/manifest.yml", finding.Error},
		"a rule that is turned off":               {"version/not-bumped", "executors/encoders/Foo/manifest.yml", finding.Off},
		"a rule outside of every override":        {"manifest/name", "executors/crafters/Foo/manifest.yml", finding.Warning},
		"below a directory that is named":         {"manifest/name", "executors/encoders/Foo/manifest.yml", finding.Error},
		"the directory itself":                    {"manifest/name", "executors/encoders", finding.Error},
		"beside a directory with a longer name":   {"manifest/name", "executors/encoders2/Foo/manifest.yml", finding.Warning},
		"a directory of that name somewhere else": {"manifest/name", "old/executors/encoders/Foo/manifest.yml", finding.Warning},
		"a later override goes before":            {"manifest/name", "executors/encoders/nlp/OldFoo/manifest.yml", finding.Off},
		"the last one goes before all":            {"manifest/name", "executors/encoders/nlp/OldA/manifest.yml", finding.Warning},
		"a later one that names another rule":     {"bundle/large-file", "executors/encoders/nlp/OldFoo/model.bin", finding.Off},
		"alternatives":                            {"manifest/name", "executors/indexers/a/b/manifest.yml", finding.Off},
		"another file than the glob's":            {"manifest/name", "executors/indexers/Foo/Dockerfile", finding.Warning},
		"what stands in no file":                  {"manifest/name", "", finding.Warning},
		"what stands in no file, all of it off":   {"version/not-bumped", "", finding.Off},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.Severity(test.rule, test.path, finding.Error); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	if got := config.Default().Severity("manifest/name", "a/b", finding.Warning); got != finding.Warning {
		t.Errorf("by default: got %s, want the rule's own severity", got)
	}
	everything := parse(t, "overrides: [{paths: ['**'], rules: {manifest/name: off}}]")
	if got := everything.Severity("manifest/name", "a", finding.Error); got != finding.Off {
		t.Errorf("a file at the top: got %s, want off", got)
	}
	if got := everything.Severity("manifest/name", "", finding.Error); got != finding.Error {
		t.Errorf("an override of every path, no path: got %s, want error", got)
	}
}

func TestNeedsVersion(t *testing.T) {
	t.Parallel()
	c := parse(t, "unversioned: [README.md, tests, 'docs/**/*.md', '*.txt']")
	for file, want := range map[string]bool{
		"README.md": false, "docs/README.md": false, "sub/README.md": true, "tests/test_it.py": false, "tests/a/b/c": false, "my/tests/a": true,
		"docs/a/b.md": false, "docs/a/b.rst": true, "requirements.txt": false, "a/requirements.txt": true, "manifest.yml": true,
	} {
		if got := c.NeedsVersion(file); got != want {
			t.Errorf("%s: got %t, want %t", file, got, want)
		}
	}
	if !config.Default().NeedsVersion("README.md") {
		t.Error("by default every file's change needs a new version")
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for groups, want := range map[config.Groups][4]bool{
		config.GroupsOptional: {false, true, true, false},
		config.GroupsNever:    {false, true, false, false},
		config.GroupsAlways:   {false, false, true, false},
	} {
		for depth, allowed := range want {
			if got := groups.Allows(depth); got != allowed {
				t.Errorf("%s: %d levels: got %t, want %t", groups, depth, got, allowed)
			}
		}
	}
}

// TestDefaultIsNobodys changes one default and looks at the next.
func TestDefaultIsNobodys(t *testing.T) {
	t.Parallel()
	config.Default().Kinds[0] = "x"
	config.Default().RequiredFiles[0] = "x"
	if c := config.Default(); c.Kinds[0] == "x" || c.RequiredFiles[0] == "x" {
		t.Error("two configurations share their values")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	want := []string{
		"rules=", "overrides=", "kinds=classifier, crafter, encoder, evaluator, indexer, ranker, segmenter, trainer", "types=pod, app",
		"licenses=" + strings.Join(config.Default().Licenses, ", "), `name-pattern=^[a-zA-Z_$][a-zA-Z_\s\-$0-9]{3,20}$`, "layout.root=",
		"layout.groups=optional", "limits.large-file=1MiB", "required-files=Dockerfile, manifest.yml",
		"recommended-files=README.md, tests, requirements.txt", "unversioned=", "usage-tests=", "require-jina=false",
	}
	var got []string
	for _, key := range config.Keys() {
		got = append(got, key.Name+"="+key.Default)
		if key.About == "" {
			t.Errorf("%s: nothing says what it means", key.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestDefaultsAreTold writes the told defaults into a file: it must be the default.
func TestDefaultsAreTold(t *testing.T) {
	t.Parallel()
	if c := parse(t, "limits: {large-file: 1MiB}\nlayout: {groups: optional}\nunversioned: []\nrequire-jina: false\n"); show(c) != "" {
		t.Errorf("not the default: %s", show(c))
	}
}
