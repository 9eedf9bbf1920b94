package rule_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/rule"
)

func TestCommits(t *testing.T) {
	t.Parallel()
	const (
		hash = "0123456789abcdef0123456789abcdef01234567"
		help = "https://github.com/jina/hub-publish#commitconventional"
		mend = "reword it with `git commit --amend` or `git rebase -i`, then `git push --force-with-lease`"
	)
	for _, c := range []struct {
		name    string
		message string
		parents int
		// severity is empty where there is no finding.
		severity finding.Severity
		want     string
	}{
		{name: "a Conventional Commit", message: "feat(encoder): add an encoder\n\nIt encodes.\n\nCloses #1\n", parents: 1},
		{name: "the first commit of all", message: "feat: begin\n"},
		{name: "a merge whatever it says", message: "Brought up to date.\n", parents: 2},
		{name: "a merge by what it says", message: "Merge branch 'main' into topic\n", parents: 1},
		{name: "a revert", message: "Revert \"feat: Add an encoder.\"\n\nThis reverts commit 0123456.\n", parents: 1},
		{name: "a fixup", message: "fixup! Add an encoder.\n", parents: 1},
		{name: "a version", message: "chore(release): 1.2.3 [skip ci]\n", parents: 1},
		{
			name: "an update of Dependabot's", parents: 1,
			message: "build(deps): bump the go group with 3 updates\n\nBumps the go group with 3 updates: [a](https://github.com/a/a), [b](https://github.com/b/b) and [c](https://github.com/c/c).\n\n" +
				"---\nupdated-dependencies:\n- dependency-name: a\n  dependency-type: direct:production\n...\n\nSigned-off-by: dependabot[bot] <support@github.com>\n",
		},
		{
			name: "an update of Dependabot's with a capital", message: "build(deps): Bump a from 1 to 2\n", parents: 1, severity: finding.Error,
			want: `commit 0123456 "build(deps): Bump a from 1 to 2" is not a Conventional Commit; ` + mend +
				"\nsubject-case: the subject \"Bump a from 1 to 2\" begins with the capital B; begin it with a small letter, with another word, or put a name in quotes",
		},
		{
			name: "two errors and a warning", message: "feature: Add it\nbody\n", parents: 1, severity: finding.Error,
			want: `commit 0123456 "feature: Add it" is not a Conventional Commit; ` + mend +
				"\ntype-enum: the type \"feature\" is not allowed; did you mean \"feat\"? write one of build, chore, ci, docs, feat, fix, perf, refactor, revert, style, test" +
				"\nsubject-case: the subject \"Add it\" begins with the capital A; begin it with a small letter, with another word, or put a name in quotes" +
				"\nbody-leading-blank: the second line \"body\" is not blank; put a blank line between the header and the body",
		},
		{
			name: "a warning alone", message: "feat: add it\nbody\n", parents: 1, severity: finding.Warning,
			want: `commit 0123456 "feat: add it" is a Conventional Commit with a flaw; ` + mend +
				"\nbody-leading-blank: the second line \"body\" is not blank; put a blank line between the header and the body",
		},
		{
			name: "a long header", message: "feat: " + strings.Repeat("ä", 100), parents: 1, severity: finding.Error,
			want: `commit 0123456 "feat: ` + strings.Repeat("ä", 74) + `…" is not a Conventional Commit; ` + mend +
				"\nheader-max-length: the header \"feat: " + strings.Repeat("ä", 74) + "…\" has 106 characters, and at most 100 are allowed; say in the body what does not fit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var want []finding.Finding
			if c.severity != "" {
				want = []finding.Finding{{Rule: "commit/conventional", Severity: c.severity, Message: c.want, Help: help}}
			}
			good := history.Commit{Hash: "f" + hash[1:], Message: "fix: a\n", Parents: 1}
			got := rule.Commits([]history.Commit{good, {Hash: hash, Message: c.message, Parents: c.parents}, good})
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}
