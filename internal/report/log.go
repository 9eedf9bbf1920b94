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

	mutex sync.Mutex
	// sections are those that are not written to their end yet. The first of them is written at once, the others are kept
	// until it is their turn: bundles are built side by side, and read one after another.
	sections []*Section
}

// NewLog is a log that writes to out, with what is said of one bundle folded in a group where the runner reads it.
func NewLog(out io.Writer, groups bool) *Log { return &Log{out: out, groups: groups} }

// Printf writes a line of the run's own.
func (l *Log) Printf(format string, args ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	fmt.Fprintln(l.out, neutral(fmt.Sprintf(format, args...)))
}

// Open begins what is said of one bundle.
func (l *Log) Open(title string) *Section {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	s := &Section{log: l}
	l.sections = append(l.sections, s)
	if l.groups {
		s.printf("::group::%s\n", neutral(title))
	} else {
		s.printf("%s\n", neutral(title))
	}
	return s
}

// advance writes what has waited for its turn.
func (l *Log) advance() {
	for len(l.sections) > 0 {
		first := l.sections[0]
		_, _ = first.kept.WriteTo(l.out)
		if !first.closed {
			first.listen()
			return
		}
		l.sections = l.sections[1:]
	}
}

// Section is what is said of one bundle.
type Section struct {
	log    *Log
	kept   bytes.Buffer
	closed bool

	partial []byte
	current string
	began   time.Time
	ticker  *time.Timer
}

// live reports whether what is said goes to the log at once.
func (s *Section) live() bool { return s.log.sections[0] == s }

func (s *Section) printf(format string, args ...any) {
	if s.live() {
		fmt.Fprintf(s.log.out, format, args...)
		return
	}
	fmt.Fprintf(&s.kept, format, args...)
}

// Close ends what is said of one bundle, with lines that stand outside of what is folded.
func (s *Section) Close(lines ...string) {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.endStep()
	if s.log.groups {
		s.printf("::endgroup::\n")
	}
	for _, line := range lines {
		s.printf("%s\n", neutral(line))
	}
	s.closed = true
	s.log.advance()
}

// Printf writes a line of the run's own, which ends the instruction that ran.
func (s *Section) Printf(format string, args ...any) {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.endStep()
	s.printf("%s\n", neutral(fmt.Sprintf(format, args...)))
}

// Step implements builder.Progress.
func (s *Section) Step(line int, instruction string) {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.endStep()
	s.current, s.began = oneLine(instruction), time.Now()
	s.printf("%4d | %s\n", line, s.current)
	s.listen()
}

// Output implements builder.Progress.
func (s *Section) Output(text []byte) {
	s.log.mutex.Lock()
	defer s.log.mutex.Unlock()
	s.partial = append(s.partial, text...)
	for {
		// The runner's reader ends a line at a carriage return too.
		i := bytes.IndexAny(s.partial, "\r\n")
		if i < 0 {
			break
		}
		s.line(s.partial[:i])
		s.partial = s.partial[i+1:]
	}
	if len(s.partial) > maxLine {
		s.line(s.partial)
		s.partial = nil
	}
	s.listen()
}

// endStep ends the instruction that runs.
func (s *Section) endStep() {
	if len(s.partial) > 0 {
		s.line(s.partial)
		s.partial = nil
	}
	if took := time.Since(s.began); s.current != "" && took >= time.Second {
		s.printf("     | took %.1f s\n", took.Seconds())
	}
	s.current = ""
	if s.ticker != nil {
		s.ticker.Stop()
	}
}

func (s *Section) line(text []byte) {
	if len(text) > 0 {
		s.printf("     |   %s\n", neutral(string(text)))
	}
}

// listen says from time to time that a silent instruction still runs.
func (s *Section) listen() {
	if s.ticker != nil {
		s.ticker.Stop()
	}
	if s.current == "" || !s.live() {
		return
	}
	s.ticker = time.AfterFunc(silence, func() {
		s.log.mutex.Lock()
		defer s.log.mutex.Unlock()
		if s.current != "" && !s.closed {
			s.printf("     | still running after %s: %s\n", time.Since(s.began).Round(time.Second), s.current)
			s.listen()
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
