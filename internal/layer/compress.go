package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"runtime"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/pgzip"
)

const (
	// level is gzip's compression level. With this library a Debian base and a directory of Python packages become 1.5 and 2.1 %
	// larger than with gzip -6, in a third of its processor time. Level 3 would save a quarter of that and add another 3 to 8 %.
	level = 6
	// block is how many bytes are compressed at a time, each by one goroutine. The output depends on it, and not on how many
	// blocks are compressed at once.
	block = 256 << 10
	// maxBlocks bounds how many blocks are compressed at once, and so the memory: about 2.5 MB each.
	maxBlocks = 8
)

// A Result describes a layer.
type Result struct {
	// DiffID is the digest of the uncompressed archive, Digest that of the compressed one.
	DiffID, Digest v1.Hash
	// Size is that of the compressed archive, UncompressedSize that of the other one, in bytes.
	Size, UncompressedSize int64
}

// A Writer compresses a layer with gzip and computes its digests and sizes. The same content gives the same bytes on every
// machine.
type Writer struct {
	gzip         *pgzip.Writer
	uncompressed hash.Hash
	compressed   *counter
	size         int64
}

// Compress gives a Writer that writes the compressed layer to w. It must be closed.
func Compress(w io.Writer) *Writer {
	compressed := &counter{writer: w, hash: sha256.New()}
	gzip, err := pgzip.NewWriterLevel(compressed, level)
	if err == nil {
		err = gzip.SetConcurrency(block, min(runtime.GOMAXPROCS(0), maxBlocks))
	}
	if err != nil {
		panic(fmt.Sprintf("layer: pgzip does not take the level %d and blocks of %d bytes: %v", level, block, err))
	}
	// Without a time the header's field must be zero, RFC 1952, 2.3.1. pgzip writes the zero Time as another number.
	gzip.ModTime = time.Unix(0, 0)
	return &Writer{gzip: gzip, uncompressed: sha256.New(), compressed: compressed}
}

// Write compresses p. An error of the writer below may come with a later Write or with Close.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.gzip.Write(p)
	w.uncompressed.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// Close writes what is left. It does not close the writer below.
func (w *Writer) Close() error { return w.gzip.Close() }

// Result describes the layer, after Close.
func (w *Writer) Result() Result {
	return Result{
		DiffID: digest(w.uncompressed), UncompressedSize: w.size,
		Digest: digest(w.compressed.hash), Size: w.compressed.size,
	}
}

func digest(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// A counter hashes and counts what goes through it.
type counter struct {
	writer io.Writer
	hash   hash.Hash
	size   int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.writer.Write(p)
	c.hash.Write(p[:n])
	c.size += int64(n)
	return n, err
}
