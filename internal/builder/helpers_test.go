package builder_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/shellimage"
)

// store is where tests with many builders keep the base image.
var store string

// base is the reference of an image whose shell is this test program.
var base string

// jinaBase is the reference of the same image with what stands in for Jina.
var jinaBase string

// hostileAttempt is the name by which this program tries in an image what it must not be able to do.
const hostileAttempt = "attempt"

func TestMain(m *testing.M) {
	builder.RunChild()
	shellimage.RunShell()
	if filepath.Base(os.Args[0]) == hostileAttempt {
		attempt(os.Args[1], os.Args[2:])
	}
	if filepath.Base(os.Args[0]) == python {
		runPython(os.Args[1:])
	}
	os.Exit(run(m))
}

// parentSecret is in this process's environment, as the action's token and passwords are.
const parentSecret = "secret-of-the-parent"

func run(m *testing.M) int {
	if err := os.Setenv("INPUT_PASSWORD", parentSecret); err != nil {
		panic(err)
	}
	server := httptest.NewServer(newRegistry())
	defer server.Close()
	shell, err := shellimage.New()
	if err != nil {
		panic(err)
	}
	link, err := layerOf(link("bin/"+hostileAttempt, "sh"))
	if err != nil {
		panic(err)
	}
	img, err := mutate.AppendLayers(shell, link)
	if err != nil {
		panic(err)
	}
	if base, err = push(server, "shell", img); err != nil {
		panic(err)
	}
	if img, err = withJina(img); err != nil {
		panic(err)
	}
	if jinaBase, err = push(server, "jina", img); err != nil {
		panic(err)
	}
	if store, err = os.MkdirTemp("", "hub-publish-test-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(store)
	// Many tests wait: for a limit, or for a registry to be asked again.
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(strconv.Itoa(5 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

func newRegistry() http.Handler { return memory.New(memory.Logger(log.New(io.Discard, "", 0))) }

// push gives an image to a registry, and says by which reference it is there.
func push(server *httptest.Server, repository string, img v1.Image) (string, error) {
	ref, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/" + repository + ":1")
	if err != nil {
		return "", err
	}
	return ref.String(), remote.Write(ref, img)
}

// entry is an entry of a layer's archive.
type entry struct {
	header tar.Header
	data   string
}

func file(name, data string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}, data}
}
func link(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, ""}
}
func hardLink(name, target string) entry {
	return entry{tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o777}, ""}
}

func archiveOf(entries ...entry) ([]byte, error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), w.Close()
}

func layerOf(entries ...entry) (v1.Layer, error) {
	archive, err := archiveOf(entries...)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil })
}

// imageOf is an image with a layer for each list of entries.
func imageOf(t *testing.T, layers ...[]entry) v1.Image {
	t.Helper()
	img := empty.Image
	for _, entries := range layers {
		l, err := layerOf(entries...)
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// newBuilder is a builder in a sandbox, with the base image as the build argument BASE. change may be nil.
func newBuilder(t *testing.T, change func(*builder.Options)) *builder.Builder {
	t.Helper()
	b := openBuilder(t, change)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// openBuilder leaves it to the test to close the builder.
func openBuilder(t *testing.T, change func(*builder.Options)) *builder.Builder {
	t.Helper()
	buildertest.RequireSandbox(t)
	registries, err := registry.New(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registries.Close)
	options := builder.Options{Isolation: builder.Sandbox, Registry: registries, BuildArgs: []string{"BASE=" + base}, Timeout: time.Minute}
	if change != nil {
		change(&options)
	}
	b, err := builder.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// told is an instruction's line, and what was told until the next one began.
type told struct {
	line   int
	output string
}

// recorder keeps what a build reports. A build tells one thing after another: the race detector would see if it did not.
type recorder struct {
	steps  []string
	told   []told // steps and output as they came
	output bytes.Buffer
	// printed is called with all output so far.
	printed func(string)
}

func (r *recorder) Step(line int, instruction string) {
	r.steps = append(r.steps, instruction)
	r.told = append(r.told, told{line: line})
}

func (r *recorder) Output(text []byte) {
	r.output.Write(text)
	if len(r.told) > 0 {
		r.told[len(r.told)-1].output += string(text)
	}
	if r.printed != nil {
		r.printed(r.output.String())
	}
}

// writeFiles lays out a txtar archive; a file named "a -> b" is a link.
func writeFiles(t *testing.T, dir, files string) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(files)).Files {
		path := filepath.Join(dir, f.Name)
		if name, target, ok := strings.Cut(f.Name, " -> "); ok {
			path = filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
				t.Fatal(err)
			}
		} else if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// buildFiles builds a context that is given as a txtar archive.
func buildFiles(t *testing.T, b *builder.Builder, files string) (*builder.Image, *recorder, error) {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, files)
	return buildDir(t.Context(), t, b, dir)
}

func buildDir(ctx context.Context, t *testing.T, b *builder.Builder, dir string) (*builder.Image, *recorder, error) {
	t.Helper()
	var r recorder
	img, err := b.Build(ctx, builder.Request{Context: contextOf(t, b, dir), Progress: &r})
	return img, &r, err
}

// taking keeps to Context's rule that contexts are taken in one after another.
var taking sync.Mutex

func contextOf(t *testing.T, b *builder.Builder, dir string) *builder.Context {
	t.Helper()
	taking.Lock()
	defer taking.Unlock()
	c, err := b.Context(dir, filepath.Join(dir, "Dockerfile"), time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	return c
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

// wantFailure checks that a build failed at a line, with a reason that has these words; line 0 is any.
func wantFailure(t *testing.T, err error, line int, reason string) *builder.FailedError {
	t.Helper()
	var failed *builder.FailedError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a *FailedError with %q", err, reason)
	}
	if line != 0 && failed.Line != line || !strings.Contains(failed.Reason, reason) {
		t.Errorf("line %d, reason %q; want line %d, reason with %q", failed.Line, failed.Reason, line, reason)
	}
	return failed
}
