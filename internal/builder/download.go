package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// download is a blob on its way into a file without a name. It can be read while it grows.
type download struct {
	layer v1.Layer
	read  int64

	mutex   sync.Mutex
	grown   *sync.Cond
	file    *os.File
	written int64
	ended   bool
	err     error
}

func newDownload(layer v1.Layer) *download {
	d := &download{layer: layer}
	d.grown = sync.NewCond(&d.mutex)
	return d
}

// attempts is how often a download begins: a connection that is cut in the middle of a large layer is not rare.
const attempts = 4

// run downloads, until it is done or has failed.
func (d *download) run(ctx context.Context) {
	err := d.open()
	for attempt := 0; err == nil; attempt++ {
		if err = d.attempt(ctx); err == nil || ctx.Err() != nil || attempt == attempts-1 || d.final(err) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second << attempt):
			err = nil
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	d.end(err)
}

// final reports whether another attempt is of no use: the registry has given an answer, after those that it may take back
// were asked for again already, or all is there and is not what it should be.
func (d *download) final(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		return true
	}
	size, err := d.layer.Size()
	return err == nil && d.written >= size
}

func (d *download) open() error {
	f, err := nameless(workDir())
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.file = f
	return err
}

// attempt goes on from where the last attempt was cut. What is read again is only compared by the blob's digest, which
// the reader of the layer verifies at its end.
func (d *download) attempt(ctx context.Context) error {
	blob, err := open(ctx, d.layer)
	if err != nil {
		return err
	}
	defer blob.Close()
	stop := context.AfterFunc(ctx, func() { blob.Close() })
	defer stop()
	if _, err := io.CopyN(io.Discard, blob, d.written); err != nil {
		return err
	}
	_, err = io.Copy(d, blob)
	return err
}

// open opens a layer's blob. A layer keeps the context that it was found with: what does not answer must not be waited for
// when ctx ends.
func open(ctx context.Context, l v1.Layer) (io.ReadCloser, error) {
	type opened struct {
		blob io.ReadCloser
		err  error
	}
	answer := make(chan opened, 1)
	go func() {
		blob, err := l.Compressed()
		answer <- opened{blob, err}
	}()
	select {
	case o := <-answer:
		return o.blob, o.err
	case <-ctx.Done():
		go func() {
			if o := <-answer; o.err == nil {
				o.blob.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// Write implements io.Writer for what arrives.
func (d *download) Write(p []byte) (int, error) {
	n, err := d.file.WriteAt(p, d.written)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.written += int64(n)
	d.grown.Broadcast()
	return n, err
}

func (d *download) end(err error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.ended, d.err = true, err
	d.grown.Broadcast()
}

// Read implements io.Reader: it waits for what is not there yet.
func (d *download) Read(p []byte) (int, error) {
	d.mutex.Lock()
	for d.read == d.written && !d.ended {
		d.grown.Wait()
	}
	there, err := d.written-d.read, d.err
	d.mutex.Unlock()
	if there == 0 && err != nil {
		return 0, fmt.Errorf("download a layer of the base image: %w", err)
	}
	if there == 0 {
		return 0, io.EOF
	}
	n, err := d.file.ReadAt(p[:min(int64(len(p)), there)], d.read)
	d.read += int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// close waits for the download's end, and gives back why it failed.
func (d *download) close() error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for !d.ended {
		d.grown.Wait()
	}
	if d.file != nil {
		d.file.Close()
	}
	if d.read == d.written && d.err == nil {
		return nil
	}
	return d.err
}
