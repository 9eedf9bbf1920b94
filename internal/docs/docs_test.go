package docs_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/docs"
	"github.com/jina/hub-publish/internal/rule"
)

var update = flag.Bool("update", false, "write action.yml and the README's generated parts")

func TestAction(t *testing.T) {
	t.Parallel()
	want, err := docs.Action()
	if err != nil {
		t.Fatal(err)
	}
	hold(t, "../../action.yml", func(string) string { return want })
}

func TestReadme(t *testing.T) {
	t.Parallel()
	sections, err := docs.Sections(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	hold(t, "../../README.md", func(readme string) string {
		for name, section := range sections {
			markers := regexp.MustCompile(`(?s)(<!-- begin ` + name + ` -->\n).*?(<!-- end ` + name + ` -->)`)
			if !markers.MatchString(readme) {
				t.Errorf("README.md has no part %q", name)
			}
			readme = markers.ReplaceAllStringFunc(readme, func(part string) string {
				found := markers.FindStringSubmatch(part)
				return found[1] + "\n" + section + "\n" + found[2]
			})
		}
		return readme
	})
}

// hold compares a file with what the code makes of it.
func hold(t *testing.T, path string, made func(string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := made(string(data))
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s is not what the code says; run: go test ./internal/docs -update", strings.TrimPrefix(path, "../../"))
	}
}

// TestReadmeConfiguration: the configuration that the README shows is one.
func TestReadmeConfiguration(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(# yaml-language-server: .*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README shows no configuration")
	}
	if _, err := config.Parse(block[1], rule.IDs()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(block[1]), config.SchemaURL) {
		t.Errorf("it does not name the schema %s", config.SchemaURL)
	}
}
