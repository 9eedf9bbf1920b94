// Package sibling starts the action once more, in a container beside this one: without the Docker socket, the token or the
// workspace, and with the one right that a sandbox needs. The Docker daemon that GitHub's runners hand to a container
// action builds nothing; it only makes the room in which a stranger's code is locked up.
package sibling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/jina/hub-publish/internal/wire"
)

// Dir is the directory on a volume of its own that the sibling works in: an overlay cannot lie on a container's root,
// which is one itself.
const Dir = "/hub-publish"

// socket is where the runner mounts the daemon's (actions/runner, ContainerActionHandler).
const socket = "/var/run/docker.sock"

// Sibling is a container that was started.
type Sibling struct {
	// Conn is the standard input and output of its program.
	Conn   net.Conn
	docker *client.Client
	id     string
	gone   client.ContainerWaitResult
}

// Start starts this container's image again, with an entry point and environment of its own. The sibling ends when its
// standard input does, also if this process dies, and its volume goes with it.
func Start(ctx context.Context, entrypoint, env []string) (*Sibling, error) {
	if _, err := os.Stat(socket); err != nil {
		return nil, fmt.Errorf("there is no Docker socket at %s", socket)
	}
	id, err := ownContainer()
	if err != nil {
		return nil, err
	}
	docker, err := client.New(client.WithHost("unix://" + socket))
	if err != nil {
		return nil, fmt.Errorf("talk to the Docker daemon: %w", err)
	}
	s := &Sibling{docker: docker}
	if err := s.start(ctx, id, entrypoint, env); err != nil {
		err = errors.Join(fmt.Errorf("start a container beside this one: %w", err), s.remove())
		if s.Conn != nil {
			err = errors.Join(err, s.Conn.Close())
		}
		return nil, errors.Join(err, docker.Close())
	}
	return s, nil
}

func (s *Sibling) start(ctx context.Context, self string, entrypoint, env []string) error {
	own, err := s.docker.ContainerInspect(ctx, self, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	created, err := s.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: own.Container.Image, Entrypoint: entrypoint, Env: env, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
			Labels: map[string]string{"ai.jina.hub-publish.sibling-of": self},
		},
		HostConfig: hostConfig(own.Container.HostConfig),
	})
	if err != nil {
		return err
	}
	s.id = created.ID
	attached, err := s.docker.ContainerAttach(ctx, s.id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	if s.Conn, err = wire.Stdio(demultiplexed(attached.Reader, attached.Conn), attached.Conn); err != nil {
		return err
	}
	s.gone = s.docker.ContainerWait(context.Background(), s.id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	_, err = s.docker.ContainerStart(ctx, s.id, client.ContainerStartOptions{})
	return err
}

// hostConfig gives the sibling this container's network, where the registries are, and the rights to mount and to make a
// network without anything in it.
func hostConfig(own *container.HostConfig) *container.HostConfig {
	return &container.HostConfig{
		AutoRemove: true, NetworkMode: own.NetworkMode, DNS: own.DNS, ExtraHosts: own.ExtraHosts,
		CapAdd: []string{"SYS_ADMIN", "NET_ADMIN"}, SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined"},
		LogConfig: container.LogConfig{Type: "none"}, // what goes through its output is ours, and large
		Mounts:    []mount.Mount{{Type: mount.TypeVolume, Target: Dir}},
	}
}

// demultiplexed is the standard output out of a stream in which the daemon mixes it with the standard error, which is
// passed on.
func demultiplexed(from io.Reader, conn net.Conn) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(in, os.Stderr, from)
		in.CloseWithError(err)
	}()
	return &output{out, conn}
}

type output struct {
	*io.PipeReader
	conn net.Conn
}

func (o *output) Close() error { return errors.Join(o.PipeReader.Close(), o.conn.Close()) }

// patience is how long a sibling may take to go once its input has ended.
const patience = 20 * time.Second

// Wait waits until the sibling is gone. Its Conn must be closed.
func (s *Sibling) Wait() error {
	defer s.docker.Close()
	select {
	case <-s.gone.Result:
		return nil
	case err := <-s.gone.Error:
		if err != nil {
			return errors.Join(fmt.Errorf("wait for the container beside this one: %w", err), s.remove())
		}
		return nil
	case <-time.After(patience):
		return s.remove()
	}
}

// remove removes the sibling, whatever it does.
func (s *Sibling) remove() error {
	if s.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := s.docker.ContainerRemove(ctx, s.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && (strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "already in progress")) {
		return nil
	}
	return err
}

// mountedFromContainer is a container's identifier in the path of the files that a Docker daemon mounts into it.
var mountedFromContainer = regexp.MustCompile(`/containers/([0-9a-f]{64})/(hostname|hosts|resolv\.conf) /etc/`)

// ownContainer is the identifier of the container that this process is in.
func ownContainer() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	if found := mountedFromContainer.FindSubmatch(mounts); found != nil {
		return string(found[1]), nil
	}
	return "", errors.New("this process is in no container of a Docker daemon")
}
