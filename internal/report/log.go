package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// silence is how long an instruction may print nothing before the log says that it still runs.
const silence = 30 * time.Second

// maxLine is the longest line of a build's output that is kept together, in bytes: a build may print without an end.
const maxLine = 64 << 10

// Log writes what a run does, line by line. What a build prints cannot be read as a workflow command: the runner takes
// `::name::` at the start of a line, which has something before it here, and `##[name]` anywhere, which is broken up.
type Log struct {
	out    io.Writer
	groups bool

	mutex   sync.Mutex
	partial []byte
	current string
	began   time.Time
	ticker  *time.Timer
}

// NewLog is a log that writes to out, with what is said of one bundle folded in a group where the runner reads it.
func NewLog(out io.Writer, groups bool) *Log { return &Log{out: out, groups: groups} }

// Begin begins what is said of one bundle.
func (l *Log) Begin(title string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.groups {
		fmt.Fprintf(l.out, "::group::%s\n", neutral(title))
	} else {
		fmt.Fprintf(l.out, "%s\n", neutral(title))
	}
}

// End ends what is said of one bundle.
func (l *Log) End() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.endStep()
	if l.groups {
		fmt.Fprintln(l.out, "::endgroup::")
	}
}

// Printf writes a line of the run's own, which ends the instruction that ran.
func (l *Log) Printf(format string, args ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.endStep()
	fmt.Fprintln(l.out, neutral(fmt.Sprintf(format, args...)))
}

// Step implements builder.Progress.
func (l *Log) Step(line int, instruction string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.endStep()
	l.current, l.began = oneLine(instruction), time.Now()
	fmt.Fprintf(l.out, "%4d | %s\n", line, l.current)
	l.listen()
}

// Output implements builder.Progress.
func (l *Log) Output(text []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.partial = append(l.partial, text...)
	for {
		// The runner's reader ends a line at a carriage return too.
		i := bytes.IndexAny(l.partial, "\r\n")
		if i < 0 {
			break
		}
		l.line(l.partial[:i])
		l.partial = l.partial[i+1:]
	}
	if len(l.partial) > maxLine {
		l.line(l.partial)
		l.partial = nil
	}
	l.listen()
}

// endStep ends the instruction that runs.
func (l *Log) endStep() {
	if len(l.partial) > 0 {
		l.line(l.partial)
		l.partial = nil
	}
	if took := time.Since(l.began); l.current != "" && took >= time.Second {
		fmt.Fprintf(l.out, "     | took %.1f s\n", took.Seconds())
	}
	l.current = ""
	if l.ticker != nil {
		l.ticker.Stop()
	}
}

func (l *Log) line(text []byte) {
	if len(text) > 0 {
		fmt.Fprintf(l.out, "     |   %s\n", neutral(string(text)))
	}
}

// listen says from time to time that a silent instruction still runs.
func (l *Log) listen() {
	if l.ticker != nil {
		l.ticker.Stop()
	}
	l.ticker = time.AfterFunc(silence, func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if l.current != "" {
			fmt.Fprintf(l.out, "     | still running after %s: %s\n", time.Since(l.began).Round(time.Second), l.current)
			l.listen()
		}
	})
}

// neutral breaks up what the runner would take for a command.
func neutral(text string) string {
	text = strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
	text = strings.ReplaceAll(text, "##[", "## [")
	if strings.HasPrefix(strings.TrimSpace(text), "::") {
		return "| " + text
	}
	return text
}

// oneLine is an instruction as the log shows it.
func oneLine(instruction string) string {
	first, _, more := strings.Cut(strings.TrimSpace(instruction), "\n")
	if more {
		first = strings.TrimRight(first, " \\") + " …"
	}
	return neutral(first)
}
