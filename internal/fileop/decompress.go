package fileop

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// isArchive tells whether ADD unpacks a file: if it is a regular file and, once decompressed, begins as a tar archive.
// Whatever else fails says that it is not one, as in BuildKit v0.34.2's solver/llbsolver/file/unpack.go.
func isArchive(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return false, nil
	}
	defer file.Close()
	content, err := decompress(file)
	if err != nil {
		return false, nil
	}
	defer content.Close()
	_, err = tar.NewReader(content).Next()
	return err == nil, nil
}

// decompress recognizes a compression by its first bytes, as github.com/moby/go-archive v0.1.0 does: bzip2, gzip, xz, zstd
// (RFC 8878, with frames to skip), else none.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 32<<10)
	first, err := buffered.Peek(10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	switch {
	case bytes.HasPrefix(first, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(buffered)), nil
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b, 0x08}):
		return gzip.NewReader(buffered)
	case bytes.HasPrefix(first, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		content, err := xz.NewReader(buffered)
		return io.NopCloser(content), err
	case isZstd(first):
		decoder, err := zstd.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}

func isZstd(first []byte) bool {
	if bytes.HasPrefix(first, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return true
	}
	return len(first) >= 8 && binary.LittleEndian.Uint32(first)&0xfffffff0 == 0x184d2a50
}
