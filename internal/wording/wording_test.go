package wording_test

import (
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/wording"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	allowed := []string{"encoder", "indexer", "manifest/name", "apache-2.0", "README.md"}
	for wrong, want := range map[string]string{
		"encodr": "encoder", "Encoder": "encoder", "enc": "encoder", "en": "", "name": "manifest/name", "apache2.0": "apache-2.0",
		"readme.md": "README.md", "frobnicator": "", "": "", strings.Repeat("encoder", 20): "",
	} {
		if got := wording.Nearest(wrong, allowed); got != want {
			t.Errorf("%q: got %q, want %q", wrong, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	if short := strings.Repeat("é", 80); wording.Shorten(short) != short || wording.Shorten(short+"e") != short+"…" {
		t.Error("it is not cut behind 80 characters")
	}
}
