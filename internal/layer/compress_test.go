package layer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// text gives content that can be compressed about as well as an image's.
func text(size int) []byte {
	random := rand.New(rand.NewPCG(1, 1))
	words := strings.Fields("usr lib share doc python3 site-packages import return self None def class the of and to in is for that with")
	content := make([]byte, 0, size+64)
	for len(content) < size {
		content = append(content, words[random.IntN(len(words))]...)
		content = append(content, byte(random.IntN(256)), ' ')
	}
	return content[:size]
}

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}

func TestCompress(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 2000, block, block + 1, 5*block + 17} {
		content := text(size)
		var out bytes.Buffer
		w := Compress(&out)
		for chunk := range sliceChunks(content, 512) {
			if _, err := w.Write(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := w.Result()
		if got.DiffID.String() != "sha256:"+sum(content) || got.Digest.String() != "sha256:"+sum(out.Bytes()) {
			t.Errorf("%d bytes: got the digests %v and %v", size, got.DiffID, got.Digest)
		}
		if got.Size != int64(out.Len()) || got.UncompressedSize != int64(size) {
			t.Errorf("%d bytes: got the sizes %d and %d, want %d and %d", size, got.Size, got.UncompressedSize, out.Len(), size)
		}
		if header := out.Bytes()[:10]; !bytes.Equal(header, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}) {
			t.Errorf("the header is %x, want one without time and name", header)
		}
		r, err := gzip.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, content) {
			t.Errorf("%d bytes: they came back as %d, %v", size, len(back), err)
		}
	}
}

func sliceChunks(content []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(content) > 0 {
			n := min(size, len(content))
			if !yield(content[:n]) {
				return
			}
			content = content[n:]
		}
	}
}

// The number of processors and the size of the writes must not show. It is not parallel, since it sets the former.
func TestCompressIsDeterministic(t *testing.T) {
	content := text(6<<20 + 5)
	digests := map[string]bool{}
	for _, processors := range []int{1, 4} {
		previous := runtime.GOMAXPROCS(processors)
		for _, chunk := range []int{512, 100_000, len(content)} {
			w := Compress(io.Discard)
			for part := range sliceChunks(content, chunk) {
				if _, err := w.Write(part); err != nil {
					t.Error(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			digests[w.Result().Digest.Hex] = true
		}
		runtime.GOMAXPROCS(previous)
	}
	if len(digests) != 1 {
		t.Errorf("one content gave %d digests", len(digests))
	}
}

type failing struct{}

var errFull = errors.New("full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestCompressGivesTheWritersError(t *testing.T) {
	t.Parallel()
	w := Compress(failing{})
	_, err := w.Write(text(10 << 20))
	if err == nil {
		err = w.Close()
	}
	if !errors.Is(err, errFull) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

func TestDecompress(t *testing.T) {
	t.Parallel()
	content := text(3 << 20)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	w := Compress(&zipped)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ in, want []byte }{
		"gzip":       {zipped.Bytes(), content},
		"gzip twice": {append(bytes.Clone(zipped.Bytes()), zipped.Bytes()...), append(bytes.Clone(content), content...)},
		"zstd":       {encoder.EncodeAll(content, nil), content},
		"neither":    {content, content},
		"nothing":    {nil, nil},
		"one byte":   {[]byte{0x1f}, []byte{0x1f}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Decompress(bytes.NewReader(test.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, test.want) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(test.want))
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for name, in := range map[string][]byte{
		"gzip cut off": zipped.Bytes()[:zipped.Len()-5], "gzip broken": append(bytes.Clone(zipped.Bytes()[:5000]), bytes.Repeat([]byte("x"), 5000)...),
		"zstd cut off": encoder.EncodeAll(content, nil)[:5000], "gzip's first bytes only": {0x1f, 0x8b, 8},
	} {
		r, err := Decompress(bytes.NewReader(in))
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
