package usage_test

import (
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/usage"
)

func TestNamePattern(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"smoke": true, "a": true, "2nd": true, "a-b--c-": true, strings.Repeat("a", 40): true, strings.Repeat("a", 41): false, "": false,
		"-a": false, "Smoke": false, "a_b": false, "a.b": false, "a/b": false, "..": false, "a b": false, "a\n": false, "é": false,
	} {
		if got := usage.NamePattern.MatchString(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
	for _, name := range usage.Basic {
		if !usage.NamePattern.MatchString(name) {
			t.Errorf("the basic test %s has no name", name)
		}
	}
}
