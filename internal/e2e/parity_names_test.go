//go:build e2e

package e2e

import (
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/parity/corpus"
)

// names says what the names under .example in the cases stand for: the registry, and a server of files.
type names struct {
	registry  string // with the path of this run
	whole     string // Debian
	served    string
	addresses string // of the server
}

// newNames starts the server of files, until the end of the test. It listens where the registry does: there builds on
// this machine and in its containers reach it.
func newNames(t *testing.T) *names {
	t.Helper()
	n := &names{registry: registry(t) + "/" + newNamespace(), whole: baseImage(t), served: t.TempDir()}
	host, _, err := net.SplitHostPort(registry(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	n.addresses = listener.Addr().String()
	server := &http.Server{Handler: n.handler(t)}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return n
}

// handler serves files, and git repositories by git's own program.
func (n *names) handler(t *testing.T) http.Handler {
	t.Helper()
	programs := command{name: "git", args: []string{"--exec-path"}}.must(t)
	git := &cgi.Handler{
		Path: filepath.Join(programs, "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + n.served, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	files := http.FileServer(http.Dir(n.served))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/info/refs") || strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			git.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// image is a reference in this run's part of the registry.
func (n *names) image(name string) string { return n.registry + "/" + name }

// lay writes a case's files to a new directory and returns that.
func (n *names) lay(t *testing.T, c corpus.Case) string {
	t.Helper()
	l := corpus.Layout{
		Context: t.TempDir(),
		Served:  filepath.Join(n.served, c.Name),
		Names: strings.NewReplacer(
			"registry.example/debian:whole", n.whole,
			"registry.example", n.registry,
			"files.example", n.addresses+"/"+c.Name,
		),
	}
	if err := os.Mkdir(l.Served, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.Lay(l); err != nil {
		t.Fatal(err)
	}
	return l.Context
}
