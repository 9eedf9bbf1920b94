package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// baseImage makes a layer like that of a Debian base: 800 directories, 1,000 links, 5,700 files, 25 of them large, 215 MB.
func baseImage(b *testing.B) []byte {
	content := text(4 << 20)
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	add := func(header tar.Header, content []byte) {
		header.ModTime, header.Size = someTime, int64(len(content))
		header.Uid, header.Gid = os.Geteuid(), os.Getegid()
		if err := w.WriteHeader(&header); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 800 {
		dir := fmt.Sprintf("usr/share/d%d/d%d/", i/20, i)
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
		for j := range 7 {
			add(tar.Header{Name: fmt.Sprint(dir, "f", j), Typeflag: tar.TypeReg, Mode: 0o644}, content[:(i*7+j)*7919%42_000])
		}
		add(tar.Header{Name: dir + "link", Typeflag: tar.TypeSymlink, Linkname: "f0", Mode: 0o777}, nil)
	}
	for i := range 25 {
		add(tar.Header{Name: fmt.Sprint("usr/lib/large", i), Typeflag: tar.TypeReg, Mode: 0o755}, content[:4<<20-i])
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return buffer.Bytes()
}

// BenchmarkApply applies a base image's layer. The directories are deleted only at the end: ext4 is slow in making files for
// some seconds after many were deleted.
func BenchmarkApply(b *testing.B) {
	layer := baseImage(b)
	b.SetBytes(int64(len(layer)))
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		b.StartTimer()
		if err := Apply(context.Background(), dir, bytes.NewReader(layer), ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecompress(b *testing.B) {
	layer := baseImage(b)
	var compressed bytes.Buffer
	w := Compress(&compressed)
	if _, err := w.Write(layer); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(layer)))
	for b.Loop() {
		r, err := Decompress(bytes.NewReader(compressed.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(struct{ io.Writer }{io.Discard}, r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// smallFiles gives a directory with 2,000 files of 2 KB on average.
func smallFiles(b *testing.B) string {
	dir, content := b.TempDir(), text(4<<10)
	for i := range 2000 {
		path := filepath.Join(dir, fmt.Sprint("d", i/50), fmt.Sprint("f", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, content[:i*2], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func BenchmarkUpper(b *testing.B) {
	dir := smallFiles(b)
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			if err := Upper(io.Discard, dir, PackOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compressed", func(b *testing.B) {
		for b.Loop() {
			w := Compress(io.Discard)
			if err := Upper(w, dir, PackOptions{}); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	dir := smallFiles(b)
	for b.Loop() {
		if _, err := Scan(context.Background(), dir, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, size := range []int{2 << 10, 100 << 10, 64 << 20} {
		content := text(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				w := Compress(io.Discard)
				if _, err := w.Write(content); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Neither way may take memory in proportion to the layer. Not parallel, since it measures the process.
func TestMemoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "large"), 256<<20); err != nil { // of zeros, which take no space
		t.Fatal(err)
	}
	const limit = 40 << 20
	peak := peakMemory(func() {
		w := Compress(io.Discard)
		if err := Write(w, dir, []Change{{"/large", Added}}, PackOptions{}); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("writing took %d MiB", peak>>20)
	if peak > limit {
		t.Errorf("writing a layer of 256 MiB took %d MiB, want less than %d", peak>>20, limit>>20)
	}
	pipe, out := io.Pipe()
	go func() {
		w := tar.NewWriter(out)
		content := text(700_000)
		for i := range 200 {
			w.WriteHeader(&tar.Header{Name: fmt.Sprint("f", i%20), Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o644, Uid: os.Geteuid(), Gid: os.Getegid()})
			w.Write(content)
		}
		out.CloseWithError(w.Close())
	}()
	peak = peakMemory(func() {
		if err := Apply(context.Background(), dir, pipe, ApplyOptions{}); err != nil {
			t.Error(err)
		}
	})
	t.Logf("applying took %d MiB", peak>>20)
	if peak > limit {
		t.Errorf("applying a layer of 140 MB took %d MiB, want less than %d", peak>>20, limit>>20)
	}
}

// peakMemory gives the most bytes of the heap that were in use while f ran, over those before, garbage included.
func peakMemory(f func()) (peak uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, done := read(), make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		for {
			peak = max(peak, read())
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	f()
	close(done)
	sampler.Wait()
	return peak - min(peak, before)
}
