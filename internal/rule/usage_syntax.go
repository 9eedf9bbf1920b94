package rule

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/usage"
)

var usageSyntax = &Rule{
	ID:       "usage/syntax",
	Severity: finding.Error,
	About:    "Each file `tests/usage/*.yml` of a bundle is a usage test.",
	Check: func(p *Pass) {
		for i, file := range usageFiles(p.Path, p.files()) {
			if i == maxUsageTests {
				p.Report(file, finding.Line(1), "the bundle has more than %d usage tests, which is the limit: each starts its image once; put several together", maxUsageTests)
				return
			}
			data, err := p.Hub.Read(file)
			if err != nil || manifest.CheckYAML(data) != nil {
				continue // config/syntax says it
			}
			_, err = p.usageTest(file, data)
			var wrong *config.Error
			if errors.As(err, &wrong) {
				for _, problem := range wrong.Problems {
					p.Report(file, problem.At, "%s", problem.Message)
				}
			}
		}
	},
}

// maxUsageTests is how many usage tests of its own a bundle may have.
const maxUsageTests = 20

// usageFiles are those of a bundle's files that are usage tests, in their order.
func usageFiles(bundle string, files []hub.File) []string {
	var found []string
	for _, f := range files {
		if path.Dir(f.Path) == path.Join(bundle, usage.Dir) && path.Ext(f.Path) == ".yml" && f.Link == "" {
			found = append(found, f.Path)
		}
	}
	return found
}

// usageTest reads a bundle's own usage test; its name is the file's.
func (c *Checker) usageTest(file string, data []byte) (usage.Test, error) {
	name := strings.TrimSuffix(path.Base(file), ".yml")
	test, err := config.ParseUsageTest(name, data)
	if err == nil && slices.ContainsFunc(c.Config.UsageTests, func(t usage.Test) bool { return t.Name == name }) {
		err = &config.Error{Problems: []*config.Problem{{At: finding.Line(1), Message: "the hub has a usage test of this name already; rename the file"}}}
	}
	return test, err
}

// UsageTests are a bundle's own usage tests, in the order of their files. What is no usage test, usage/syntax has found.
func (c *Checker) UsageTests(b *hub.Bundle) []usage.Test {
	files, err := c.Hub.Files(b.Path)
	if err != nil {
		return nil // bundle/missing-file's matter
	}
	var tests []usage.Test
	for _, file := range usageFiles(b.Path, files) {
		if data, err := c.Hub.Read(file); err == nil && len(tests) < maxUsageTests {
			if test, err := c.usageTest(file, data); err == nil {
				tests = append(tests, test)
			}
		}
	}
	return tests
}
