package layer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

const (
	// gzipBlock and gzipBlocks say how far the decompression of gzip runs ahead of its reader: 1 MiB.
	gzipBlock, gzipBlocks = 256 << 10, 4
	// maxWindow is the largest window of a zstd layer that is read, in bytes. It bounds the memory that a hostile one can take;
	// the format's own tool refuses more than 128 MiB as well (zstd --memory).
	maxWindow = 128 << 20
)

// Decompress gives the uncompressed content of a layer, which is gzip, zstd or not compressed, as its first bytes tell.
// Decompression runs in a goroutine of its own, ahead of the reader, which must close what it gets. An error of the format
// is given by a Read, or at once if it is in the first bytes.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, readAhead)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading a layer: %w", err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b, 0x08}): // RFC 1952, 2.3.1
		reader, err := pgzip.NewReaderN(buffered, gzipBlock, gzipBlocks)
		if err != nil {
			return nil, fmt.Errorf("reading a gzip layer: %w", err)
		}
		return reader, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, 3.1.1
		reader, err := zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("reading a zstd layer: %w", err)
		}
		return reader.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}
