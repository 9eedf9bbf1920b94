package builder

import (
	"bytes"
	"strings"
)

// tailSize is how much of an instruction's output an error keeps, in bytes; GitHub cuts an annotation's message at 4096
// characters.
const tailSize = 3000

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*tailSize {
		t.data = append([]byte(nil), t.data[len(t.data)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	data := t.data
	if len(data) > tailSize {
		data = data[len(data)-tailSize:]
		if _, rest, ok := bytes.Cut(data, []byte("\n")); ok {
			data = rest // from the first whole line on
		}
	}
	return strings.TrimRight(strings.ToValidUTF8(string(data), "\uFFFD"), "\n")
}
