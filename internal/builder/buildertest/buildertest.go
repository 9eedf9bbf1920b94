// Package buildertest tells tests whether images can be built where they run.
package buildertest

import (
	"os"
	"testing"

	"github.com/jina/hub-publish/internal/builder"
)

// RequireSandbox skips the test on a machine that does not let a build have namespaces of its own. With the variable
// HUB_PUBLISH_REQUIRE_SANDBOX, which CI sets, it fails there instead. The test's main must call builder.RunChild.
func RequireSandbox(t *testing.T) {
	t.Helper()
	b, err := builder.New(t.Context(), builder.Options{Isolation: builder.Sandbox})
	if err != nil {
		if os.Getenv("HUB_PUBLISH_REQUIRE_SANDBOX") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
