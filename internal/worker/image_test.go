package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func blobOf(text string) Blob {
	sum := sha256.Sum256([]byte(text))
	return Blob{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(text))}
}

func TestVerified(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		comes string
		fails bool
	}{
		"what was announced": {"content", false},
		"something else":     {"CONTENT", true},
		"less":               {"cont", true},
		"nothing":            {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blob := blobOf("content")
			v := &verified{Reader: io.LimitReader(strings.NewReader(test.comes), blob.Size), blob: blob, hash: sha256.New()}
			data, err := io.ReadAll(v)
			if (err != nil) != test.fails || string(data) != test.comes {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
}

// TestStoreKeepsOnlyWhatIsVerified adds an image whose last layer is whole but not the one that its digest names.
func TestStoreKeepsOnlyWhatIsVerified(t *testing.T) {
	t.Parallel()
	s := newStore(t, t.TempDir())
	empty := string(make([]byte, 1024)) // an archive without an entry
	v := &verified{Reader: strings.NewReader(empty), blob: blobOf("another"), hash: sha256.New()}
	_, err := s.add(someDigest, func(dir string) error { return unpack(t.Context(), dir, v, nil) })
	if err == nil || !strings.Contains(err.Error(), blobOf("another").Digest) {
		t.Errorf("got %v", err)
	}
	if _, ok := s.find(someDigest); ok {
		t.Error("the store keeps it")
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
		t.Errorf("the store holds %v, %v", entries, err)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		limit  int64
		writes []string
		want   string
	}{
		"no limit":        {0, []string{"one", "two"}, "onetwo"},
		"below the limit": {6, []string{"one", "two"}, "onetwo"},
		"within a write":  {4, []string{"one", "two", "three"}, "onet\n[7 more bytes of output are left out]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			b := &build{order: Order{Limits: Limits{Output: test.limit}}, send: func(e Event) { got.Write(e.Output.Text) }}
			o := &output{build: b, left: test.limit}
			for _, text := range test.writes {
				if n, err := o.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			}
			o.close()
			if got.String() != test.want {
				t.Errorf("got %q, want %q", got.String(), test.want)
			}
		})
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	if e := end(nil); e.Reason != "" || e.Internal {
		t.Errorf("a good end is %+v", e)
	}
	if e := end(errors.New("the disk is full")); e.Reason != "the disk is full" || !e.Internal {
		t.Errorf("the worker's own failure is %+v", e)
	}
}
