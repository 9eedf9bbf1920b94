package trial

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"sync"
)

// What is kept of an output.
const (
	// lastLines is how many lines a finding shows.
	lastLines = 50
	// maxLine is how many bytes of a line are kept: an annotation has 4096 characters in all.
	maxLine = 500
)

// lines keeps the last lines of what is written to it, and looks for one that matches a pattern. It passes everything on.
type lines struct {
	to      io.Writer
	pattern *regexp.Regexp

	mutex sync.Mutex
	kept  []string
	// current is the line that has no end yet.
	current []byte
	found   bool
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		l.current = append(l.current, line[:min(len(line), maxLine-len(l.current))]...)
		if rest = after; ended {
			l.add()
		}
	}
	return l.to.Write(p)
}

// add ends the current line.
func (l *lines) add() {
	text := plain(string(l.current))
	l.current = l.current[:0]
	l.found = l.found || l.pattern != nil && l.pattern.MatchString(text)
	if l.kept = append(l.kept, text); len(l.kept) > lastLines {
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
}

// matched reports whether a line matched, or the beginning of one that has no end yet.
func (l *lines) matched() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.found || l.pattern != nil && len(l.current) > 0 && l.pattern.MatchString(plain(string(l.current)))
}

// last are the last lines, without blank ones at the end.
func (l *lines) last() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.current) > 0 {
		l.add()
	}
	for len(l.kept) > 0 && strings.TrimSpace(l.kept[len(l.kept)-1]) == "" {
		l.kept = l.kept[:len(l.kept)-1]
	}
	return l.kept
}

// escapes are a terminal's control sequences: ECMA-48, "CSI" and "OSC".
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)?)")

// plain is a line as a terminal leaves it: without colours, and where it was written over, the last text.
func plain(line string) string {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r")
	return strings.ToValidUTF8(line[strings.LastIndexByte(line, '\r')+1:], "\uFFFD")
}
