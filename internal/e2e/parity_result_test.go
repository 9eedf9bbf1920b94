//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// outcomeOfCase is what came of a case in one isolation.
type outcomeOfCase int

const (
	same      outcomeOfCase = iota // both built the same
	failed                         // both failed, as the case says
	refused                        // refused, as the case says
	different                      // both built, but not the same
	wrong                          // built where it should not, or the other way round
)

// table counts the outcomes in each isolation.
type table struct {
	mu   sync.Mutex
	rows map[string]map[outcomeOfCase]int
}

func (t *table) count(isolation string, o outcomeOfCase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]map[outcomeOfCase]int{}
	}
	if t.rows[isolation] == nil {
		t.rows[isolation] = map[outcomeOfCase]int{}
	}
	t.rows[isolation][o]++
}

func (t *table) String() string {
	var text strings.Builder
	text.WriteString("held against BuildKit\n| isolation | cases | same | both fail | refused by name | different | wrongly built or failed |\n|---|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(t.rows)) {
		row, sum := t.rows[name], 0
		for _, n := range row {
			sum += n
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %d | %d |\n", name, sum, row[same], row[failed], row[refused], row[different], row[wrong])
	}
	return text.String()
}

// known are differences that are meant, or that cannot be helped. Each is a line
//
//	CASE ISOLATION REASON, in one word or several: BEGINNING OF THE DIFFERENCE
//
// where ISOLATION may be * for each.
type known []knownDifference

type knownDifference struct{ name, isolation, beginning string }

func readKnown(t *testing.T, path string) known {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var k known
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		about, beginning, ok := strings.Cut(line, ": ")
		words := strings.Fields(about)
		if !ok || len(words) < 3 {
			t.Fatalf("%s: %q is not CASE ISOLATION REASON: BEGINNING", path, line)
		}
		k = append(k, knownDifference{words[0], words[1], beginning})
	}
	return k
}

// check is the differences of a case that are not known, and a sentence for each known one that is no more there: the
// list only holds what is true.
func (k known) check(name, isolation string, differences []string) []string {
	for _, e := range k {
		if e.name != name || e.isolation != "*" && e.isolation != isolation {
			continue
		}
		before := len(differences)
		differences = slices.DeleteFunc(differences, func(d string) bool { return strings.HasPrefix(d, e.beginning) })
		if len(differences) == before {
			differences = append(differences, "known.txt says that there is a difference "+e.beginning)
		}
	}
	return differences
}
