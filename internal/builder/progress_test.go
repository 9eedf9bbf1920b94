package builder_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
)

// TestProgress has stages that do not need each other: whatever runs at the same time, an instruction is followed by its own
// output.
func TestProgress(t *testing.T) {
	t.Parallel()
	const files = `
-- Dockerfile --
ARG BASE
FROM $BASE AS one
RUN for i in 1 2 3 4 5 6 7 8; do echo one; attempt pause; done
FROM $BASE AS two
RUN for i in 1 2 3 4 5 6 7 8; do echo two; attempt pause; done
FROM $BASE AS three
RUN echo three > /three
FROM scratch
COPY --from=one /etc /one
COPY --from=two /etc /two
`
	img, r, err := buildFiles(t, newBuilder(t, nil), files)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[int]string{}
	for _, told := range r.told {
		if told.output != "" {
			printed[told.line] = told.output
		}
	}
	if want := map[int]string{3: strings.Repeat("one\n", 8), 5: strings.Repeat("two\n", 8)}; !maps.Equal(printed, want) {
		t.Errorf("told of %v", printed)
	}
	lines := map[int]builder.Step{}
	for _, s := range img.Steps {
		lines[s.Line] = s
	}
	for line, want := range map[int]string{2: "FROM", 3: "RUN for", 5: "RUN for", 7: "RUN echo three > /three", 9: "COPY --from=one /etc /one", 10: "COPY --from=two /etc /two"} {
		if !strings.HasPrefix(lines[line].Instruction, want) {
			t.Errorf("step of line %d is %+v, want %s", line, lines[line], want)
		}
	}
	if lines[3].Seconds < 0.2 || lines[9].Size == 0 || lines[3].Size != 0 {
		t.Errorf("line 3 has %+v, line 9 %+v", lines[3], lines[9])
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	if size, err := layers[0].Size(); err != nil || size != lines[9].Size {
		t.Errorf("the layer of line 9 has %d bytes, %v; the step says %d", size, err, lines[9].Size)
	}
}

// TestUnusedStage fails in a stage that the image does not use, where hubs have their tests.
func TestUnusedStage(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	for name, test := range map[string]struct {
		files  string
		line   int
		output string
	}{
		"before": {"ARG BASE\nFROM $BASE AS test\nRUN echo testing && exit 3\nFROM scratch\nCOPY Dockerfile /\n", 3, "testing"},
		"beside": {"ARG BASE\nFROM $BASE AS image\nCOPY Dockerfile /\nFROM image AS test\nRUN echo testing && exit 3\nFROM image\n", 5, "testing"},
		"two at once": {"ARG BASE\nFROM $BASE AS one\nRUN attempt pause && echo testing && exit 3\nFROM $BASE AS two\nRUN attempt sleep\nFROM scratch\n" +
			"COPY --from=two /etc /two\nCOPY --from=one /etc /one\n", 3, "testing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := buildFiles(t, b, "-- Dockerfile --\n"+test.files)
			if failed := wantFailure(t, err, test.line, "exit status 3"); failed.Output != test.output {
				t.Errorf("output is %q", failed.Output)
			}
		})
	}
}

// TestReady waits, in a later instruction, for the layer of an earlier one.
func TestReady(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	dir := t.TempDir()
	writeFiles(t, dir, "-- Dockerfile --\nARG BASE\nFROM $BASE\nCOPY file /one\nRUN echo begun && for i in 1 2 3 4 5 6 7 8 9; do attempt pause; done && echo ended\nCOPY file /three\n-- file --\ntext\n")
	var mutex sync.Mutex
	var order, ready []string
	note := func(what string) {
		mutex.Lock()
		defer mutex.Unlock()
		order = append(order, what)
	}
	r := &recorder{printed: func(text string) {
		if strings.HasSuffix(text, "ended\n") {
			note("ended")
		}
	}}
	img, err := b.Build(t.Context(), builder.Request{Context: contextOf(t, b, dir), Progress: r, Ready: func(l v1.Layer) {
		note("layer")
		digest, err := l.Digest()
		if err != nil {
			t.Error(err)
		}
		ready = append(ready, digest.String())
		blob, err := l.Compressed() // as who uploads it does
		if err != nil {
			t.Error(err)
			return
		}
		if err := blob.Close(); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(order) < 4 || order[0] != "layer" || !slices.Contains(order, "ended") {
		t.Errorf("the order was %v", order)
	}
	want := layerDigests(t, img)[2:] // those above the base image's two
	slices.Sort(want)
	slices.Sort(ready)
	if !slices.Equal(want, ready) {
		t.Errorf("told of %v, want %v", ready, want)
	}
}
