package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/shellimage"
)

func TestMain(m *testing.M) {
	builder.RunChild()
	shellimage.RunShell()
	os.Exit(m.Run())
}

// One round of our own builder alone.
func TestRun(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	s := settings{registry: strings.TrimPrefix(server.URL, "http://"), rounds: 1, tools: "ours-api", scenarios: "files,ten",
		sizes: sizes{files: 20, bundles: 3, large: 1}}
	s.base = s.registry + "/base:latest"
	push(t, s.base)

	var out, progress bytes.Buffer
	if err := run(t.Context(), s, &out, &progress); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| files | ours-api | ", "| ten | ours-api | "} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("the table has no %q:\n%s", row, &out)
		}
	}
	for _, line := range []string{"files round 1 ours-api", "ten round 1 ours-api"} {
		if !strings.Contains(progress.String(), line) {
			t.Errorf("the log has no %q:\n%s", line, &progress)
		}
	}
}

func push(t *testing.T, reference string) {
	t.Helper()
	img, err := shellimage.New()
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// A tool is compared with its yardstick round by round.
func TestResults(t *testing.T) {
	t.Parallel()
	ours, theirs := tool{name: "ours-warm", yardstick: warm}, tool{name: warm, yardstick: warm}
	r := newResults("files", []tool{ours, theirs})
	for _, seconds := range [][2]float64{{1, 2}, {2, 2}, {1, 4}} {
		r.add(ours, measurement{seconds[0], 50 << 20})
		r.add(theirs, measurement{seconds[1], 100 << 20})
	}
	expected := "| files | ours-warm | 1.00 | 1.00 – 2.00 | 0.50 of warm | 50 |\n| files | buildkit-warm | 2.00 | 2.00 – 4.00 |  | 100 |\n"
	if got := r.String(); got != expected {
		t.Errorf("got\n%s expected\n%s", got, expected)
	}
}

func TestChosen(t *testing.T) {
	t.Parallel()
	all := func() []string { return []string{"a", "b", "c"} }
	self := func(s string) string { return s }
	if got, err := chosen("c,a", all(), self); err != nil || strings.Join(got, "") != "ac" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := chosen("a,d", all(), self); err == nil {
		t.Error("a name that there is not is taken")
	}
}
