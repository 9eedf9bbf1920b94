package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"sync"
)

const (
	// smallest and largest are the bytes of the buffers in which content is handed to the workers. A larger file goes in
	// several.
	smallest, largest = 4 << 10, 1 << 20
	// classes is how many powers of two there are from smallest to largest.
	classes = 9
	// budget is how many bytes of buffers may be on their way at once.
	budget = 16 << 20
	// leastWorkers keeps the processors busy while some workers wait for the file system's locks.
	leastWorkers = 4
	// queued is how many files may wait for a worker.
	queued = 256
)

// A job is one regular file. Its content is first, then what comes through more, which the reader closes.
type job struct {
	node   *node
	header *tar.Header
	first  []byte
	more   chan []byte
}

// A pool is the workers that write the regular files of a layer.
type pool struct {
	write   func(*job, func([]byte)) error
	jobs    chan *job
	workers sync.WaitGroup
	buffers [classes]sync.Pool

	mutex      sync.Mutex
	changed    sync.Cond
	free       int // bytes left of the budget
	unfinished int
	err        error
}

// startPool starts the workers. Each calls write for one file after another, which gives each buffer back when it is
// written.
func startPool(write func(job *job, release func([]byte)) error) *pool {
	p := &pool{write: write, jobs: make(chan *job, queued), free: budget}
	p.changed.L = &p.mutex
	for range max(leastWorkers, runtime.GOMAXPROCS(0)) {
		p.workers.Go(p.work)
	}
	return p
}

func (p *pool) work() {
	for job := range p.jobs {
		err := p.failed()
		if err == nil {
			err = p.write(job, p.release)
		} else {
			p.release(job.first)
		}
		if job.more != nil {
			for buffer := range job.more {
				p.release(buffer)
			}
		}
		p.mutex.Lock()
		job.node.pending = false
		p.unfinished--
		if p.err == nil {
			p.err = err
		}
		p.changed.Broadcast()
		p.mutex.Unlock()
	}
}

// close waits for the workers and gives the first error of any.
func (p *pool) close() error {
	close(p.jobs)
	p.workers.Wait()
	return p.err
}

func (p *pool) failed() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.err
}

// wait waits until no worker has the node.
func (p *pool) wait(n *node) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for n.pending {
		p.changed.Wait()
	}
	return p.err
}

// drain waits until no worker has anything.
func (p *pool) drain() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for p.unfinished > 0 {
		p.changed.Wait()
	}
	return p.err
}

// file hands a file to a worker, with its content.
func (p *pool) file(ctx context.Context, n *node, header *tar.Header, content io.Reader) error {
	j := &job{node: n, header: header}
	rest := header.Size
	first, err := p.read(content, &rest)
	if err != nil {
		return fmt.Errorf("reading the content of %s from the archive: %w", header.Name, err)
	}
	j.first = first
	if rest > 0 {
		j.more = make(chan []byte, 4)
		defer close(j.more)
	}
	p.mutex.Lock()
	n.pending = true
	p.unfinished++
	p.mutex.Unlock()
	p.jobs <- j
	for rest > 0 {
		buffer, err := p.read(content, &rest)
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			err = fmt.Errorf("reading the content of %s from the archive: %w", header.Name, err)
			p.fail(err)
			return err
		}
		j.more <- buffer
		if err := p.failed(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) fail(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// read reads the next part of a file's content and takes its size from the rest.
func (p *pool) read(content io.Reader, rest *int64) ([]byte, error) {
	if *rest == 0 {
		return nil, nil
	}
	buffer := p.buffer(int(min(*rest, largest)))
	if _, err := io.ReadFull(content, buffer); err != nil {
		p.release(buffer)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	*rest -= int64(len(buffer))
	return buffer, nil
}

// class gives the index of the pool for buffers of the capacity, a power of two from smallest to largest.
func class(size int) int {
	return bits.Len(uint((max(size, 1) - 1) / smallest))
}

func (p *pool) buffer(size int) []byte {
	class := class(size)
	capacity := smallest << class
	p.mutex.Lock()
	for p.free < capacity {
		p.changed.Wait()
	}
	p.free -= capacity
	p.mutex.Unlock()
	if pooled, ok := p.buffers[class].Get().(*[]byte); ok {
		return (*pooled)[:size]
	}
	return make([]byte, size, capacity)
}

func (p *pool) release(buffer []byte) {
	if buffer == nil {
		return
	}
	p.buffers[class(cap(buffer))].Put(&buffer)
	p.mutex.Lock()
	p.free += cap(buffer)
	p.changed.Broadcast()
	p.mutex.Unlock()
}
