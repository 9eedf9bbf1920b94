package builder

import (
	"fmt"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/worker"
)

// Step is one instruction that was run.
type Step struct {
	Line        int
	Instruction string
	Seconds     float64
	// Size is the compressed size of the layer that the instruction made, in bytes; 0 where it made none of the image's.
	Size int64
}

// watcher follows a build's events. Instructions can run side by side; who watches is told of one after another: what the
// others print is kept until it is their turn.
type watcher struct {
	progress Progress
	ready    func(v1.Layer)
	layer    func(worker.Layer) v1.Layer

	mutex  sync.Mutex
	steps  []*running
	index  map[string]*running
	shown  int // the steps before it have been told of to their end
	layers map[string]v1.Layer
}

// running is an instruction that runs, or ran.
type running struct {
	Step
	done bool
	// kept is what it printed before it was its turn, and tail the end of all that it printed.
	kept []byte
	tail tail
}

func newWatcher(r Request) *watcher {
	return &watcher{progress: r.Progress, ready: r.Ready, index: map[string]*running{}, layers: map[string]v1.Layer{}}
}

// event takes in an event.
func (w *watcher) event(e worker.Event) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	switch {
	case e.Step != nil:
		r := &running{Step: Step{Line: e.Step.Line, Instruction: strings.Join(strings.Fields(e.Step.Name), " ")}}
		w.steps, w.index[e.Step.Vertex] = append(w.steps, r), r
		if len(w.steps) == w.shown+1 {
			w.progress.Step(r.Line, r.Instruction)
		}
	case e.Output != nil:
		w.output(w.index[e.Output.Vertex], e.Output.Text)
	case e.Done != nil:
		r := w.index[e.Done.Vertex]
		r.done, r.Seconds = true, e.Done.Seconds
		w.advance()
	case e.Layer != nil:
		l := w.layer(*e.Layer)
		w.layers[e.Layer.Vertex] = l
		if r, size := w.index[e.Layer.Vertex], sizeOf(l); r != nil {
			r.Size = size
		}
		if w.ready != nil {
			w.ready(l)
		}
	}
}

// say tells of what is no instruction's.
func (w *watcher) say(format string, values ...any) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.progress.Output(fmt.Appendf(nil, format+"\n", values...))
}

func (w *watcher) output(r *running, text []byte) {
	if r == nil {
		return
	}
	_, _ = r.tail.Write(text)
	if w.shown < len(w.steps) && w.steps[w.shown] == r {
		w.progress.Output(text)
		return
	}
	r.kept = append(r.kept, text...)
}

// advance tells of the instructions whose turn it is now.
func (w *watcher) advance() {
	for w.shown < len(w.steps) && w.steps[w.shown].done {
		w.shown++
		if w.shown < len(w.steps) {
			next := w.steps[w.shown]
			w.progress.Step(next.Line, next.Instruction)
			if len(next.kept) > 0 {
				w.progress.Output(next.kept)
				next.kept = nil
			}
		}
	}
}

// failed is the error of a build that ended before its end.
func (w *watcher) failed(end *worker.End) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	f := &FailedError{Line: max(1, end.Line), Instruction: strings.Join(strings.Fields(end.Name), " "), Reason: end.Reason}
	r := w.index[end.Vertex]
	if r == nil && len(w.steps) > 0 {
		r = w.steps[len(w.steps)-1]
	}
	if r != nil {
		f.Output = r.tail.String()
		if end.Line == 0 {
			f.Line, f.Instruction = r.Line, r.Instruction
		}
	}
	return f
}

// list are the instructions that were run.
func (w *watcher) list() []Step {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var steps []Step
	for _, r := range w.steps {
		steps = append(steps, r.Step)
	}
	return steps
}

func sizeOf(l v1.Layer) int64 {
	size, err := l.Size()
	if err != nil {
		return 0 // it is only shown
	}
	return size
}
