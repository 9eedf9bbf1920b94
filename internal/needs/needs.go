// Package needs says what becomes of a test whose means are not there: root, namespaces, a program, an attribute of the file
// system.
package needs

import (
	"os"
	"testing"
)

// all is set in CI, where everything is there.
const all = "HUB_PUBLISH_REQUIRE_ALL"

// Missing skips a test, which says why. In CI the test fails instead: nothing is left out there unseen.
func Missing(t testing.TB, why ...any) {
	t.Helper()
	if os.Getenv(all) != "" {
		t.Fatal(why...)
	}
	t.Skip(why...)
}
