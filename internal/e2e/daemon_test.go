//go:build e2e

package e2e

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon follows what the Docker daemon makes for the action: the containers beside it, and volumes.
type daemon struct {
	mutex    sync.Mutex
	ids      map[string]string   // of containers, by their names
	siblings map[string][]string // of a container
	volumes  map[string][]string // of a container
}

// siblingLabel has the container that a container was started beside.
const siblingLabel = "ai.jina.hub-publish.sibling-of"

// followDaemon begins to follow, until the end of the test.
func followDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{ids: map[string]string{}, siblings: map[string][]string{}, volumes: map[string][]string{}}
	events := exec.Command("docker", "events", "--since", strconv.FormatInt(time.Now().Unix(), 10), "--format", "{{json .}}",
		"--filter", "type=container", "--filter", "type=volume", "--filter", "event=create", "--filter", "event=mount")
	output, err := events.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Start(); err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		for decoder := json.NewDecoder(output); ; {
			var e daemonEvent
			if decoder.Decode(&e) != nil {
				return
			}
			d.take(e)
		}
	}()
	t.Cleanup(func() {
		_ = events.Process.Signal(syscall.SIGTERM)
		<-followed
		_ = events.Wait() // it was ended by the signal
	})
	return d
}

type daemonEvent struct {
	Type, Action string
	Actor        struct {
		ID         string
		Attributes map[string]string
	}
}

func (d *daemon) take(e daemonEvent) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	switch a := e.Actor.Attributes; e.Type + " " + e.Action {
	case "container create":
		d.ids[a["name"]] = e.Actor.ID
		if beside := a[siblingLabel]; beside != "" {
			d.siblings[beside] = append(d.siblings[beside], e.Actor.ID)
		}
	case "volume mount":
		if len(e.Actor.ID) == 64 { // without a name of its own, so it should go with its container
			d.volumes[a["container"]] = append(d.volumes[a["container"]], e.Actor.ID)
		}
	}
}

// besides are the containers that were started beside one, which is given by its name.
func (d *daemon) besides(name string) []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.siblings[d.ids[name]])
}

// left is what is still there of a container, which is given by its name, and of those beside it.
func (d *daemon) left(t *testing.T, name string) []string {
	t.Helper()
	d.mutex.Lock()
	defer d.mutex.Unlock()
	var left []string
	self := d.ids[name]
	if self == "" {
		t.Fatalf("the Docker daemon did not tell of the container %s", name)
	}
	for _, id := range append([]string{self}, d.siblings[self]...) {
		if exists(t, "container", id) {
			left = append(left, "container "+id)
		}
		for _, volume := range d.volumes[id] {
			if exists(t, "volume", volume) {
				left = append(left, "volume "+volume+" of container "+id)
			}
		}
	}
	return left
}

func exists(t *testing.T, kind, id string) bool {
	t.Helper()
	status, _ := command{name: "docker", args: []string{kind, "inspect", id}}.run(t)
	return status == 0
}

// expectNothingLeft waits until nothing is left of a container and of those beside it, for some seconds.
func (d *daemon) expectNothingLeft(t *testing.T, name string) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if left = d.left(t, name); len(left) == 0 {
			return
		}
	}
	t.Errorf("left behind: %q", left)
}
