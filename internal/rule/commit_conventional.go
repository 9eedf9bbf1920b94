package rule

import (
	"strings"

	"github.com/jina/hub-publish/internal/commit"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/wording"
)

// CommitConventional points at no file: it names the commit.
var CommitConventional = &Rule{
	ID:       "commit/conventional",
	Severity: finding.Error,
	About:    "The message of each commit of a pull request is a Conventional Commit by the rules of @commitlint/config-conventional.",
}

// shortHash is how many characters of a commit's hash git itself shows in a small repository.
const shortHash = 7

// Commits are the findings of commit/conventional: one for each commit that breaks a rule, with a line for each rule that
// it breaks. It is a warning where commitlint only warns. Commits with more than one parent are not looked at, and
// neither are those that commitlint ignores. A bot's commit is one like any other, as it is to commitlint: the long lines
// of a bot's body pass where they have a web address in them.
func Commits(commits []history.Commit) []finding.Finding {
	var findings []finding.Finding
	for _, c := range commits {
		if c.Parents > 1 {
			continue
		}
		problems := commit.Lint(c.Message)
		if len(problems) == 0 {
			continue
		}
		severity, verdict := finding.Warning, "is a Conventional Commit with a flaw"
		var lines strings.Builder
		for _, p := range problems {
			if p.Severity == finding.Error {
				severity, verdict = CommitConventional.Severity, "is not a Conventional Commit"
			}
			lines.WriteString("\n" + p.Rule + ": " + p.Message)
		}
		f := CommitConventional.Finding("", finding.Range{},
			"commit %.*s %q %s; reword it with `git commit --amend` or `git rebase -i`, then `git push --force-with-lease`%s",
			shortHash, c.Hash, wording.Shorten(commit.Parse(c.Message).Header), verdict, lines.String())
		f.Severity = severity
		findings = append(findings, f)
	}
	return findings
}
