// Package buildertest tells tests whether images can be built where they run.
package buildertest

import (
	"context"
	"sync"
	"testing"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/needs"
)

// refused is why a build cannot have namespaces of its own here. It is tried once.
var refused = sync.OnceValue(func() error {
	b, err := builder.New(context.Background(), builder.Options{Isolation: builder.Sandbox})
	if err != nil {
		return err
	}
	return b.Close()
})

// RequireSandbox skips the test on a machine that does not let a build have namespaces of its own. With the variable
// HUB_PUBLISH_REQUIRE_ALL, which CI sets, it fails there instead. The test's main must call builder.RunChild.
func RequireSandbox(t *testing.T) {
	t.Helper()
	if err := refused(); err != nil {
		needs.Missing(t, err)
	}
}
