package builder_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/shellimage"
)

// base is the reference of an image whose shell is this test program.
var base string

func TestMain(m *testing.M) {
	builder.RunChild()
	shellimage.RunShell()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	base = strings.TrimPrefix(server.URL, "http://") + "/shell:1"
	img, err := shellimage.New()
	if err != nil {
		panic(err)
	}
	ref, err := name.ParseReference(base)
	if err != nil {
		panic(err)
	}
	if err := remote.Write(ref, img); err != nil {
		panic(err)
	}
	return m.Run()
}

// newBuilder is a builder in a sandbox.
func newBuilder(t *testing.T, timeout time.Duration) *builder.Builder {
	t.Helper()
	buildertest.RequireSandbox(t)
	b, err := builder.New(t.Context(), builder.Options{Isolation: builder.Sandbox, Keychain: authn.DefaultKeychain, BuildArgs: []string{"BASE=" + base}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// recorder keeps what a build reports.
type recorder struct {
	steps  []string
	output bytes.Buffer
}

func (r *recorder) Step(_ int, instruction string) { r.steps = append(r.steps, instruction) }
func (r *recorder) Output(text []byte)             { r.output.Write(text) }

// buildFiles builds a context that is given as a txtar archive; a file named "a -> b" is a link.
func buildFiles(t *testing.T, b *builder.Builder, files string) (v1.Image, *recorder, error) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(files)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if link, target, ok := strings.Cut(path, " -> "); ok {
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Context(dir, filepath.Join(dir, "Dockerfile"), time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	var r recorder
	img, err := b.Build(t.Context(), builder.Request{Context: c, Progress: &r})
	return img, &r, err
}

// contents are the files of an image, by name.
func contents(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	files := map[string]string{}
	rc := mutate.Extract(img)
	defer rc.Close()
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files["/"+strings.Trim(h.Name, "/")] = string(data)
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, time.Minute)
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
	b := newBuilder(t, time.Minute)
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
	img, _, err := buildFiles(t, newBuilder(t, time.Minute), `
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
	b := newBuilder(t, time.Minute)
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
			_, _, err := buildFiles(t, newBuilder(t, time.Minute), test.files)
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

// TestBuildIsAlone runs in a build what a stranger's Dockerfile could try.
func TestBuildIsAlone(t *testing.T) {
	t.Setenv("INPUT_PASSWORD", "secret-of-the-parent")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret-of-the-machine"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t, time.Minute)
	for name, command := range map[string]string{
		"the parent's environment":   "! (set; cat /proc/*/environ) 2>/dev/null | xargs -n 1 | sh -c 'while read x; do case $x in *secret-of*) exit 0;; esac; done; exit 1'",
		"the machine's files":        "! cat " + secret,
		"other processes":            "for dir in /proc/[0-9]*; do case $(cat $dir/cmdline | tr '\\000' ' ') in hub-publish*) exit 1;; esac; done",
		"the kernel's settings":      "! echo 1 > /proc/sys/kernel/panic",
		"Docker's capabilities":      "while read key value; do case $key in CapEff:|CapBnd:) test $value = 00000000a80425fb || exit 1;; esac; done < /proc/self/status",
		"the base images for others": "! touch /.hub-publish/bases/x",
	} {
		t.Run(name, func(t *testing.T) {
			_, r, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN "+command+"\n")
			if err != nil {
				t.Errorf("%v\n%s", err, r.output.String())
			}
		})
	}
}

func TestBuildTimeout(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, 3*time.Second)
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
