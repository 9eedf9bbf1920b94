package builder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/builder"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	img, r, err := buildFiles(t, b, `
-- Dockerfile --
ARG BASE
FROM $BASE AS test
COPY hello.txt /in.txt
RUN cat /in.txt > /out.txt && echo tested
FROM $BASE
WORKDIR /workspace
COPY . .
COPY --from=test /out.txt /result.txt
ENV GREETING=hello
RUN echo "$GREETING from $(pwd)" && echo made > made.txt
ENTRYPOINT ["sh", "hello.sh"]
-- hello.txt --
hello, world
-- hello.sh --
echo hello
`)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(config.Config.Entrypoint, " "); got != "sh hello.sh" {
		t.Errorf("entry point is %q", got)
	}
	if got := config.Created.Time.Unix(); got != 1e9 {
		t.Errorf("created at %d", got)
	}
	files := contents(t, img)
	for path, want := range map[string]string{"/workspace/hello.txt": "hello, world\n", "/result.txt": "hello, world\n", "/workspace/made.txt": "made\n"} {
		if files[path] != want {
			t.Errorf("%s holds %q, want %q", path, files[path], want)
		}
	}
	for _, path := range []string{"/out.txt", "/.hub-publish"} {
		if _, ok := files[path]; ok {
			t.Errorf("%s is in the image", path)
		}
	}
	if got := r.output.String(); !strings.Contains(got, "tested\n") || !strings.Contains(got, "hello from /workspace\n") {
		t.Errorf("output is %q", got)
	}
	if got := strings.Join(r.steps, "\n"); !strings.Contains(got, "COPY --from=test /out.txt /result.txt") {
		t.Errorf("steps are:\n%s", got)
	}
}

func TestBuildLeavesNoTrace(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	if _, _, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN echo first > /first.txt\n"); err != nil {
		t.Fatal(err)
	}
	img, _, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN test ! -e /first.txt && echo second > /second.txt\n")
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, img)
	if _, ok := files["/first.txt"]; ok {
		t.Error("the first build's file is in the second image")
	}
	if files["/second.txt"] != "second\n" {
		t.Error("the second build's file is missing")
	}
}

// TestBuildAction builds an image in the action's own layout, whose directory has the name that kaniko takes for its own,
// and with the link that lets the runner mount the Docker socket.
func TestBuildAction(t *testing.T) {
	t.Parallel()
	img, _, err := buildFiles(t, newBuilder(t, nil), `
-- Dockerfile --
ARG BASE
FROM $BASE AS build
WORKDIR /src
COPY program .
RUN mkdir -p /out/root/run && cp program /out/program
COPY root/ /out/root/
FROM scratch
COPY --from=build /out/program /kaniko/program
COPY --from=build /out/root/ /
ENTRYPOINT ["/kaniko/program"]
-- program --
the program
-- root/var/run -> /run --
`)
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, img)
	if files["/kaniko/program"] != "the program\n" {
		t.Errorf("the program is missing: %v", files)
	}
	if _, ok := files["/var/run"]; !ok {
		t.Errorf("the link is missing: %v", files)
	}
}

// TestContext changes a directory after it was taken in: the image is made of what was there before, with the permissions
// that git knows and one time for all.
func TestContext(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	dir := t.TempDir()
	recipe := filepath.Join(dir, "Dockerfile")
	for name, text := range map[string]string{"Dockerfile": "FROM scratch\nCOPY . /workspace\n", "program": "before", ".git/config": "not the bundle's"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Context(dir, recipe, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Dockerfile": "FROM nothing\n", "program": "after", "more": "more"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a Context serves more than one build
		img, err := b.Build(t.Context(), builder.Request{Context: c, Progress: &recorder{}})
		if err != nil {
			t.Fatal(err)
		}
		files := contents(t, img)
		if files["/workspace/program"] != "before" {
			t.Errorf("the program holds %q", files["/workspace/program"])
		}
		for _, name := range []string{"/workspace/more", "/workspace/.git"} {
			if _, ok := files[name]; ok {
				t.Errorf("%s is in the image", name)
			}
		}
	}
}

func TestBuildFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files  string
		line   int
		reason string
		output string
	}{
		"exit status": {
			files: "-- Dockerfile --\nARG BASE\nFROM $BASE\n# a comment\nRUN echo fine\nRUN echo first && \\\n  echo last && exit 7\n",
			line:  5, reason: "exit status 7", output: "first\nlast",
		},
		"same text twice": {
			files: "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN test ! -e /x && echo > /x\nRUN test ! -e /x && echo > /x\n",
			line:  4, reason: "exit status 1",
		},
		"missing source": {
			files: "-- Dockerfile --\nARG BASE\nFROM $BASE\nCOPY nothing.txt /\n",
			line:  3, reason: "nothing.txt",
		},
		"unknown base": {
			files: "-- Dockerfile --\nARG BASE\nFROM $BASE-nothing\n",
			line:  2, reason: "cannot be pulled",
		},
		"first stage": {
			files: "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN exit 3\nFROM $BASE\nRUN echo\n",
			line:  3, reason: "exit status 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := buildFiles(t, newBuilder(t, nil), test.files)
			var failed *builder.FailedError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a *FailedError", err)
			}
			if failed.Line != test.line || !strings.Contains(failed.Reason, test.reason) || failed.Output != test.output {
				t.Errorf("line %d, reason %q, output %q; want line %d, reason with %q, output %q",
					failed.Line, failed.Reason, failed.Output, test.line, test.reason, test.output)
			}
		})
	}
}

func TestBuildTimeout(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, func(o *builder.Options) { o.Timeout = 3 * time.Second })
	start := time.Now()
	_, _, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN while true; do true; done\n")
	var failed *builder.FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Reason, "build-timeout of 3s") {
		t.Errorf("got %v", err) // at the RUN, or on a slow machine before it
	}
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %s", took)
	}
}
