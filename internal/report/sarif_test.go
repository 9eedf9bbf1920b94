package report_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// sarif is the part of a file that the tests look at.
type sarif struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID               string
					ShortDescription struct{ Text string }
				}
			}
		}
		Invocations []struct{ ExecutionSuccessful bool }
		Results     []struct {
			RuleID              string
			RuleIndex           *int
			Level               string
			Message             struct{ Text string }
			PartialFingerprints map[string]string
			Suppressions        []struct{ Kind, Justification string }
			Locations           []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
					Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
				}
			}
		}
	}
}

// schema is OASIS', errata 01.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	file, err := os.Open("../../testdata/report/sarif-schema-2.1.0.json")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	definition, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", definition); err != nil {
		return nil, err
	}
	return compiler.Compile("sarif.json")
})

// write is a report as SARIF that is valid against OASIS' schema.
func write(t *testing.T, r *report.Report) ([]byte, sarif) {
	t.Helper()
	data, err := r.SARIF("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("not SARIF 2.1.0: %v\n%s", err, data)
	}
	var s sarif
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return data, s
}

// TestSARIF leaves the rules and their order out of what is compared: they grow.
func TestSARIF(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*report.Report{"sarif.json": example(), "special-sarif.json": special()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, _ := write(t, r)
			var file struct {
				Runs []struct {
					ColumnKind string           `json:"columnKind"`
					Results    []map[string]any `json:"results"`
				} `json:"runs"`
			}
			if err := json.Unmarshal(data, &file); err != nil {
				t.Fatal(err)
			}
			results := file.Runs[0].Results
			for _, result := range results {
				delete(result, "ruleIndex")
			}
			slices.SortFunc(results, func(a, b map[string]any) int {
				return cmp.Or(cmp.Compare(a["ruleId"].(string), b["ruleId"].(string)), cmp.Compare(fmt.Sprint(a["locations"]), fmt.Sprint(b["locations"])))
			})
			text, err := json.MarshalIndent(file.Runs[0], "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, string(text)+"\n")
		})
	}
}

// TestSARIFRules has all rules, also those that nothing broke, with texts that are short enough for GitHub.
func TestSARIFRules(t *testing.T) {
	t.Parallel()
	_, s := write(t, report.New())
	rules := s.Runs[0].Tool.Driver.Rules
	if len(rules) != len(rule.All) {
		t.Fatalf("%d rules of %d", len(rules), len(rule.All))
	}
	for i, r := range rules {
		if r.ID != rule.All[i].ID || r.ShortDescription.Text != rule.All[i].About || len(r.ShortDescription.Text) > 1024 {
			t.Errorf("got %+v, want %s", r, rule.All[i].ID)
		}
	}
	_, s = write(t, example())
	for _, r := range s.Runs[0].Results {
		if r.RuleIndex == nil || rule.All[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s is the rule %v", r.RuleID, r.RuleIndex)
		}
	}
}

// TestSARIFPlaces has the file names that a URI writes in another way, and what stands in no file or on no line.
func TestSARIFPlaces(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"a/manifest.yml":         "a/manifest.yml",
		"Äpfel und/50%/a#b?.yml": "%C3%84pfel%20und/50%25/a%23b%3F.yml",
		"a:b/c.yml":              "./a:b/c.yml",
		"a\nb[1].yml":            "a%0Ab%5B1%5D.yml",
		"a\xff.yml":              "a%FF.yml",
		"":                       "README.md",
	} {
		r := report.New()
		r.Findings = append(r.Findings, finding.New("manifest/name", finding.Error, file, finding.Range{}, "wrong"))
		_, s := write(t, r)
		if at := s.Runs[0].Results[0].Locations[0].PhysicalLocation; at.ArtifactLocation.URI != want || at.Region.StartLine != 1 {
			t.Errorf("%q: got %+v, want %s", file, at, want)
		}
	}
}

// TestSARIFFingerprints has findings move, and one of two equal ones come and go.
func TestSARIFFingerprints(t *testing.T) {
	t.Parallel()
	prints := func(findings ...finding.Finding) []string {
		r := report.New()
		r.Findings = findings
		_, s := write(t, r)
		var all []string
		for _, result := range s.Runs[0].Results {
			all = append(all, result.PartialFingerprints["hubPublishFinding/v1"])
			if len(result.PartialFingerprints) != 1 {
				t.Errorf("got %v: GitHub's upload makes its own, and warns of another", result.PartialFingerprints)
			}
		}
		return all
	}
	at := func(line int, message string) finding.Finding {
		return finding.New("manifest/name", finding.Error, "a/manifest.yml", finding.Line(line), message)
	}
	before := prints(at(1, "one"), at(2, "two"), at(3, "as b.yml:3\nprinted"), at(4, "two"))
	after := prints(at(5, "one"), at(6, "two"), at(7, "as b.yml:8\nprinted too"), at(9, "two"))
	if !slices.Equal(before, after) {
		t.Errorf("before %q, after %q", before, after)
	}
	if slices.Sort(before); len(slices.Compact(before)) != 4 {
		t.Errorf("two of %q are the same", before)
	}
}

// TestSARIFLimit has one result more than GitHub takes: the least important one is left out.
func TestSARIFLimit(t *testing.T) {
	t.Parallel()
	r := report.New()
	passed := finding.New("manifest/name", finding.Error, "0.yml", finding.Line(1), "wrong")
	passed.Ignored = "known"
	r.Findings = append(r.Findings, passed, finding.New("manifest/unknown-key", finding.Warning, "1.yml", finding.Line(1), "wrong"))
	for i := range 24_999 {
		r.Findings = append(r.Findings, finding.New("publish/failed", finding.Error, "a.yml", finding.Line(i+1), "wrong"))
	}
	data, err := r.SARIF("")
	if err != nil {
		t.Fatal(err)
	}
	var s sarif
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	results := s.Runs[0].Results
	if n := len(results); n != 25_000 || results[n-1].Level != "warning" || len(results[n-1].Suppressions) > 0 {
		t.Errorf("%d results, the last is %+v", n, results[n-1])
	}
}

func TestSARIFOfARunThatStopped(t *testing.T) {
	t.Parallel()
	r := report.New()
	r.Error = "no {0} network"
	data, s := write(t, r)
	if s.Runs[0].Invocations[0].ExecutionSuccessful || !strings.Contains(string(data), "no {{0}} network") {
		t.Errorf("got %s", data)
	}
	if _, s := write(t, report.New()); !s.Runs[0].Invocations[0].ExecutionSuccessful {
		t.Error("a run that did its work did not")
	}
}

// FuzzSARIF asks that whatever is found makes a valid file.
func FuzzSARIF(f *testing.F) {
	for i, seed := range []string{"wrong", hostile, "{0} {", "[a](1)", "\x00\xff", "//host/a", "a%2fb", "../a"} {
		f.Add(seed, seed, i)
	}
	f.Fuzz(func(t *testing.T, file, message string, line int) {
		r := report.New()
		found := finding.New("manifest/name", finding.Error, file, finding.Line(line), message)
		found.Ignored = fmt.Sprint(message)
		r.Findings = append(r.Findings, found)
		write(t, r)
	})
}
