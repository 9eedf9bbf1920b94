package ignore

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/finding"
)

// Directive is what a comment says of one rule.
type Directive struct {
	// Rule is the rule's id as it is written, whether there is such a rule or not; empty where the comment is no proper one.
	Rule string
	// Reason is why the finding is let pass; empty where the comment gives none.
	Reason string
	// Line is the first line that the directive counts for.
	Line int
	// At is where the rule stands in the comment.
	At finding.Range

	// last is the last line that the directive counts for, and first tells that it counts for line 1 too.
	last  int
	first bool
}

// covers reports whether the directive counts for a line.
func (d Directive) covers(line int) bool {
	return line >= d.Line && line <= d.last || d.first && line == 1
}

const (
	// maxSize is how much of a file is looked at, in bytes: as much as of a manifest that is read.
	maxSize = 1 << 20
	// maxDirectives is how many directives of one file count. Nobody writes that many, and all of them can be wrong.
	maxDirectives = 100
	// maxText is how many characters of a reason or a rule's name are kept.
	maxText = 300
)

var (
	// head is the beginning of a comment that is one of ours, up to its first rule. It also matches what is nearly one:
	// `# hub-publish: ignore manifest/name`.
	head = regexp.MustCompile(`#[# \t]*hub-publish[ \t:]*[ \t:]ignore\b(?:[ \t]*=[ \t]*[\w/-]*)?`)
	// body is what stands behind the word ignore: rules, parted by commas, and the reason.
	body = regexp.MustCompile(`^[ \t]*=[ \t]*([^\s,]+(?:[ \t]*,[ \t]*[^\s,]+)*)[ \t]*(.*)$`)
	word = regexp.MustCompile(`[^\s,]+`)
)

// Find returns the directives of a manifest.yml or a Dockerfile, in the file's order; other files have none.
//
// In a manifest, a comment behind a value counts for its line. A comment on a line of its own, which is all that a
// Dockerfile has, counts for the next line that is neither blank nor a comment; in a Dockerfile for the whole instruction
// that begins there, or that it stands in. One before the first such line counts for line 1 too.
//
// What looks like such a comment in a quoted text, a block of text or a heredoc counts for nothing. It is found by its
// words: where the same words for the same rule stand in a text and in a comment, the comment counts for nothing either.
// Where a file cannot be parsed, texts and comments are not told apart. Nothing beyond the first MiB of a file, nor beyond
// its hundredth directive, counts.
func Find(file string, data []byte) []Directive {
	syntax := syntaxOf(file)
	if syntax == nil {
		return nil
	}
	data = bytes.TrimPrefix(data[:min(len(data), maxSize)], []byte("\xef\xbb\xbf"))
	if !head.Match(data) {
		return nil // as nearly every file
	}
	lines := strings.Split(string(data), "\n")
	texts, blocks := syntax.parse(data)
	inTexts := map[string]bool{}
	for _, text := range texts {
		for _, words := range head.FindAllString(text, -1) {
			inTexts[words] = true
		}
	}
	target := targets(lines, blocks)
	content := 0 // how many lines there were that are neither blank nor comments
	var found []Directive
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		alone := isComment(line)
		if !alone && strings.TrimSpace(line) != "" && !isMark(line) {
			content++
		}
		start := comment(line, inTexts, alone || !syntax.behind)
		if start < 0 || !alone && !syntax.behind {
			continue
		}
		at := block{i + 1, i + 1}
		if alone {
			at = target[i]
		}
		for _, d := range read(line, start, i+1) {
			if len(found) == maxDirectives {
				return found
			}
			d.Line, d.last, d.first = at.first, at.last, content == 0
			found = append(found, d)
		}
	}
	return found
}

// block is a number of lines that belong together, such as an instruction's.
type block struct{ first, last int }

// targets are, for each line, the lines that a comment on it counts for.
func targets(lines []string, blocks []block) []block {
	all := make([]block, len(lines))
	next := block{len(lines), len(lines)}
	for i := len(lines) - 1; i >= 0; i-- {
		for len(blocks) > 0 && blocks[len(blocks)-1].first > i+1 {
			blocks = blocks[:len(blocks)-1]
		}
		if len(blocks) > 0 && i+1 <= blocks[len(blocks)-1].last {
			next = blocks[len(blocks)-1]
		} else if trimmed := strings.TrimSpace(lines[i]); trimmed != "" && !isComment(trimmed) && !isMark(trimmed) {
			next = block{i + 1, i + 1}
		}
		all[i] = next
	}
	return all
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// isMark reports whether a line is the mark at a YAML document's beginning, at which nothing is ever found.
func isMark(line string) bool { return strings.TrimSpace(line) == "---" }

// comment is where a comment that is one of ours begins on a line, or -1. Its words are not those of a text.
func comment(line string, inTexts map[string]bool, onlyFirst bool) int {
	from := 0
	for {
		at := head.FindStringIndex(line[from:])
		if at == nil {
			return -1
		}
		start, words := from+at[0], line[from+at[0]:from+at[1]]
		begins := start == len(line)-len(strings.TrimLeft(line, " \t\ufeff"))
		if (begins || !onlyFirst && strings.ContainsAny(line[start-1:start], " \t")) && !inTexts[words] {
			return start
		}
		from += at[1]
	}
}

// read is what a comment says, without the lines that it counts for.
func read(line string, start, number int) []Directive {
	place := func(from, to int) finding.Range {
		column := 1 + utf8.RuneCountInString(line[:from])
		return finding.Range{Line: number, Column: column, EndLine: number, EndColumn: column + utf8.RuneCountInString(line[from:to])}
	}
	_, behind, _ := strings.Cut(line[start:], "ignore")
	offset := len(line) - len(behind)
	parts := body.FindStringSubmatchIndex(behind)
	if parts == nil {
		return []Directive{{At: place(start, len(strings.TrimRight(line, " \t")))}}
	}
	reason := shorten(strings.TrimSpace(behind[parts[4]:parts[5]]))
	var found []Directive
	for _, at := range word.FindAllStringIndex(behind[parts[2]:parts[3]], maxDirectives) {
		from, to := parts[2]+at[0], parts[2]+at[1]
		found = append(found, Directive{Rule: shorten(behind[from:to]), Reason: reason, At: place(offset+from, offset+to)})
	}
	return found
}

// syntax is how a kind of file tells comments from texts.
type syntax struct {
	// behind tells that a comment may stand behind something else on a line.
	behind bool
	// parse returns texts that are no comments, and lines that belong together, in the file's order.
	parse func(data []byte) (texts []string, blocks []block)
}

// syntaxOf is the syntax of a file, by its name; nil for a file whose comments are not read.
func syntaxOf(file string) *syntax {
	switch path.Base(file) {
	case "manifest.yml":
		return &syntax{behind: true, parse: parseYAML}
	case "Dockerfile":
		return &syntax{parse: parseDockerfile}
	}
	return nil
}

// shorten cuts a text for a message.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= maxText {
		return text
	}
	return string([]rune(text)[:maxText]) + "…"
}
