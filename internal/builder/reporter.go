package builder

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/sirupsen/logrus"

	"github.com/jina/hub-publish/internal/dockerfile"
)

// reporter tells the parent what kaniko does. kaniko logs each instruction's text before it runs it, which is the only
// sign of it that there is: the reporter finds the text in the Dockerfile to know its line.
type reporter struct {
	mutex   sync.Mutex
	encoder *json.Encoder

	stages  []instructions.Stage
	pending []instructions.Command

	out    *os.File
	marker string
	synced chan struct{}
}

// newReporter takes over this process's standard output, and kaniko's log.
func newReporter(events io.Writer, recipe string) (*reporter, error) {
	data, err := os.ReadFile(recipe)
	if err != nil {
		return nil, err
	}
	file, err := dockerfile.Parse(data)
	if err != nil {
		return nil, err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r := &reporter{encoder: json.NewEncoder(events), stages: file.Stages, out: out, marker: rand.Text() + "\n", synced: make(chan struct{})}
	os.Stdout, os.Stderr = out, out
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.InfoLevel)
	logrus.AddHook(r)
	go r.pump(in)
	return r, nil
}

func (r *reporter) send(m message) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	_ = r.encoder.Encode(m) // a parent that is gone has ended the build
}

// Levels implements logrus.Hook.
func (r *reporter) Levels() []logrus.Level { return []logrus.Level{logrus.InfoLevel} }

// stageBegins is what kaniko logs when it begins a stage.
var stageBegins = regexp.MustCompile(`^Building stage '.*' \[idx: '(\d+)',`)

// Fire implements logrus.Hook.
func (r *reporter) Fire(entry *logrus.Entry) error {
	if found := stageBegins.FindStringSubmatch(entry.Message); found != nil {
		index, err := strconv.Atoi(found[1])
		if err != nil || index >= len(r.stages) {
			return nil
		}
		stage := r.stages[index]
		r.pending = stage.Commands
		r.step(dockerfile.Line(stage.Location), stage.SourceCode)
		return nil
	}
	for i, command := range r.pending {
		if text, ok := command.(fmt.Stringer); ok && text.String() == entry.Message {
			r.pending = r.pending[i+1:]
			r.step(dockerfile.Line(command.Location()), entry.Message)
			return nil
		}
	}
	return nil
}

// step begins an instruction, behind all that the one before it printed.
func (r *reporter) step(line int, instruction string) {
	r.finish()
	r.send(message{Line: line, Instruction: instruction})
}

// next begins the instruction that kaniko failed to begin.
func (r *reporter) next() {
	if len(r.pending) > 0 {
		if text, ok := r.pending[0].(fmt.Stringer); ok {
			r.step(dockerfile.Line(r.pending[0].Location()), text.String())
		}
	}
}

// finish waits until all that was printed up to now has been sent.
func (r *reporter) finish() {
	if _, err := r.out.WriteString("\n" + r.marker); err == nil {
		<-r.synced
	}
}

// pump sends what is printed. The marker, a line that nobody can guess, comes behind a line end of its own.
func (r *reporter) pump(in io.Reader) {
	reader := bufio.NewReaderSize(in, 64<<10)
	held := false
	for {
		line, err := reader.ReadSlice('\n')
		switch text := string(line); {
		case text == r.marker:
			held = false
			r.synced <- struct{}{}
		case text == "\n" && !held:
			held = true
		case text != "":
			if held && text != "\n" {
				text, held = "\n"+text, false
			}
			r.send(message{Output: []byte(text)})
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
