package commit

import (
	"regexp"
	"strings"
)

// Message is a commit's message in parts. Those that it does not have are empty.
type Message struct {
	// Header is the first line.
	Header string
	// Type, Scope and Subject are the parts of a header `type(scope): subject`; a header of another form has none.
	Type, Scope, Subject string
	// Body are the lines after the header, and Footer those from the first on that is a footer's. Neither has blank
	// lines at its ends, and every line ends with a line feed alone.
	Body, Footer string
	// Breaking reports that the header has a ! before its colon, or the footer a line BREAKING CHANGE.
	Breaking bool
}

// What a character is to JavaScript's regular expressions, where Go's mean less: \s is all of Unicode's white space, and
// the dot no end of a line of any kind.
const (
	space = `[\t-\r\p{Zs}\x{2028}\x{2029}\x{feff}]`
	dot   = `[^\n\r\x{2028}\x{2029}]`
)

// What conventional-commits-parser 7.1.4 looks for with the preset conventional-changelog-conventionalcommits 10.4.1.
var (
	// The header's parts. That with a ! comes first: a scope may hold anything, `)!: ` too.
	breakingHeader = regexp.MustCompile(`^(\w*)(?:\((` + dot + `*)\))?!: (` + dot + `*)$`)
	plainHeader    = regexp.MustCompile(`^(\w*)(?:\((` + dot + `*)\))?: (` + dot + `*)$`)
	// breakingNote is in upper or lower case, and may be an item of a list.
	breakingNote = regexp.MustCompile(`^(?:\*` + space + `+)?(?i:BREAKING[ -]CHANGE):`)
	// footerToken is what git calls a trailer, `token: value`, or `token #1`. Any first word with a colon is one.
	footerToken = regexp.MustCompile(`^(?:(?i:BREAKING CHANGE)|[\w-]+)(?::` + space + `+|` + space + `+#)` + dot)
)

// Parse cuts a message into its parts. Comments are not looked for: in a commit that was made there are none. Lines that
// GnuPG wrote into it are left out.
func Parse(message string) Message {
	var lines []string
	for _, line := range split(strings.Trim(message, "\r\n")) {
		if !strings.HasPrefix(strings.TrimLeftFunc(line, isSpace), "gpg:") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return Message{}
	}
	m := Message{Header: lines[0]}
	if parts := breakingHeader.FindStringSubmatch(m.Header); parts != nil {
		m.Type, m.Scope, m.Subject, m.Breaking = parts[1], parts[2], parts[3], true
	} else if parts := plainHeader.FindStringSubmatch(m.Header); parts != nil {
		m.Type, m.Scope, m.Subject = parts[1], parts[2], parts[3]
	}
	footer := len(lines)
	for i, line := range lines[1:] {
		note := breakingNote.MatchString(line)
		if note || footerToken.MatchString(line) {
			footer = min(footer, i+1)
		}
		m.Breaking = m.Breaking || note
	}
	m.Body = strings.Trim(strings.Join(lines[1:footer], "\n"), "\r\n")
	m.Footer = strings.Trim(strings.Join(lines[footer:], "\n"), "\r\n")
	return m
}

// split cuts a text into its lines, which end with \n or \r\n.
func split(text string) []string {
	return strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
}
