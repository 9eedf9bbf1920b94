package docs

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/example"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// terminal is what `hub-publish check` prints of the sample's broken bundle.
func terminal(project fs.FS) (string, error) {
	files, err := fs.Sub(project, "testdata/pull-request")
	if err != nil {
		return "", err
	}
	findings, err := example.Check(files, fstest.MapFS{})
	if err != nil {
		return "", err
	}
	const broken = "executors/crafters/BrokenCrafter"
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return path.Dir(f.File) != broken })
	shown := report.New()
	shown.Bundles = append(shown.Bundles, &report.Bundle{Path: broken, Version: "1.0", Status: report.Failed, Findings: findings})
	var s strings.Builder
	report.Terminal{Out: &s, Files: files}.Print(shown)
	return s.String(), nil
}

// rules has a heading a rule, which every finding links to. What the rule is for and how to mend what breaks it stands at
// the top of its example, whose bad bundle gives the output that is shown.
func rules(project fs.FS) (string, error) {
	var s strings.Builder
	for _, r := range rule.All {
		fmt.Fprintf(&s, "#### %s\n\n%s (%s)\n", r.ID, r.About, r.Severity)
		data, err := fs.ReadFile(project, "testdata/examples/"+r.ID+".txtar")
		if err != nil {
			return "", fmt.Errorf("each rule has an example: %w", err)
		}
		archive := txtar.Parse(data)
		why, mend, _ := strings.Cut(strings.TrimSpace(string(archive.Comment)), "\n\n")
		output, err := exampleOutput(r, archive)
		if err != nil {
			return "", fmt.Errorf("the example of %s: %w", r.ID, err)
		}
		if output != "" {
			output = "```text\n" + output + "```\n\n"
		}
		fmt.Fprintf(&s, "\n%s\n\n%s%s\n\n", why, output, mend)
	}
	return strings.TrimRight(s.String(), "\n") + "\n", nil
}

// exampleOutput is what a terminal shows of a rule's findings on the bad bundle of its example, or on its commit. Where only
// a build or a registry can tell, there is none.
func exampleOutput(r *rule.Rule, archive *txtar.Archive) (string, error) {
	files, base := example.Hub(archive, "bad/")
	findings, err := example.Check(files, base)
	if err != nil {
		return "", err
	}
	for _, f := range archive.Files {
		if f.Name == "commit" {
			commits := []history.Commit{{Hash: "a1b2c3d4", Message: string(f.Data), Parents: 1}}
			findings = append(findings, rule.Commits(commits)...)
		}
	}
	findings = slices.DeleteFunc(findings, func(f finding.Finding) bool { return f.Rule != r.ID })
	var s strings.Builder
	report.Terminal{Out: &s, Files: files}.Findings(findings)
	return s.String(), nil
}
