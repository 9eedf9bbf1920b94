package sandbox_test

import (
	"context"
	"testing"

	"github.com/jina/hub-publish/internal/sandbox"
)

// BenchmarkRun is the whole of a process that does nothing: this program's start on the way, the root, the program's
// own start, and the end of its namespaces.
func BenchmarkRun(b *testing.B) {
	root, _ := newRoot(b)
	for name, network := range map[string]bool{"network": true, "loopback": false} {
		b.Run(name, func(b *testing.B) {
			p := process(root, "exit", "0")
			p.Network = network
			for b.Loop() {
				if err := p.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkProbe is what a run of the program pays once.
func BenchmarkProbe(b *testing.B) {
	requireSandbox(b)
	dir := b.TempDir()
	for b.Loop() {
		if err := sandbox.Probe(dir); err != nil {
			b.Fatal(err)
		}
	}
}
