package commit

import (
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// The messages that @commitlint/is-ignored 21.2.4 lets pass. None of them asks who made the commit: a bot's message is
// held against the rules like any other.
var (
	// What git and GitHub write for merges, on whichever line it stands.
	ignoredLine = regexp.MustCompile(`(?:^|[\n\r\x{2028}\x{2029}])Merge (?:pull request|branch |tag |` + dot + `* into )`)
	// What git writes for reverts and fixups, and git, GitLab, Bitbucket and Azure DevOps for other merges.
	ignoredStart = regexp.MustCompile(`^(?:[Rr]evert |[Rr]eapply |(?:amend|fixup|squash)!|Merge remote-tracking branch|Automatic merge|` +
		`Auto-merged ` + dot + `* into |Merged ` + dot + `*(?:in|into) |Merged PR ` + dot + `*: )`)
	// What a release may have beside its version: v1.2.3, chore(release): 1.2.3 [skip ci].
	release     = regexp.MustCompile(`^chore(?:\([^)]+\))?:`)
	skipBracket = regexp.MustCompile(`(?i)\[(?:skip|ci)(?:-|` + space + `)(?:ci|skip)\]`)
	skipParens  = regexp.MustCompile(`(?i)\((?:skip|ci)(?:-|` + space + `)(?:ci|skip)\)`)
)

func ignored(message string) bool {
	message = strings.TrimRightFunc(message, isSpace)
	if ignoredLine.MatchString(message) || ignoredStart.MatchString(message) {
		return true
	}
	version, _, _ := strings.Cut(message, "\n")
	for _, part := range []*regexp.Regexp{release, skipBracket, skipParens} {
		if at := part.FindStringIndex(version); at != nil {
			version = version[:at[0]] + version[at[1]:]
		}
	}
	_, err := semver.StrictNewVersion(strings.TrimPrefix(trim(version), "v"))
	return err == nil
}
