package source_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/jina/hub-publish/internal/needs"
	"github.com/jina/hub-publish/internal/source"
)

const content = "what is at the URL"

var lastModified = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// serve answers the first requests with the answers, one after the other, and all others with the content.
func serve(t *testing.T, answers ...http.HandlerFunc) string {
	t.Helper()
	next := make(chan http.HandlerFunc, len(answers))
	for _, answer := range answers {
		next <- answer
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case answer := <-next:
			answer(w, r)
		default:
			_, _ = io.WriteString(w, content)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code == http.StatusOK {
			_, _ = io.WriteString(w, content)
		}
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "only a part")
}

func away(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://user:secret@127.0.0.1:1/?signature=secret", http.StatusFound)
}

func quick() source.Options { return source.Options{Wait: time.Millisecond, Tries: 3} }

func TestHTTP(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer http.HandlerFunc
		path   string
		attrs  map[string]string
		// want is "name mode time".
		want string
	}{
		{"the last part of the URL, mode 0600, 1970", status(200), "/a/tool?x=1", nil, "tool -rw------- 1970-01-01"},
		{"the server's time", status(200, "Last-Modified", lastModified.Format(http.TimeFormat)), "/tool", nil, "tool -rw------- 2020-01-02"},
		{"a time that is none", status(200, "Last-Modified", "yesterday"), "/tool", nil, "tool -rw------- 1970-01-01"},
		{"the server's name", status(200, "Content-Disposition", `attachment; filename="../../x.sh"`), "/a", nil, "x.sh -rw------- 1970-01-01"},
		{"the Dockerfile's name goes first", status(200, "Content-Disposition", "attachment; filename=x"), "/a", map[string]string{pb.AttrHTTPFilename: "y"}, "y -rw------- 1970-01-01"},
		{"no name", status(200), "/", nil, "download -rw------- 1970-01-01"},
		{"a name that leads out", status(200), "/a", map[string]string{pb.AttrHTTPFilename: ".."}, "download -rw------- 1970-01-01"},
		{"a mode", status(200), "/a", map[string]string{pb.AttrHTTPPerm: "0666"}, "a -rw-rw-rw- 1970-01-01"},
		{"the checksum", status(200), "/a", map[string]string{pb.AttrHTTPChecksum: digest.FromString(content).String()}, "a -rw------- 1970-01-01"},
		{"after a lost connection", cut, "/a", nil, "a -rw------- 1970-01-01"},
		{"after a server's error", status(503), "/a", nil, "a -rw------- 1970-01-01"},
		{"after too many requests", status(429, "Retry-After", "0"), "/a", nil, "a -rw------- 1970-01-01"},
		{"after a redirection", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) }, "/a", nil, "a -rw------- 1970-01-01"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, err := source.HTTP(t.Context(), &pb.SourceOp{Identifier: serve(t, c.answer) + c.path, Attrs: c.attrs}, dir, quick())
			if err != nil {
				t.Fatal(err)
			}
			names, err := os.ReadDir(dir)
			if err != nil || len(names) != 1 || names[0].Name() != file.Name {
				t.Fatalf("%v, %v, reported %q", names, err, file.Name)
			}
			info, err := names[0].Info()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(file.Name, " ", info.Mode(), " ", info.ModTime().UTC().Format(time.DateOnly)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			data, err := os.ReadFile(filepath.Join(dir, file.Name))
			if err != nil || string(data) != content || file.Digest != digest.FromString(content) || file.Size != int64(len(content)) {
				t.Errorf("got %q, %v, %+v", data, err, file)
			}
		})
	}
}

func TestHTTPOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs.Missing(t, "only root gives files away")
	}
	dir := t.TempDir()
	op := &pb.SourceOp{Identifier: serve(t) + "/a", Attrs: map[string]string{pb.AttrHTTPUID: "5", pb.AttrHTTPGID: "6"}}
	if _, err := source.HTTP(t.Context(), op, dir, quick()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 5 || stat.Gid != 6 {
		t.Errorf("owner %d:%d, want 5:6", stat.Uid, stat.Gid)
	}
}

func TestHTTPRefuses(t *testing.T) {
	t.Parallel()
	other := digest.FromString("something else").String()
	cases := []struct {
		name    string
		answers []http.HandlerFunc
		attrs   map[string]string
		want    string
	}{
		{"another content", nil, map[string]string{pb.AttrHTTPChecksum: other}, "it has the digest " + digest.FromString(content).String() + " (18 bytes), but --checksum wants " + other},
		{"a checksum that is none", nil, map[string]string{pb.AttrHTTPChecksum: "sha256:1"}, "expected sha256: and 64"},
		{"a checksum that BuildKit does not compare", nil, map[string]string{pb.AttrHTTPChecksum: digest.SHA512.FromString(content).String()}, "SHA-256 digests only"},
		{"nothing there", []http.HandlerFunc{status(404)}, nil, "answers 404 Not Found, expected 200"},
		{"errors without an end", []http.HandlerFunc{status(500), status(502), status(503)}, nil, "answers 503"},
		{"connections lost without an end", []http.HandlerFunc{cut, cut, cut}, nil, "tried 3 times: the connection was lost: unexpected EOF"},
		{"too much", []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2000)) }}, nil, "more than 1000 bytes"},
		{"a mode that is none", nil, map[string]string{pb.AttrHTTPPerm: "rw"}, "attribute http.perm"},
		{"a secret", nil, map[string]string{pb.AttrHTTPAuthHeaderSecret: "x"}, "attribute http.authheadersecret: it is not supported"},
		{"a signature", nil, map[string]string{pb.AttrHTTPSignatureVerify: "x"}, "attribute http.sig.signature: it is not supported"},
		{"a redirection to nowhere", []http.HandlerFunc{away, away, away}, nil, "connection refused"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, opt := t.TempDir(), quick()
			opt.MaxBytes = 1000
			address := strings.Replace(serve(t, c.answers...), "http://", "http://user:secret@", 1) + "/file?signature=secret"
			_, err := source.HTTP(t.Context(), &pb.SourceOp{Identifier: address, Attrs: c.attrs}, dir, opt)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/file?...") {
				t.Errorf("got %v, want an error with %q and the address", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "secret@") || strings.Contains(fmt.Sprint(err), "=secret") || strings.Contains(fmt.Sprint(err), "user") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
				t.Errorf("left behind: %v, %v", names, err)
			}
		})
	}
}

func TestHTTPEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	opt := quick()
	opt.Wait = time.Hour
	start := time.Now()
	_, err := source.HTTP(ctx, &pb.SourceOp{Identifier: serve(t, cut) + "/a"}, t.TempDir(), opt)
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

func FuzzHTTPNames(f *testing.F) {
	f.Add("/a", "", `attachment; filename="x"`)
	f.Add("/%2e%2e", "../x\n", "attachment; filename*=UTF-8''%2fetc%2fpasswd")
	f.Fuzz(func(t *testing.T, path, name, disposition string) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		opt := quick()
		opt.Transport = answer{disposition}
		_, err := source.HTTP(t.Context(), &pb.SourceOp{Identifier: "http://host/" + path, Attrs: map[string]string{pb.AttrHTTPFilename: name}}, dir, opt)
		names, readErr := os.ReadDir(dir)
		outside, _ := os.ReadDir(parent)
		if readErr != nil || len(outside) != 1 || (err == nil) != (len(names) == 1) {
			t.Errorf("%v: %v, %v", err, names, outside)
		}
	})
}

// answer is a server in this process.
type answer struct{ disposition string }

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{"Content-Disposition": {a.disposition}}, Body: io.NopCloser(strings.NewReader("x")), Request: r}, nil
}

func BenchmarkHTTP(b *testing.B) {
	data := make([]byte, 64<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	defer server.Close()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := source.HTTP(b.Context(), &pb.SourceOp{Identifier: server.URL + "/a"}, b.TempDir(), source.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
