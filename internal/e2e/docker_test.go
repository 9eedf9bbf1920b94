//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func docker(t *testing.T, args ...string) string {
	t.Helper()
	return command{name: "docker", args: args}.must(t)
}

// pull fetches an image from the registry, until the end of the test.
func pull(t *testing.T, reference string) {
	t.Helper()
	docker(t, "pull", "--quiet", reference)
	t.Cleanup(func() { docker(t, "image", "rm", reference) })
}

// container starts a container that waits, until the end of the test.
func container(t *testing.T, args ...string) string {
	t.Helper()
	id := docker(t, append([]string{"run", "--detach"}, args...)...)
	t.Cleanup(func() { docker(t, "rm", "--force", "--volumes", id) })
	return id
}

func labels(t *testing.T, reference string) map[string]string {
	t.Helper()
	text := docker(t, "image", "inspect", "--format", "{{json .Config.Labels}}", reference)
	var values map[string]string
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatalf("labels of %s: %v\n%s", reference, err, text)
	}
	return values
}

// digest is what the registry has under a reference.
func digest(t *testing.T, reference string) string {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := remote.Head(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	return descriptor.Digest.String()
}

// newNamespace is a path of the registry that no other test uses.
func newNamespace() string { return fmt.Sprintf("e2e%08x", rand.Uint32()) }
