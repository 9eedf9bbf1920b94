package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
	"github.com/jina/hub-publish/internal/wire"
)

const pathReady = "/ready"

// Client is the action's side: it tells a worker what to do.
type Client struct {
	http *http.Client
	conn net.Conn
	// end waits until the worker is gone, and says what it complained of.
	end func() error
}

// Start starts a worker on this machine. dir is an empty directory for it alone, or in place the one that the build's root
// leaves to the action. In store, if it is not empty, base images stay for later runs.
func Start(ctx context.Context, kind Kind, dir, store string) (*Client, error) {
	ours, theirs, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	c := exec.Command("/proc/self/exe")
	c.Args = Command(Role, kind, dir, store)
	c.Env = Environ()
	var complaint bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = theirs, &complaint, &complaint
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a terminal's Ctrl-C is for the action, which then ends the worker
	if kind == Overlays {
		err = sandbox.StartWorker(c)
	} else {
		err = c.Start()
	}
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	return Connect(ctx, ours, func() error {
		if err := c.Wait(); err != nil {
			return fmt.Errorf("the worker: %w: %s", err, strings.TrimSpace(complaint.String()))
		}
		return nil
	})
}

// Connect is the client of a worker that is at the other side of a connection. Its error says why the worker cannot work.
func Connect(ctx context.Context, conn net.Conn, end func() error) (*Client, error) {
	c := &Client{http: wire.NewClient(conn), conn: conn, end: end}
	if err := c.do(ctx, http.MethodGet, pathReady, nil); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Environ is what a worker may know of this process's environment.
func Environ() []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "GODEBUG=netdns=go"}
	for _, key := range []string{"TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	return env
}

// Close ends the worker, with all that runs in it and all that it keeps.
func (c *Client) Close() error {
	return errors.Join(c.conn.Close(), c.end())
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, wire.Base+path, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("the worker does not answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		message, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		return nil, &refusedError{response.StatusCode, strings.TrimSpace(string(message))}
	}
	return response, nil
}

// refusedError is a worker's answer that it could not do something, in its words.
type refusedError struct {
	status  int
	message string
}

func (e *refusedError) Error() string { return e.message }

func (c *Client) do(ctx context.Context, method, path string, body io.Reader) error {
	response, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// HasImage reports whether a base image is there already, from an earlier run.
func (c *Client) HasImage(ctx context.Context, digest string) (bool, error) {
	err := c.do(ctx, http.MethodGet, pathImages+digest, nil)
	var refused *refusedError
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// AddImage brings a base image: its layers' blobs, one after another.
func (c *Client) AddImage(ctx context.Context, digest string, image Image, blobs io.Reader) error {
	head, err := json.Marshal(image)
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, pathImages+digest, io.MultiReader(bytes.NewReader(append(head, '\n')), blobs))
}

// Begin begins a build with its context, a tar archive.
func (c *Client) Begin(ctx context.Context, build string, archive io.Reader) error {
	return c.do(ctx, http.MethodPut, pathContexts+build, archive)
}

// Keys asks for the cache keys of what an order would run.
func (c *Client) Keys(ctx context.Context, build string, order Order) (Keys, error) {
	data, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	response, err := c.request(ctx, http.MethodPost, pathKeys+build, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var keys Keys
	return keys, json.NewDecoder(response.Body).Decode(&keys)
}

// Cached brings the blob of a layer that stands for a vertex's work.
func (c *Client) Cached(ctx context.Context, build, vertex string, blob io.Reader) error {
	return c.do(ctx, http.MethodPut, pathCached+build+"/"+vertex, blob)
}

// Build builds. Each event but the end is told to watch; the end is what it returns.
func (c *Client) Build(ctx context.Context, build string, order Order, watch func(Event)) (*End, error) {
	last, err := c.follow(ctx, pathBuilds+build, order, watch)
	if err != nil {
		return nil, err
	}
	return last.End, nil
}

// Try tries the image of a build that went well. What it prints is told to watch. The error is the machine's: an image that
// does not pass has an outcome.
func (c *Client) Try(ctx context.Context, build string, order trial.Order, watch func([]byte)) (*trial.Outcome, error) {
	last, err := c.follow(ctx, pathTrials+build, order, func(e Event) {
		if e.Output != nil {
			watch(e.Output.Text)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case last.End != nil:
		return nil, errors.New(last.End.Reason)
	}
	return last.Tried, nil
}

// follow posts an order, and tells of each event of the answer but the last.
func (c *Client) follow(ctx context.Context, path string, order any, watch func(Event)) (*Event, error) {
	data, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	response, err := c.request(ctx, http.MethodPost, path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for {
		var e Event
		if err := events.Decode(&e); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return nil, cause
			}
			return nil, fmt.Errorf("the worker died: %w", err)
		}
		if e.End != nil || e.Tried != nil {
			return &e, nil
		}
		watch(e)
	}
}

// Layer reads a finished layer's blob.
func (c *Client) Layer(ctx context.Context, build, digest string) (io.ReadCloser, error) {
	response, err := c.request(ctx, http.MethodGet, pathLayers+build+"/"+digest, nil)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// Forget lets the worker remove all that it keeps of a build.
func (c *Client) Forget(build string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return c.do(ctx, http.MethodDelete, pathBuilds+build, nil)
}
