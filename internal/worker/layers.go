package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/graph"
	"github.com/jina/hub-publish/internal/layer"
)

// layers writes the image's layers as archives, each as soon as it is there, while later instructions run.
type layers struct {
	ctx    context.Context
	build  *build
	digest map[string]bool
	group  errgroup.Group
}

// newLayers expects the layers of an image.
func newLayers(ctx context.Context, b *build, image graph.Edge) *layers {
	l := &layers{ctx: ctx, build: b, digest: map[string]bool{}}
	_, chain := image.Chain()
	for _, v := range chain {
		l.digest[v.Digest] = true
	}
	l.group.SetLimit(2) // each compresses on all processors
	return l
}

// ready takes a vertex's snapshot.
func (l *layers) ready(v *graph.Vertex, s *snapshot) {
	if !l.digest[v.Digest] {
		return
	}
	if l.build.cached[v.Digest] != nil {
		l.build.send(Event{Layer: &Layer{Vertex: v.Digest}})
		return
	}
	l.group.Go(func() error {
		digests, err := l.write(s)
		if err == nil {
			l.build.send(Event{Layer: &Layer{Vertex: v.Digest, Result: &digests}})
		}
		return err
	})
}

func (l *layers) wait() error { return l.group.Wait() }

func (l *layers) write(s *snapshot) (digests layer.Result, err error) {
	f, err := l.build.place.newFile()
	if err != nil {
		return digests, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	buffer := bufio.NewWriterSize(&until{l.ctx, f}, 1<<20)
	w := layer.Compress(buffer)
	if err := errors.Join(l.build.place.archive(s, w), w.Close()); err != nil {
		return digests, err
	}
	digests = w.Result()
	if err := buffer.Flush(); err != nil {
		return digests, err
	}
	l.build.mutex.Lock()
	defer l.build.mutex.Unlock()
	l.build.blobs[digests.Digest.String()] = f
	return digests, nil
}

// until writes until a context ends.
type until struct {
	ctx context.Context
	to  io.Writer
}

func (u *until) Write(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.to.Write(p)
}

// layer is a finished layer's file.
func (b *build) layer(digest string) (*os.File, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if f, ok := b.blobs[digest]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("there is no layer %s", digest)
}

// close lets go of the finished layers.
func (b *build) close() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, f := range b.blobs {
		f.Close()
	}
	for _, f := range b.cached {
		f.Close()
	}
}
