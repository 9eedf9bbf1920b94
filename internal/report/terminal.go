package report

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"strings"
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
	for _, f := range findings {
		t.finding(f)
	}
}

func (t Terminal) finding(f finding.Finding) {
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
	if line, ok := source(t.Files, f.File, f.Line); ok {
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

// source is a line of a file, counted from 1, without a byte order mark and its end.
func source(files fs.FS, name string, number int) (string, bool) {
	file, err := files.Open(name)
	if err != nil {
		return "", false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if n == number {
			line := strings.TrimRight(strings.TrimPrefix(lines.Text(), "\uFEFF"), "\r")
			return line, utf8.ValidString(line)
		}
	}
	return "", false
}

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

// visible shows control characters of foreign text instead of letting the terminal obey them.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\t') || (r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, text)
}
