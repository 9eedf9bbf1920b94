package builder

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/worker"
)

// teller writes down what it is told.
type teller struct{ strings.Builder }

func (w *teller) Step(line int, instruction string) { fmt.Fprintf(w, "[%d %s]", line, instruction) }
func (w *teller) Output(text []byte)                { w.Write(text) }

// TestWatcher takes in the events of instructions that run side by side. In a script "a+" begins the instruction a, "a-"
// ends it, and anything else behind a name is what it prints.
func TestWatcher(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, want string }{
		"one after another":            {"a+ a1 a- b+ b1 b-", "[1 RUN a]1[2 RUN b]1"},
		"two at once":                  {"a+ b+ b1 a1 b2 a2 b- a-", "[1 RUN a]12[2 RUN b]12"},
		"the second goes on":           {"a+ b+ b1 a1 a- b2 b-", "[1 RUN a]1[2 RUN b]12"},
		"the second is long over":      {"a+ b+ b1 b- c+ c1 a1 a- c2 c-", "[1 RUN a]1[2 RUN b]1[3 RUN c]12"},
		"one begins between two":       {"a+ a- b+ c+ c1 b- d+ d1 c- d-", "[1 RUN a][2 RUN b][3 RUN c]1[4 RUN d]1"},
		"the first never ends":         {"a+ b+ b1 b-", "[1 RUN a]"},
		"somebody nobody has heard of": {"a+ x1 a1 a-", "[1 RUN a]1"},
		"one prints after its own end": {"a+ a- a1 b+ b1", "[1 RUN a][2 RUN b]1"},
		"nothing happens":              {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told teller
			w := newWatcher(Request{Progress: &told})
			for _, event := range strings.Fields(test.script) {
				vertex, what := event[:1], event[1:]
				switch what {
				case "+":
					w.event(worker.Event{Step: &worker.Step{Vertex: vertex, Line: int(vertex[0]-'a') + 1, Name: "RUN  \t" + vertex}})
				case "-":
					w.event(worker.Event{Done: &worker.Done{Vertex: vertex, Seconds: 1.5}})
				default:
					w.event(worker.Event{Output: &worker.Output{Vertex: vertex, Text: []byte(what)}})
				}
			}
			if told.String() != test.want {
				t.Errorf("told %s, want %s", told.String(), test.want)
			}
		})
	}
}

// TestWatcherFailed fails while two instructions run: the error has the output of the one that failed, told or not.
func TestWatcherFailed(t *testing.T) {
	t.Parallel()
	var told teller
	w := newWatcher(Request{Progress: &told})
	for i, vertex := range []string{"a", "b"} {
		w.event(worker.Event{Step: &worker.Step{Vertex: vertex, Line: i + 1, Name: "RUN " + vertex}})
		w.event(worker.Event{Output: &worker.Output{Vertex: vertex, Text: []byte("from " + vertex + "\n")}})
	}
	for _, test := range []struct {
		end    worker.End
		line   int
		output string
	}{
		{worker.End{Vertex: "a", Line: 1, Name: "RUN a", Reason: "it failed"}, 1, "from a"},
		{worker.End{Vertex: "b", Line: 2, Name: "RUN b", Reason: "it failed"}, 2, "from b"},
		{worker.End{Reason: "it was stopped"}, 2, "from b"},
	} {
		var failed *FailedError
		if !errors.As(w.failed(&test.end), &failed) || failed.Line != test.line || failed.Output != test.output || failed.Reason != test.end.Reason {
			t.Errorf("got %+v, want line %d with %q", failed, test.line, test.output)
		}
	}
	if err := newWatcher(Request{Progress: &told}).failed(&worker.End{Reason: "it was stopped"}); err.(*FailedError).Line != 1 {
		t.Errorf("before the first instruction: %+v", err)
	}
}
