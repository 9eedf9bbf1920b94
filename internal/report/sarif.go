package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/rule"
)

const (
	// maxResults is how many results GitHub takes; it refuses a file with more.
	// https://docs.github.com/en/code-security/reference/code-scanning/sarif-files/sarif-support
	maxResults = 25_000
	// homelessFile is where a finding stands that has no file: GitHub refuses a whole SARIF file for one result without
	// a location.
	homelessFile = "README.md"
	project      = "https://github.com/jina/hub-publish"
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

// SARIF is the report as a SARIF 2.1.0 file of this version of the program, with the findings that are let pass as
// suppressed ones. Where there are more than GitHub takes, the least important are left out.
func (r *Report) SARIF(version string) ([]byte, error) {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "hub-publish", Version: version, URI: project}},
		ColumnKind: "unicodeCodePoints", // by default columns count UTF-16 code units
		Results:    []sarifResult{},
	}
	for _, rl := range rule.All {
		f := rl.Finding("", finding.Range{}, "")
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: rl.ID, Short: sarifText{rl.About}, Full: sarifText{rl.About}, HelpURI: f.Help,
			Help:    sarifHelp{rl.About + " " + f.Help, rl.About + " [" + rl.ID + "](" + f.Help + ")"},
			Default: sarifLevel{string(rl.Severity)},
		})
	}
	invocation := sarifInvocation{Successful: r.Error == ""}
	if r.Error != "" {
		invocation.Notifications = []sarifNotification{{"error", sarifText{sarifMessage.Replace(r.Error)}}}
	}
	run.Invocations = []sarifInvocation{invocation}
	findings := r.Ranked()
	slices.SortStableFunc(findings, func(a, b finding.Finding) int { return cmp.Compare(weight(a), weight(b)) })
	prints := map[string]int{}
	for _, f := range findings[:min(len(findings), maxResults)] {
		run.Results = append(run.Results, sarifResultOf(f, prints))
	}
	data, err := json.MarshalIndent(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write SARIF: %w", err)
	}
	return append(data, '\n'), nil
}

// weight orders errors before warnings, and both before what is let pass.
func weight(f finding.Finding) int {
	switch {
	case f.Ignored != "":
		return 2
	case f.Severity == finding.Warning:
		return 1
	}
	return 0
}

func sarifResultOf(f finding.Finding, prints map[string]int) sarifResult {
	file, at := f.File, f.Range
	if file == "" {
		file, at = homelessFile, finding.Line(1)
	}
	artifact := sarifArtifact{URI: (&url.URL{Path: file}).String(), Base: "%SRCROOT%"}
	result := sarifResult{
		Rule: f.Rule, Level: string(f.Severity), Message: sarifText{sarifMessage.Replace(f.Message)},
		Locations:    []sarifLocation{{sarifPhysical{artifact, region(at)}}},
		Fingerprints: map[string]string{"hubPublishFinding/v1": fingerprint(f, prints)},
	}
	if i := order(f.Rule); i >= 0 {
		result.RuleIndex = &i
	}
	if f.Ignored != "" {
		result.Suppressions = []sarifSuppression{{"inSource", f.Ignored}}
	}
	if f.Fix != nil && f.File != "" {
		result.Fixes = []sarifFix{{[]sarifChange{{artifact, []sarifReplacement{{region(f.Fix.Range), &sarifText{f.Fix.Text}}}}}}}
	}
	return result
}

func region(at finding.Range) sarifRegion {
	return sarifRegion{Line: max(at.Line, 1), Column: at.Column, EndLine: at.EndLine, EndColumn: at.EndColumn}
}

// fingerprint tells a finding from others, and stays when lines move: equal ones in a file are counted. It goes under a
// name of ours: GitHub knows one of its own, which its upload makes of the line, and warns of every other value.
func fingerprint(f finding.Finding, prints map[string]int) string {
	message, _, _ := strings.Cut(f.Message, "\n")
	message = lineNumber.ReplaceAllString(message, ":") // of another place that the message names
	sum := sha256.Sum256([]byte(f.Rule + "\x00" + f.File + "\x00" + message))
	id := hex.EncodeToString(sum[:16])
	prints[id]++
	return fmt.Sprintf("%s:%d", id, prints[id])
}

var lineNumber = regexp.MustCompile(`:\d+`)

// sarifMessage lets what has a meaning in a SARIF message stand as it is: braces are doubled (3.11.5), and what would be
// a link (3.11.6) is broken up.
var sarifMessage = strings.NewReplacer("{", "{{", "}", "}}", "](", "]"+joiner+"(")

// The parts of a SARIF file that we write. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Version string     `json:"version"`
		Schema  string     `json:"$schema"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		URI     string      `json:"informationUri"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string     `json:"id"`
		Short   sarifText  `json:"shortDescription"`
		Full    sarifText  `json:"fullDescription"`
		HelpURI string     `json:"helpUri"`
		Help    sarifHelp  `json:"help"`
		Default sarifLevel `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		Rule         string             `json:"ruleId"`
		RuleIndex    *int               `json:"ruleIndex,omitempty"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct {
		Line      int `json:"startLine"`
		Column    int `json:"startColumn,omitempty"`
		EndLine   int `json:"endLine,omitempty"`
		EndColumn int `json:"endColumn,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
	sarifFix struct {
		Changes []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted *sarifText  `json:"insertedContent,omitempty"`
	}
)
