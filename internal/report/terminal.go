package report

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/finding"
)

// The colours of a terminal (ECMA-48, select graphic rendition).
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	green  = "\x1b[32m"
	grey   = "\x1b[90m"
	plain  = "\x1b[0m"
)

// Terminal prints a report for a person.
type Terminal struct {
	Out io.Writer
	// Files are the repository's, for the lines that findings point at.
	Files fs.FS
	// Color reports whether Out shows colours.
	Color bool
}

func (t Terminal) paint(color, text string) string {
	if !t.Color {
		return text
	}
	return color + text + plain
}

// Print shows the findings with their source lines, then a line a bundle.
func (t Terminal) Print(r *Report) {
	counted, passed := split(r.All())
	t.Findings(counted)
	for _, b := range r.Bundles {
		color := green
		if b.Status == Failed {
			color = red
		}
		fmt.Fprintf(t.Out, "%s %s %s\n", t.paint(color, fmt.Sprintf("%-9s", b.Status)), visible(b.Path), t.paint(grey, visible(b.Version)))
		for _, p := range b.Published {
			fmt.Fprintf(t.Out, "          %s@%s\n", visible(p.Image), p.Digest)
		}
	}
	errors, warnings := finding.Count(counted, finding.Error), finding.Count(counted, finding.Warning)
	fmt.Fprintf(t.Out, "%s: %s, %s", plural(len(r.Bundles), "bundle"), plural(errors, "error"), plural(warnings, "warning"))
	if len(passed) > 0 {
		fmt.Fprintf(t.Out, ", %d let pass", len(passed))
	}
	fmt.Fprintln(t.Out)
}

// Findings shows findings with their source lines.
func (t Terminal) Findings(findings []finding.Finding) {
	lines := sources{files: t.Files}
	for _, f := range findings {
		t.finding(f, &lines)
	}
}

// maxShown is how long a source line may be that is shown: one that fills the screen shows nothing.
const maxShown = 400

func (t Terminal) finding(f finding.Finding, lines *sources) {
	color := red
	if f.Severity == finding.Warning {
		color = yellow
	}
	if f.File != "" {
		place := visible(place(f))
		if f.Column > 0 {
			place += fmt.Sprintf(":%d", f.Column)
		}
		fmt.Fprintf(t.Out, "%s: ", t.paint(bold, place))
	}
	message, rest, _ := strings.Cut(f.Message, "\n")
	fmt.Fprintf(t.Out, "%s: %s %s\n", t.paint(color, string(f.Severity)), visible(message), t.paint(grey, "["+f.Rule+"]"))
	if line, ok := lines.line(f.File, f.Line); ok && len(line) <= maxShown {
		number := fmt.Sprint(f.Line)
		fmt.Fprintf(t.Out, "%s\n", t.paint(grey, fmt.Sprintf(" %s | ", number))+visible(line))
		if f.Column > 0 {
			fmt.Fprintf(t.Out, "%s%s%s\n", t.paint(grey, " "+strings.Repeat(" ", len(number))+" | "), indent(line, f.Column-1), t.paint(color, carets(f)))
		}
	}
	for line := range strings.Lines(rest) {
		fmt.Fprintf(t.Out, "   %s\n", visible(strings.TrimRight(line, "\r\n")))
	}
}

// sources are the lines of the file that was asked for last: findings come file by file, and there may be many of one.
type sources struct {
	files fs.FS
	name  string
	lines []string
}

// line is a line of a file, counted from 1, without a byte order mark and its end.
func (s *sources) line(name string, number int) (string, bool) {
	if s.name != name {
		s.name, s.lines = name, nil
		if file, err := s.files.Open(name); err == nil {
			for lines := bufio.NewScanner(io.LimitReader(file, maxSource)); lines.Scan(); {
				s.lines = append(s.lines, lines.Text())
			}
			file.Close()
		}
	}
	if number < 1 || number > len(s.lines) {
		return "", false
	}
	line := strings.TrimRight(strings.TrimPrefix(s.lines[number-1], "\uFEFF"), "\r")
	return line, utf8.ValidString(line)
}

// maxSource is how much of a file is read for its lines: as much as the checks read of it.
const maxSource = 1 << 20

// indent is as wide as the first characters of a line: tabs stay tabs.
func indent(line string, characters int) string {
	var s strings.Builder
	for _, r := range line {
		if characters--; characters < 0 {
			break
		}
		if r == '\t' {
			s.WriteRune(r)
		} else {
			s.WriteByte(' ')
		}
	}
	return s.String()
}

func carets(f finding.Finding) string {
	if f.EndLine == f.Line && f.EndColumn > f.Column+1 {
		return "^" + strings.Repeat("~", f.EndColumn-f.Column-1)
	}
	return "^"
}

// visible shows control characters of foreign text instead of letting the terminal obey them; those that turn the direction
// of writing, too.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\t') || (r >= 0x7f && r < 0xa0) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
