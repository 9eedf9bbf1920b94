//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/parity"
	"github.com/jina/hub-publish/internal/parity/corpus"
)

var parityCases = filepath.Join("..", "..", "testdata", "parity")

// TestParity builds every case of testdata/parity with BuildKit and with this project's builder, in each isolation that
// E2E_ISOLATIONS names, and finds nothing that differs.
func TestParity(t *testing.T) {
	t.Parallel()
	cases, err := corpus.Read(parityCases)
	if err != nil {
		t.Fatal(err)
	}
	b := newBuildkit(t)
	y := &yardstick{
		names:      newNames(t),
		buildkit:   b,
		isolations: newIsolations(t, b),
		known:      readKnown(t, filepath.Join(parityCases, "known.txt")),
	}
	y.buildBases(t)
	t.Run("case", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				y.hold(t, c)
			})
		}
	})
	t.Log(y.table.String())
}

// yardstick holds builds against BuildKit's.
type yardstick struct {
	names      *names
	buildkit   buildkit
	isolations []isolation
	known      known
	comparer   parity.Comparer
	table      table
}

// hold builds one case everywhere.
func (y *yardstick) hold(t *testing.T, c corpus.Case) {
	dir := y.names.lay(t, c)
	wanted := y.names.image(c.Name + ":buildkit")
	if c.Expect != corpus.Refused {
		status, log := y.buildkit.build(t, dir, wanted, c.BuildArgs)
		if (status == 0) != (c.Expect == corpus.Same) {
			t.Fatalf("BuildKit: exit status %d, but the case says: %s\n%s", status, c.Expect, log)
		}
	}
	for _, i := range y.isolations {
		if i.name == again && c.Expect == corpus.Refused {
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			reference := y.names.image(c.Name + ":" + i.name)
			status, log := i.build(t, dir, reference, c.BuildArgs)
			o := judge(c, status, log)
			var differences []string
			switch o {
			case same:
				differences = y.compare(t, wanted, reference)
			case wrong:
				differences = []string{fmt.Sprintf("exit status %d: %s", status, lastLine(log))}
			}
			if i.name != again {
				differences = y.known.check(c.Name, i.name, differences)
			}
			switch {
			case len(differences) == 0 && o == wrong:
				o = refused // a refusal in this isolation alone, which is known
			case o == wrong:
				t.Errorf("%s\nexit status %d, but the case says: %s %s\n%s\n%s", c.About, status, c.Expect, c.Words, log, strings.Join(differences, "\n"))
			case len(differences) > 0:
				o = different
				complain(t, c, differences)
			}
			y.table.count(i.name, o)
		})
	}
}

// judge is what came of a build that has ended, before its image is compared.
func judge(c corpus.Case, status int, log string) outcomeOfCase {
	switch {
	case c.Expect == corpus.Same && status == 0:
		return same
	case c.Expect == corpus.Fails && status != 0 && strings.Contains(log, c.Words):
		return failed
	case c.Expect == corpus.Refused && status != 0 && strings.Contains(log, c.Words):
		return refused
	}
	return wrong
}

func lastLine(log string) string {
	all := strings.Split(strings.TrimSpace(log), "\n")
	return all[len(all)-1]
}

// shown is how many differences of a case a test prints.
const shown = 15

func complain(t *testing.T, c corpus.Case, differences []string) {
	t.Helper()
	more := ""
	if n := len(differences); n > shown {
		differences, more = differences[:shown], "\n  and more"
	}
	t.Errorf("%s\n  %s%s", c.About, strings.Join(differences, "\n  "), more)
}

func (y *yardstick) compare(t *testing.T, want, got string) []string {
	t.Helper()
	differences, err := y.comparer.Compare(remoteImage(t, want), remoteImage(t, got))
	if err != nil {
		t.Fatal(err)
	}
	return differences
}

func remoteImage(t *testing.T, reference string) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	return img
}
