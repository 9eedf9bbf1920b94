//go:build e2e

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/faulty"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	client "github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/report"
)

// publication is the variable that makes a process of this program one that publishes: what it holds says where to.
const publication = "HUB_PUBLISH_TEST_PUBLICATION"

func TestMain(m *testing.M) {
	builder.RunChild()
	if text := os.Getenv(publication); text != "" {
		var p publish
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			panic(err)
		}
		if _, err := p.run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// There is memory to spare, and thousands of publications wait for the processors.
	debug.SetGCPercent(lavish)
	if err := os.Setenv("GOGC", strconv.Itoa(lavish)); err != nil { // for what is started: publications, and the registry
		panic(err)
	}
	os.Exit(m.Run())
}

// lavish is how many percent the memory may grow before garbage is collected.
const lavish = 800

// The credentials that the proxy asks for.
const user, password = "ada", "secret"

// publish is one publication of a hub.
type publish struct{ Dir, Head, Registry, Namespace, Tags string }

// pace has a test wait for no longer than it must.
var pace = client.Pace{First: 20 * time.Millisecond, Most: 200 * time.Millisecond, Total: 10 * time.Second, Answer: 700 * time.Millisecond, Commit: 700 * time.Millisecond}

// run publishes all bundles of the hub, as on main.
func (p publish) run(ctx context.Context) (*report.Report, error) {
	inputs, err := input.Read(map[string]string{
		"mode": "publish", "bundles": "all", "registry": p.Registry, "plain-http": p.Registry, "namespace": p.Namespace, "username": user, "password": password, "isolation": "sandbox",
		"required-approvals": "0", "usage-tests": "off", "tags": p.Tags,
	}, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	repository, err := history.Open(p.Dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	r := pipeline.Run{
		Inputs: inputs, Event: event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main", SHA: p.Head},
		Dir: p.Dir, Files: root.FS(), Repository: repository, API: compare.NoAPI{}, Log: report.NewLog(io.Discard, false), Pace: pace,
	}
	result, err := r.Do(ctx)
	if err == nil && r.Failed() {
		var why []string
		for _, f := range result.All() {
			why = append(why, f.Rule+": "+f.Message)
		}
		err = fmt.Errorf("failed: %s", strings.Join(why, "; "))
	}
	return result, err
}

// command is the same publication by a process of its own.
func (p publish) command(ctx context.Context) *exec.Cmd {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	c := exec.CommandContext(ctx, "/proc/self/exe")
	c.Env = append(os.Environ(), publication+"="+string(text))
	return c
}

// newHub is a hub with three bundles.
func newHub(t testing.TB) (dir, head string) {
	t.Helper()
	dir = t.TempDir()
	archive, err := os.ReadFile(filepath.FromSlash("../../../testdata/faults/hub.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(archive).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, commit(t, dir)
}

func commit(t testing.TB, dir string) string {
	t.Helper()
	repository, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	worktree, err := repository.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	if err := worktree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	hash, err := worktree.Commit("feat: bundles", &git.CommitOptions{Author: &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9, 0)}})
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

// registry is a docker-registry of this test's own, with a memory for a disk: what takes long of one that keeps what it is
// given is the disk. It returns its address.
func registry(t testing.TB) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "registry.yml")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {inmemory: {}}\nhttp: {addr: %q}\n", address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := exec.Command("docker-registry", "serve", config)
	if err := serve.Start(); err != nil {
		t.Fatalf("start Debian's docker-registry: %v: run these tests by .ci/run", err)
	}
	t.Cleanup(func() {
		_ = serve.Process.Kill()
		_ = serve.Wait()
	})
	for range 100 {
		if answer, err := http.Get("http://" + address + "/v2/"); err == nil {
			answer.Body.Close()
			return address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

var namespaces atomic.Int64

// newNamespace is one that nobody has used, with an older version of one of the bundles in it, which holds the moving tags.
func newNamespace(t testing.TB, registry string) string {
	t.Helper()
	namespace := fmt.Sprintf("faults/%d-%d-%d", os.Getpid(), time.Now().UnixNano(), namespaces.Add(1))
	older, err := mutate.Config(empty.Image, v1.Config{Labels: map[string]string{"org.opencontainers.image.version": "1.0.0", "ai.jina.hub.tree": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}})
	if err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(registry + "/" + namespace + "/pod.encoder.secondencoder")
	if err != nil {
		t.Fatal(err)
	}
	pusher, err := remote.NewPusher()
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.0.0", "latest", "1"} {
		if err := pusher.Push(t.Context(), repository.Tag(tag), older); err != nil {
			t.Fatal(err)
		}
	}
	return namespace
}

// world is a proxy in front of the registry, and a publication through it.
type world struct {
	publish
	registry string // behind the proxy
	proxy    *faulty.Proxy
	server   *httptest.Server
}

func newWorld(t testing.TB, registry, dir, head string, options ...faulty.Option) *world {
	t.Helper()
	w := &world{registry: registry, proxy: faulty.New(faulty.Registry(&url.URL{Scheme: "http", Host: registry}), append(options, faulty.Token(user, password))...)}
	w.server = httptest.NewServer(w.proxy)
	t.Cleanup(w.server.Close)
	w.publish = publish{dir, head, strings.TrimPrefix(w.server.URL, "http://"), newNamespace(t, registry), "{version}, latest, {major}"}
	return w
}

// repositories are those that a publication writes to.
var repositories = []string{"catalog", "pod.crafter.firstcrafter", "pod.encoder.secondencoder", "pod.indexer.thirdindexer"}

// tags are all tags in the namespace, with what they name. The catalog's content stands for its digest, as it names the
// registry.
func (w *world) tags(t testing.TB) string {
	t.Helper()
	var all []string
	puller, err := remote.NewPuller()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range repositories {
		repository, err := name.NewRepository(w.registry + "/" + w.Namespace + "/" + r)
		if err != nil {
			t.Fatal(err)
		}
		listed, err := puller.List(t.Context(), repository)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range listed {
			if r == "catalog" {
				all = append(all, fmt.Sprintf("%s:%s %s", r, tag, w.content(t, puller, repository.Tag(tag))))
				continue
			}
			d, err := puller.Head(t.Context(), repository.Tag(tag))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s:%s %s", r, tag, d.Digest))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// content is the catalog without the names of its registry and namespace.
func (w *world) content(t testing.TB, puller *remote.Puller, tag name.Tag) string {
	t.Helper()
	d, err := puller.Get(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	img, err := d.Image()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("the catalog has %d layers, %v", len(layers), err)
	}
	blob, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	text, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), w.Registry+"/"+w.Namespace, "REGISTRY")
}
