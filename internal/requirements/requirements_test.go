package requirements_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/requirements"
)

// TestAgreesWithPip holds each line of two lists against what pip 26.3 said of it: good.txt has what they
// read, bad.txt what they refuse.
func TestAgreesWithPip(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("../../testdata/requirements.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if f.Name != "good.txt" && f.Name != "bad.txt" {
			t.Fatalf("there is a file %s", f.Name)
		}
		for line := range strings.Lines(string(f.Data)) {
			problems := requirements.Check([]byte(line))
			if good := len(problems) == 0; good != (f.Name == "good.txt") {
				t.Errorf("%s: %s is found to have %v", f.Name, strings.TrimSpace(line), problems)
			}
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		line int
		want string
	}{
		"one =":               {"# first\n\nnumpy=1.0\n", 3, "write == instead of ="},
		"a caret":             {"numpy^1.0", 1, "pip does not know ^"},
		"two on a line":       {"numpy scipy", 1, `there is "scipy"`},
		"no version":          {"numpy==", 1, "behind == there must be a version"},
		"a version of none":   {"numpy==latest", 1, `"latest" is not a version`},
		"a wildcard":          {"numpy>=1.*", 1, "only behind == and !="},
		"an unknown option":   {"--fast", 1, `pip does not know the option "--fast"`},
		"an option alone":     {"-r", 1, "needs a value"},
		"a line that goes on": {"ok\nnumpy \\\n  == \\\n  x\n", 2, `"x" is not a version`},
		"a marker":            {`numpy; python_version < 3.9`, 1, `but "3.9" is neither`},
		"Latin-1":             {"ok\n# caf\xe9\n", 2, "not UTF-8"},
		"Windows":             {"ok\r\nnumpy=1\r\n", 2, "write == instead of ="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := requirements.Check([]byte(test.text))
			if len(got) != 1 || got[0].Line != test.line || !strings.Contains(got[0].Message, test.want) {
				t.Errorf("got %+v, want line %d: %s", got, test.line, test.want)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	archive, err := os.ReadFile("../../testdata/requirements.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(archive)) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range requirements.Check(data) {
			if p.Line < 1 || p.Line > lines || p.Message == "" {
				t.Errorf("%+v of %d lines", p, lines)
			}
		}
	})
}
