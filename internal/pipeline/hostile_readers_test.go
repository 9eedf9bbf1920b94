//go:build !race

package pipeline_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/rule"
)

// command is a workflow command as the runner reads it off the log.
type command struct {
	name       string
	properties map[string]string
	data       string
}

// known are the commands of the runner.
var known = []string{
	"stop-commands", "set-env", "set-output", "save-state", "add-mask", "add-path", "add-matcher", "remove-matcher", "debug", "warning", "error", "notice",
	"group", "endgroup", "echo",
}

// runnerReads are the commands in a log (actions/runner, ActionCommand.cs): `::name k=v,k=v::data` in front of a line, and
// else `##[name k=v;k=v]data` anywhere in it.
func runnerReads(log string) []command {
	var all []command
	for _, line := range regexp.MustCompile(`[\r\n]+`).Split(log, -1) {
		for _, read := range []func(string) (command, bool){colons, brackets} {
			if c, ok := read(line); ok && slices.Contains(known, c.name) {
				all = append(all, c)
				break
			}
		}
	}
	return all
}

func colons(line string) (command, bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::")
	head, data, ended := strings.Cut(rest, "::")
	if !ok || !ended {
		return command{}, false
	}
	return commandOf(head, ",", data, "%3A", ":", "%2C", ",")
}

func brackets(line string) (command, bool) {
	_, rest, ok := strings.Cut(line, "##[")
	head, data, ended := strings.Cut(rest, "]")
	if !ok || !ended {
		return command{}, false
	}
	return commandOf(head, ";", data, "%3B", ";", "%5D", "]")
}

func commandOf(head, separator, data string, escapes ...string) (command, bool) {
	name, list, _ := strings.Cut(head, " ")
	c := command{strings.ToLower(name), map[string]string{}, unescaped(data)}
	for property := range strings.SplitSeq(list, separator) {
		if key, value, ok := strings.Cut(strings.TrimSpace(property), "="); ok && value != "" {
			c.properties[key] = unescaped(value, escapes...)
		}
	}
	return c, true
}

// unescaped replaces one escape after the other, that of the percent sign at last.
func unescaped(text string, more ...string) string {
	escapes := append([]string{"%0D", "\r", "%0A", "\n"}, more...)
	for pair := range slices.Chunk(append(escapes, "%25", "%"), 2) {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

var (
	// ownTags are those that our Markdown has, without attributes.
	ownTags = []string{"code", "pre", "br", "span", "details", "summary", "sub"}
	// begins is how each line of ours begins: one that does not was begun by a stranger.
	begins = regexp.MustCompile(`^(#{3,4} |\| |\|---|- (❌|⚠️) |  <(pre|details)>|</?details>|> |… and |<sub>|<code>|In no file|Thank you for |It could not do |$)`)
	// live is what GitHub's Markdown reads where no backslash stands before it.
	live = regexp.MustCompile("[\\[`*_~|]")
	// linked is what GitHub makes a link of without brackets.
	linked = regexp.MustCompile(`(?i)://|www\.|@[^\x{2060}]`)
	// numbered is what it makes a link of where it is not in a fixed-width type.
	numbered = regexp.MustCompile(`#[^\x{2060}#\s]|GH-\d`)
	fixed    = regexp.MustCompile(`<code>.*?</code>`)
	// printed is raw HTML to the end of its line: Markdown does not look into it.
	printed = regexp.MustCompile(`(?m)^  (<details><summary>what it printed</summary>)?<pre>.*</pre>(</details>)?$`)
)

// inert fails where a text in Markdown has a tag, a link, an emphasis, a cell or a line that is not of our own making. There
// is no renderer among our dependencies; this refuses more than one would read.
func inert(t *testing.T, format, text string) {
	t.Helper()
	tags := html.NewTokenizer(strings.NewReader(text))
	for kind := tags.Next(); kind != html.ErrorToken; kind = tags.Next() {
		if token := tags.Token(); kind != html.TextToken && (!slices.Contains(ownTags, token.Data) || len(token.Attr) > 0 || kind == html.CommentToken) {
			t.Errorf("%s: HTML: %.300q", format, token)
			return
		}
	}
	var own []string
	for _, r := range rule.All {
		own = append(own, "["+r.ID+"]("+finding.New(r.ID, r.Severity, "", finding.Range{}, "").Help+")", "")
	}
	// Entities are read after the Markdown is: they stand for what they name, and do nothing.
	entities := regexp.MustCompile(`&#?\w+;|</?\w+>`)
	rest := printed.ReplaceAllString(strings.NewReplacer(own...).Replace(text), "")
	if at := numbered.FindString(entities.ReplaceAllString(fixed.ReplaceAllString(headings.ReplaceAllString(rest, ""), ""), "")); at != "" {
		t.Errorf("%s: a link: %q", format, at)
	}
	rest = entities.ReplaceAllString(rest, "")
	for line := range strings.SplitSeq(rest, "\n") {
		whole := strings.TrimLeft(line, "#")
		if strings.HasPrefix(line, "|") {
			whole = cells.ReplaceAllString(line, "")
		}
		if at := live.FindStringIndex(backslashed.ReplaceAllString(whole, "")); at != nil {
			t.Errorf("%s: Markdown: %.300q", format, line)
			return
		}
		if linked.MatchString(whole) {
			t.Errorf("%s: a link: %.300q", format, line)
			return
		}
	}
	columns := 0
	for line := range strings.SplitSeq(text, "\n") {
		if !begins.MatchString(line) {
			t.Errorf("%s: a stranger's line: %.300q", format, line)
			return
		}
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(backslashed.ReplaceAllString(line, ""), "|")
		if columns != 0 && n != columns {
			t.Errorf("%s: a row of %d cells in a table of %d: %.300q", format, n-1, columns-1, line)
			return
		}
		columns = n
	}
}

var (
	headings    = regexp.MustCompile(`(?m)^#{3,4} `)
	backslashed = regexp.MustCompile(`\\[[:punct:]]`)
	// cells are what parts a row, which no stranger's text does: a bar between blanks.
	cells = regexp.MustCompile(`^\| | \| | \|$|^\|[-:|]+\|$`)
)
