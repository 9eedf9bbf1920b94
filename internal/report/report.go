// Package report tells people and later steps what a run found and did: one list of results in, and out of it the
// annotations, the check run, the job summary, the comment on the pull request, the outputs, the JSON report, SARIF and
// what a terminal shows. One file a format.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/rule"
)

// Status says what became of a bundle.
type Status string

// The states of a bundle at the end of a run.
const (
	Checked   Status = "checked"
	Built     Status = "built"
	Published Status = "published"
	Unchanged Status = "unchanged"
	Failed    Status = "failed"
	Removed   Status = "removed"
)

// Publication is one image that is in a registry now.
type Publication struct {
	Bundle  string   `json:"bundle"`
	Image   string   `json:"image"`
	Version string   `json:"version"`
	Digest  string   `json:"digest"`
	Tags    []string `json:"tags"`
	Existed bool     `json:"existed"`
}

// Bundle is what happened to one bundle.
type Bundle struct {
	Path    string `json:"path"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Type    string `json:"type"`
	Version string `json:"version"`
	// Image is the image's reference; empty where the manifest does not make one.
	Image  string `json:"image"`
	Status Status `json:"status"`
	// Seconds is how long each part of the run took for this bundle.
	Seconds map[string]float64 `json:"seconds"`
	// Tests are the usage tests that the image was tried with, in their order.
	Tests     []Test            `json:"tests,omitempty"`
	Findings  []finding.Finding `json:"findings"`
	Published []Publication     `json:"published"`
}

// TestResult says what became of a usage test.
type TestResult string

// The results of a usage test.
const (
	Passed        TestResult = "passed"
	TestFailed    TestResult = "failed"
	NotApplicable TestResult = "not applicable"
)

// Test is one usage test of an image.
type Test struct {
	Name   string     `json:"name"`
	Result TestResult `json:"result"`
	// Seconds is how long it took in all; Ready how long the image took to be ready, and Stop to end.
	Seconds float64 `json:"seconds"`
	Ready   float64 `json:"ready_seconds"`
	Stop    float64 `json:"stop_seconds"`
	// Note says how the image ended, or why the test does not apply.
	Note string `json:"note"`
}

// Took notes how long a part took, to the millisecond.
func (b *Bundle) Took(part string, d time.Duration) {
	b.Seconds[part] = d.Round(time.Millisecond).Seconds()
}

// Report is the whole of a run.
type Report struct {
	Version int       `json:"version"`
	Mode    string    `json:"mode"`
	Base    string    `json:"base"`
	Head    string    `json:"head"`
	Bundles []*Bundle `json:"bundles"`
	// Findings are those that belong to no bundle.
	Findings []finding.Finding `json:"findings"`
	// Error says why the run ended before its work was done; empty otherwise.
	Error string `json:"error,omitempty"`
}

// New is a report without bundles.
func New() *Report {
	return &Report{Version: 1, Bundles: []*Bundle{}, Findings: []finding.Finding{}}
}

// All are the findings of the run by file and place, with those that are let pass.
func (r *Report) All() []finding.Finding {
	all := slices.Clone(r.Findings)
	for _, b := range r.Bundles {
		all = append(all, b.Findings...)
	}
	finding.Sort(all)
	return all
}

// Ranked are the findings of the run in the order of the rules, which begins with those that the others depend on.
func (r *Report) Ranked() []finding.Finding {
	all := r.All()
	slices.SortStableFunc(all, func(a, b finding.Finding) int { return cmp.Compare(order(a.Rule), order(b.Rule)) })
	return all
}

// split divides findings into those that count and those that are let pass.
func split(all []finding.Finding) (counted, passed []finding.Finding) {
	for _, f := range all {
		if f.Ignored == "" {
			counted = append(counted, f)
		} else {
			passed = append(passed, f)
		}
	}
	return counted, passed
}

// place is where a finding is, in words; empty for what stands in no file.
func place(f finding.Finding) string {
	if f.File == "" || f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

func order(id string) int {
	return slices.IndexFunc(rule.All, func(r *rule.Rule) bool { return r.ID == id })
}

// Publications are the images of all bundles that are in a registry now.
func (r *Report) Publications() []Publication {
	all := []Publication{}
	for _, b := range r.Bundles {
		all = append(all, b.Published...)
	}
	return all
}

// Paths are the paths of the bundles with one of the states, or of all.
func (r *Report) Paths(states ...Status) []string {
	paths := []string{}
	for _, b := range r.Bundles {
		if len(states) == 0 || slices.Contains(states, b.Status) {
			paths = append(paths, b.Path)
		}
	}
	return paths
}
