package sibling

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
	selfID    = "1111111111111111111111111111111111111111111111111111111111111111"
	siblingID = "2222222222222222222222222222222222222222222222222222222222222222"
)

// daemon is a Docker daemon whose containers send back what they are sent.
type daemon struct {
	t *testing.T
	// fails are answers to requests, by the end of their path: an error's text.
	fails map[string]string

	mutex    sync.Mutex
	requests []string
	created  struct {
		container.Config
		HostConfig container.HostConfig
	}
	gone    chan struct{}
	goneNow func()
}

func newDaemon(t *testing.T, fails map[string]string) (*daemon, *client.Client) {
	t.Helper()
	d := &daemon{t: t, fails: fails, gone: make(chan struct{})}
	d.goneNow = sync.OnceFunc(func() { close(d.gone) })
	dir, err := os.MkdirTemp("", "docker") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(d)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(func() { d.goneNow(); server.CloseClientConnections(); server.Close() })
	docker, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		t.Fatal(err)
	}
	return d, docker
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
	d.mutex.Lock()
	d.requests = append(d.requests, r.Method+" "+path+"?"+r.URL.RawQuery)
	d.mutex.Unlock()
	for end, text := range d.fails {
		if strings.HasSuffix(path, end) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprintf(w, `{"message":%q}`, text)
			return
		}
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/_ping"):
		w.Header().Set("API-Version", "1.47")
	case path == "containers/"+selfID+"/json":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"Id":%q,"Image":"sha256:image","HostConfig":{"NetworkMode":"github_network","Binds":["/var/run/docker.sock:/var/run/docker.sock","/work:/github/workspace"],`+
			`"Privileged":true,"ExtraHosts":["registry:1.2.3.4"],"CapAdd":["ALL"]}}`, selfID)
	case path == "containers/create":
		if err := json.NewDecoder(r.Body).Decode(&d.created); err != nil {
			d.t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"Id":%q}`, siblingID)
	case strings.HasSuffix(path, "/attach"):
		d.attach(w)
	case strings.HasSuffix(path, "/wait"):
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-d.gone
		fmt.Fprint(w, `{"StatusCode":0}`)
	case strings.HasSuffix(path, "/start"), r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		d.t.Errorf("the daemon is asked for %s %s", r.Method, r.URL)
	}
}

// attach sends back, in frames, what comes; and ends when no more does.
func (d *daemon) attach(w http.ResponseWriter) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		d.t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	data := make([]byte, 1000)
	for {
		n, err := buffered.Read(data)
		if err != nil {
			d.goneNow()
			return
		}
		if _, err := conn.Write(frame(stdcopy.Stdout, data[:n])); err != nil {
			return
		}
	}
}

func frame(kind stdcopy.StdType, data []byte) []byte {
	head := make([]byte, 8, 8+len(data))
	head[0] = byte(kind)
	binary.BigEndian.PutUint32(head[4:], uint32(len(data)))
	return append(head, data...)
}

func (d *daemon) asked() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.requests)
}

func TestSibling(t *testing.T) {
	t.Parallel()
	d, docker := newDaemon(t, nil)
	s := &Sibling{docker: docker}
	if err := s.start(t.Context(), selfID, []string{"/kaniko/hub-publish-worker", "overlays"}, []string{"PATH=/bin"}); err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("what goes through "), 10_000)
	go func() { _, _ = s.Conn.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(s.Conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if err := s.Conn.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if c := d.created; c.Image != "sha256:image" || !slices.Equal(c.Entrypoint, []string{"/kaniko/hub-publish-worker", "overlays"}) || !slices.Equal(c.Env, []string{"PATH=/bin"}) || len(c.Cmd) > 0 {
		t.Errorf("it is %+v", c.Config)
	}
	checkHost(t, d.created.HostConfig)
}

// checkHost holds what a sibling gets of the machine against what it needs. Docker's socket or the workspace is never of it.
func checkHost(t *testing.T, c container.HostConfig) {
	t.Helper()
	if len(c.Binds) > 0 || len(c.VolumesFrom) > 0 || len(c.Devices) > 0 || c.Privileged || c.PidMode != "" || c.IpcMode != "" || c.UsernsMode != "" {
		t.Errorf("it gets too much: %+v", c)
	}
	if !slices.Equal(c.CapAdd, []string{"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}) {
		t.Errorf("its capabilities are %v", c.CapAdd)
	}
	if len(c.Mounts) != 1 || c.Mounts[0].Type != "volume" || c.Mounts[0].Source != "" || c.Mounts[0].Target != Dir {
		t.Errorf("its mounts are %+v", c.Mounts)
	}
	if c.NetworkMode != "github_network" || !slices.Equal(c.ExtraHosts, []string{"registry:1.2.3.4"}) || !c.AutoRemove || c.LogConfig.Type != "none" {
		t.Errorf("it is %+v", c)
	}
}

// TestSiblingFails lets the daemon fail at each step: what was made is removed.
func TestSiblingFails(t *testing.T) {
	t.Parallel()
	for step, removed := range map[string]bool{"/json": false, "containers/create": false, "/attach": true, "/start": true} {
		t.Run(strings.Trim(step, "/"), func(t *testing.T) {
			t.Parallel()
			d, docker := newDaemon(t, map[string]string{step: "authorization denied by plugin"})
			s := &Sibling{docker: docker}
			err := s.start(t.Context(), selfID, []string{"program"}, nil)
			if err == nil || step != "/attach" && !strings.Contains(err.Error(), "authorization denied by plugin") {
				t.Errorf("got %v", err)
			}
			if err := s.remove(); err != nil {
				t.Error(err)
			}
			if s.Conn != nil {
				s.Conn.Close()
			}
			deleted := slices.ContainsFunc(d.asked(), func(r string) bool {
				return strings.HasPrefix(r, "DELETE containers/"+siblingID) && strings.Contains(r, "force=1") && strings.Contains(r, "v=1")
			})
			if deleted != removed {
				t.Errorf("removed is %v: %v", deleted, d.asked())
			}
		})
	}
}

func TestRemoveWhatIsGone(t *testing.T) {
	t.Parallel()
	for text, fine := range map[string]bool{
		"No such container: " + siblingID:                               true,
		"removal of container " + siblingID + " is already in progress": true,
		"cannot remove container: device or resource busy":              false,
	} {
		t.Run(text[:8], func(t *testing.T) {
			t.Parallel()
			_, docker := newDaemon(t, map[string]string{siblingID: text})
			s := &Sibling{docker: docker, id: siblingID}
			if err := s.remove(); (err == nil) != fine {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDemultiplexed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stream []byte
		want   string
		fails  bool
	}{
		"output in frames":   {slices.Concat(frame(stdcopy.Stdout, []byte("one ")), frame(stdcopy.Stdout, nil), frame(stdcopy.Stdout, []byte("two"))), "one two", false},
		"errors between":     {slices.Concat(frame(stdcopy.Stdout, []byte("one ")), frame(stdcopy.Stderr, []byte("said by the sibling of a test\n")), frame(stdcopy.Stdout, []byte("two"))), "one two", false},
		"the daemon's error": {slices.Concat(frame(stdcopy.Stdout, []byte("one")), frame(stdcopy.Systemerr, []byte("the disk is full"))), "one", true},
		"no frames at all":   {[]byte("HTTP/1.1 500 Internal Server Error\r\n"), "", true},
		"nothing":            {nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			defer far.Close()
			out := demultiplexed(bytes.NewReader(test.stream), near)
			data, err := io.ReadAll(out)
			if string(data) != test.want || (err != nil) != test.fails {
				t.Errorf("got %q, %v", data, err)
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
			if _, err := near.Write([]byte("x")); err == nil {
				t.Error("the connection is open")
			}
		})
	}
}

func TestMountedFromContainer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ line, want string }{
		"Docker":                 {"2118 2095 254:1 /docker/containers/" + selfID + "/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw", selfID},
		"another data root":      {"1 2 8:1 /mnt/data/containers/" + selfID + "/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda1 rw", selfID},
		"a kubelet's":            {"1 2 8:1 /var/lib/kubelet/pods/0a/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw", ""},
		"a name that is shorter": {"1 2 8:1 /docker/containers/0123abcd/hosts /etc/hosts rw - ext4 /dev/sda1 rw", ""},
		"elsewhere in the image": {"1 2 8:1 /docker/containers/" + selfID + "/hosts /mnt/hosts rw - ext4 /dev/sda1 rw", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if found := mountedFromContainer.FindStringSubmatch(test.line); found != nil {
				got = found[1]
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
