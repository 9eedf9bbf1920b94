package config_test

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
)

func FuzzParse(f *testing.F) {
	for _, archive := range archives {
		for _, e := range examples(f, archive) {
			f.Add(e.text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data, rules)
		if err == nil {
			c.Severity("manifest/name", "executors/encoders/Foo/manifest.yml", finding.Error)
			c.NeedsVersion("tests/a.py")
			for _, test := range c.UsageTests {
				holds(t, test)
			}
			return
		}
		placed(t, data, err)
	})
}

// placed asks whether an error says what is wrong, and where in the file.
func placed(t *testing.T, data []byte, err error) {
	t.Helper()
	var wrong *config.Error
	if !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
		t.Fatalf("%T holds no problem: %v", err, err)
	}
	text := strings.Split(string(bytes.TrimPrefix(data, []byte("\ufeff"))), "\n")
	for _, p := range wrong.Problems {
		if p.At.Line < 1 || p.At.Line > len(text) {
			t.Fatalf("%v is outside of the %d lines", p, len(text))
		}
		width := utf8.RuneCountInString(text[p.At.Line-1])
		if p.At.Column < 0 || p.At.Column > width+1 || p.At.EndColumn > width+1 {
			t.Errorf("%v (%+v) is outside of its line of %d characters", p, p.At, width)
		}
	}
}

// goIdentifier shows where a message would speak of the program's inside.
var goIdentifier = regexp.MustCompile(`config\.|yaml\.|map\[|\[\]string|%!`)

func TestMessagesAreForReaders(t *testing.T) {
	t.Parallel()
	for _, archive := range archives {
		for _, e := range examples(t, archive) {
			if _, err := config.Parse(e.text, rules); err != nil && goIdentifier.MatchString(err.Error()) {
				t.Errorf("%s: %s: %v", archive, e.name, err)
			}
		}
	}
	for _, e := range examples(t, bundleTests) {
		if _, err := config.ParseUsageTest(e.name, e.text); err != nil && goIdentifier.MatchString(err.Error()) {
			t.Errorf("%s: %v", e.name, err)
		}
	}
}
