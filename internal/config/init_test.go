package config_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
)

func found(rule string, severity finding.Severity, file string) finding.Finding {
	return finding.New(rule, severity, file, finding.Line(1), "something is wrong")
}

// hubs are what a check of a hub may find.
func hubs() map[string][]finding.Finding {
	ignored := found("manifest/name", finding.Error, "executors/encoders/Ignored/manifest.yml")
	ignored.Ignored = "it has had that name for ever"
	return map[string][]finding.Finding{
		"nothing": nil,
		"some": {
			found("manifest/name", finding.Error, "executors/encoders/nlp/Foo/manifest.yml"),
			found("version/not-bumped", finding.Error, "executors/encoders/nlp/Foo/manifest.yml"),
			found("manifest/name", finding.Error, "executors/crafters/Bar/manifest.yml"),
			found("manifest/name", finding.Error, "executors/crafters/Bar/manifest.yml"),
			found("bundle/large-file", finding.Warning, "executors/crafters/Bar/model.bin"),
			found("version/not-bumped", finding.Error, ""), // a commit's
			ignored,
		},
		"odd-names": {
			found("manifest/name", finding.Error, "a [b]/{c,d}/*/?/e\\f"),
			found("manifest/name", finding.Error, `"quoted"/'quoted'`),
			found("manifest/name", finding.Error, "true"),
			found("manifest/name", finding.Error, "1.0"),
			found("manifest/name", finding.Error, "# no comment/- no list: no key"),
			found("manifest/name", finding.Error, "tab\tline\nreturn\r/\u0085\u2028\ufeff\x7f"),
			found("manifest/name", finding.Error, "not UTF-8 \xff\xfe/\xef\ufffd"),
			found("manifest/name", finding.Error, "é/😀/漢字"),
			found("manifest/name", finding.Error, ".github/..odd/.x"),
			found("manifest/name", finding.Error, strings.Repeat("{,}", 20)),
			found("manifest/name", finding.Error, strings.Repeat("long/", 100)+"file"),
		},
	}
}

// TestInit holds the file against testdata, and what it makes of the findings against the promise.
func TestInit(t *testing.T) {
	t.Parallel()
	for name, findings := range hubs() {
		for _, failOn := range []finding.Severity{finding.Error, finding.Warning} {
			t.Run(fmt.Sprintf("%s, fail on %s", name, failOn), func(t *testing.T) {
				t.Parallel()
				file := config.Init(findings, failOn)
				passes(t, findings, file, failOn)
				path := filepath.Join("../../testdata/config", fmt.Sprintf("init-%s-%s.yml", name, failOn))
				if *update {
					if err := os.WriteFile(path, file, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if want, err := os.ReadFile(path); err != nil || string(want) != string(file) {
					t.Errorf("%v; got:\n%s\nwant:\n%s", err, file, want)
				}
			})
		}
	}
}

// passes fails where a finding still fails a run with the file, and where the file lets more pass than what was found.
func passes(t *testing.T, findings []finding.Finding, file []byte, failOn finding.Severity) {
	t.Helper()
	c, err := config.Parse(file, rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.File == "" || f.Ignored != "" {
			continue
		}
		if got := c.Severity(f.Rule, f.File, f.Severity); got == finding.Error || got == failOn {
			t.Errorf("%s: %q still is of severity %s", f.Rule, f.File, got)
		}
	}
	for _, f := range findings {
		if got := c.Severity(f.Rule, f.File+"2", finding.Error); got != finding.Error {
			t.Errorf("%s: %q, where nothing was found, is of severity %s", f.Rule, f.File+"2", got)
		}
	}
}

// TestInitOfTooMuch has more files than a configuration file can name.
func TestInitOfTooMuch(t *testing.T) {
	t.Parallel()
	var findings []finding.Finding
	for i := range 20_000 {
		findings = append(findings, found("manifest/name", finding.Error, fmt.Sprintf("executors/encoders/%s%d/manifest.yml", strings.Repeat("x", 30), i)))
	}
	c, err := config.Parse(config.Init(findings, finding.Error), rules)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Severity("manifest/name", findings[7].File, finding.Error); got != finding.Warning {
		t.Errorf("got %s, want warning", got)
	}
}

func FuzzInit(f *testing.F) {
	for _, findings := range hubs() {
		for _, found := range findings {
			if found.File != "" { // of the whole hub
				f.Add(found.File)
			}
		}
	}
	f.Fuzz(func(t *testing.T, file string) {
		file = strings.TrimPrefix(path.Join("/", file), "/") // as git has it
		if file == "" {
			file = "manifest.yml"
		}
		findings := []finding.Finding{found("manifest/name", finding.Error, file)}
		c, err := config.Parse(config.Init(findings, finding.Error), rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Severity("manifest/name", file, finding.Error); got != finding.Warning {
			t.Errorf("%q: got %s, want warning", file, got)
		}
	})
}
