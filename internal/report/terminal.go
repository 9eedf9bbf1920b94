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
	all := r.All()
	for _, f := range all {
		t.finding(f)
	}
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
	errors, warnings := finding.Count(all, finding.Error), finding.Count(all, finding.Warning)
	fmt.Fprintf(t.Out, "%s: %s, %s\n", plural(len(r.Bundles), "bundle"), plural(errors, "error"), plural(warnings, "warning"))
}

func (t Terminal) finding(f finding.Finding) {
	color := red
	if f.Severity == finding.Warning {
		color = yellow
	}
	place := fmt.Sprintf("%s:%d", visible(f.File), f.Line)
	if f.Column > 0 {
		place += fmt.Sprintf(":%d", f.Column)
	}
	message, rest, _ := strings.Cut(f.Message, "\n")
	fmt.Fprintf(t.Out, "%s: %s: %s %s\n", t.paint(bold, place), t.paint(color, string(f.Severity)), visible(message), t.paint(grey, "["+f.Rule+"]"))
	if line, ok := t.source(f); ok {
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

// source is the line that a finding points at.
func (t Terminal) source(f finding.Finding) (string, bool) {
	file, err := t.Files.Open(f.File)
	if err != nil {
		return "", false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if n == f.Line {
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
