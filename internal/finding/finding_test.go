package finding_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
)

// TestSort shuffles findings that differ in one thing each: whatever the order they come in, they leave in one.
func TestSort(t *testing.T) {
	t.Parallel()
	at := func(line, column int) finding.Range { return finding.Range{Line: line, Column: column} }
	want := []finding.Finding{
		finding.New("a/rule", finding.Error, "a.yml", at(9, 9), "first by file"),
		finding.New("a/rule", finding.Error, "b.yml", at(2, 0), "then by line"),
		finding.New("a/rule", finding.Error, "b.yml", at(10, 0), "as numbers"),
		finding.New("a/rule", finding.Error, "b.yml", at(10, 3), "then by column"),
		finding.New("a/rule", finding.Warning, "b.yml", at(10, 3), "errors before warnings"),
		finding.New("b/rule", finding.Warning, "b.yml", at(10, 3), "then by rule"),
		finding.New("b/rule", finding.Warning, "b.yml", at(10, 3), "then by what it says"),
	}
	for range 20 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if finding.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("got:\n%v\nwant:\n%v", got, want)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	findings := []finding.Finding{
		{Severity: finding.Error}, {Severity: finding.Warning}, {Severity: finding.Error},
		{Severity: finding.Error, Ignored: "a reason"}, {Severity: finding.Warning, Ignored: "a reason"},
	}
	if n := finding.Count(findings, finding.Error); n != 2 {
		t.Errorf("%d errors, want 2", n)
	}
	if n := finding.Count(findings, finding.Warning); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}

// TestJSON holds a finding against the action's contract: later steps read these names.
func TestJSON(t *testing.T) {
	t.Parallel()
	f := finding.New("manifest/unknown-key", finding.Warning, "hub/a/manifest.yml", finding.Range{Line: 3, Column: 1, EndLine: 3, EndColumn: 5}, "no such key")
	got, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"rule":"manifest/unknown-key","severity":"warning","file":"hub/a/manifest.yml","line":3,"column":1,"end_line":3,"end_column":5,` +
		`"message":"no such key","help":"https://github.com/jina/hub-publish#manifestunknown-key"}`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
