package worker

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/layer"
	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
)

// server answers the action's requests.
type server struct {
	place place
	// turn is held by the build that runs, where builds cannot run side by side.
	turn sync.Mutex
	// trial is held by the image that is tried: all images have one network, and may want the same port.
	trial sync.Mutex

	// active is held by every request while it is answered, and for good by the worker's end: a WaitGroup would let one in
	// that begins just then.
	active sync.RWMutex

	mutex  sync.Mutex
	images map[string]*snapshot
	builds map[string]*build
}

func newServer(p place) *server {
	return &server{place: p, images: map[string]*snapshot{}, builds: map[string]*build{}}
}

// handler has the server's requests; api.go lists them.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET " + pathImages + "{digest}":         s.getImage,
		"PUT " + pathImages + "{digest}":         s.putImage,
		"PUT " + pathContexts + "{build}":        s.putContext,
		"POST " + pathKeys + "{build}":           s.postKeys,
		"PUT " + pathCached + "{build}/{vertex}": s.putCached,
		"POST " + pathBuilds + "{build}":         s.postBuild,
		"POST " + pathTrials + "{build}":         s.postTrial,
		"GET " + pathLayers + "{build}/{digest}": s.getLayer,
		"DELETE " + pathBuilds + "{build}":       s.deleteBuild,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.active.RLock()
			defer s.active.RUnlock()
			if err := handle(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	return mux
}

// getImage answers "not found" where an image must be brought.
func (s *server) getImage(w http.ResponseWriter, r *http.Request) error {
	digest := r.PathValue("digest")
	if _, err := v1.NewHash(digest); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	image, err := s.place.findImage(digest)
	if err != nil {
		return err
	}
	if image == nil {
		w.WriteHeader(http.StatusNotFound)
		return nil
	}
	s.images[digest] = image
	return nil
}

func (s *server) putImage(_ http.ResponseWriter, r *http.Request) error {
	body := bufio.NewReaderSize(r.Body, 1<<20)
	line, err := body.ReadBytes('\n')
	if err != nil {
		return err
	}
	var image Image
	if err := json.Unmarshal(line, &image); err != nil {
		return err
	}
	var layers []io.Reader
	for _, b := range image.Layers {
		layers = append(layers, &verified{Reader: io.LimitReader(body, b.Size), blob: b, hash: sha256.New()})
	}
	if _, err := v1.NewHash(r.PathValue("digest")); err != nil {
		return err
	}
	snapshot, err := s.place.addImage(r.Context(), r.PathValue("digest"), layers)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.images[r.PathValue("digest")] = snapshot
	return nil
}

// verified is a blob on its way in. Its end is an error where it is not what its digest says: a place must not keep it then.
type verified struct {
	io.Reader
	blob Blob
	hash hash.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.Reader.Read(p)
	v.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if wrong := v.check(); wrong != nil {
			return n, wrong
		}
	}
	return n, err
}

func (v *verified) check() error {
	if got := "sha256:" + hex.EncodeToString(v.hash.Sum(nil)); got != v.blob.Digest {
		return fmt.Errorf("a layer of the base image has the digest %s instead of %s: it was cut or changed on its way", got, v.blob.Digest)
	}
	return nil
}

func (s *server) image(digest string) (*snapshot, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if image, ok := s.images[digest]; ok {
		return image, nil
	}
	return nil, fmt.Errorf("the base image %s was not brought", digest)
}

// putContext begins a build.
func (s *server) putContext(_ http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("build")
	dir, err := s.place.newDir(id)
	if err != nil {
		return err
	}
	if err := layer.Apply(r.Context(), dir, r.Body, layer.ApplyOptions{}); err != nil {
		return errors.Join(fmt.Errorf("lay out the build's context: %w", err), s.place.forget(id))
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.builds[id] = &build{
		id: id, contextDir: dir, place: s.place, images: s.image,
		results: map[string]*result{}, caches: map[string]*cache{}, blobs: map[string]*os.File{}, cached: map[string]*os.File{},
	}
	return nil
}

func (s *server) build(id string) (*build, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if b, ok := s.builds[id]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("there is no build %s", id)
}

func (s *server) postBuild(w http.ResponseWriter, r *http.Request) error {
	b, err := s.build(r.PathValue("build"))
	if err != nil {
		return err
	}
	if err := json.NewDecoder(r.Body).Decode(&b.order); err != nil {
		return err
	}
	if !s.place.parallel() {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	b.running.Add(1)
	defer b.running.Done()
	b.send = newEvents(w).send
	b.send(Event{End: end(b.run(r.Context()))})
	return nil
}

// postTrial tries the image of a build that went well.
func (s *server) postTrial(w http.ResponseWriter, r *http.Request) error {
	b, err := s.build(r.PathValue("build"))
	if err != nil {
		return err
	}
	var order trial.Order
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return err
	}
	s.trial.Lock()
	defer s.trial.Unlock()
	if !s.place.parallel() {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	b.running.Add(1)
	defer b.running.Done()
	b.send = newEvents(w).send
	outcome, err := b.try(r.Context(), order)
	if err != nil {
		b.send(Event{End: end(err)})
		return nil
	}
	b.send(Event{Tried: outcome})
	return nil
}

// postKeys tells the cache keys of what an order would run.
func (s *server) postKeys(w http.ResponseWriter, r *http.Request) error {
	b, err := s.build(r.PathValue("build"))
	if err != nil {
		return err
	}
	var order Order
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
		return err
	}
	found, err := keysOf(r.Context(), order, b.contextDir)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(found)
}

// putCached takes in a layer that stands for a vertex's work.
func (s *server) putCached(_ http.ResponseWriter, r *http.Request) error {
	b, err := s.build(r.PathValue("build"))
	if err != nil {
		return err
	}
	f, err := s.place.newFile()
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r.Body); err != nil {
		return errors.Join(err, f.Close())
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.cached[r.PathValue("vertex")] = f
	return nil
}

// events writes events, each at once.
type events struct {
	mutex   sync.Mutex
	encoder *json.Encoder
	flusher http.Flusher
}

func newEvents(w http.ResponseWriter) *events {
	return &events{encoder: json.NewEncoder(w), flusher: w.(http.Flusher)}
}

func (e *events) send(event Event) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	_ = e.encoder.Encode(event) // an action that is gone has ended the build
	e.flusher.Flush()
}

func (s *server) getLayer(w http.ResponseWriter, r *http.Request) error {
	b, err := s.build(r.PathValue("build"))
	if err != nil {
		return err
	}
	f, err := b.layer(r.PathValue("digest"))
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.NewSectionReader(f, 0, 1<<62))
	return err
}

func (s *server) deleteBuild(_ http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("build")
	s.mutex.Lock()
	b := s.builds[id]
	delete(s.builds, id)
	s.mutex.Unlock()
	if b != nil {
		b.running.Wait() // one that was given up tidies up first
		b.close()
	}
	return s.place.forget(id)
}

// reason says why an instruction failed, in the words of those who wrote it.
func reason(err error) string {
	var exit *sandbox.ExitError
	switch {
	case errors.As(err, &exit) && exit.Reason != "":
		return fmt.Sprintf("the command cannot be started: %s", exit.Reason)
	case errors.As(err, &exit) && exit.Signal != 0:
		return fmt.Sprintf("the command was ended by signal %d (%s)", int(exit.Signal), exit.Signal)
	case errors.As(err, &exit):
		return fmt.Sprintf("the command ended with exit status %d", exit.Status)
	}
	return strings.TrimSpace(err.Error())
}
