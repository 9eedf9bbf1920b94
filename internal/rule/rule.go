// Package rule holds the checks: one file a rule or family of rules, found by the rule's id.
//
// To add a rule, write a file with its Rule value, name it in All, and add testdata/rules/<id>.txtar with a hub that
// breaks it and the findings that it must give.
package rule

import (
	"fmt"
	"slices"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

// Rule is one check of a bundle. It reads files and reports findings, nothing else: no network, no clock.
type Rule struct {
	// ID names the rule in annotations, as family/name.
	ID string
	// Severity is what a finding of the rule weighs unless the hub says otherwise.
	Severity finding.Severity
	// About says in one sentence what the rule asks for; the README's table of rules is made of it.
	About string
	// Check reports what is wrong with the pass's bundle. It is nil for a rule whose findings a later part of the run
	// makes (the build, the publication).
	Check func(*Pass)
}

// All are the rules in the order of the README.
var All = []*Rule{
	bundlePlacement,
	bundleMissingFile,
	manifestSyntax,
	manifestRequired,
	manifestValueType,
	manifestUnknownKey,
	manifestName,
	manifestKind,
	manifestType,
	manifestVersion,
	manifestURL,
	manifestLicense,
	manifestKeywords,
	manifestImageName,
	versionNotBumped,
	dockerfileSyntax,
	dockerfileUnsupported,
	BuildFailed,
	PublishExists,
	PublishFailed,
}

// Pass is one rule's look at one bundle.
type Pass struct {
	*hub.Bundle
	Hub *hub.Hub

	rule     *Rule
	findings []finding.Finding
}

// Report adds a finding at a place in a file.
func (p *Pass) Report(file string, at finding.Range, format string, args ...any) {
	p.findings = append(p.findings, p.rule.Finding(file, at, format, args...))
}

// Finding is a finding of this rule.
func (r *Rule) Finding(file string, at finding.Range, format string, args ...any) finding.Finding {
	return finding.New(r.ID, r.Severity, file, at, fmt.Sprintf(format, args...))
}

// Check runs every rule on a bundle that stands at the head, and returns the findings sorted.
func Check(h *hub.Hub, b *hub.Bundle) []finding.Finding {
	var all []finding.Finding
	for _, r := range All {
		if r.Check == nil {
			continue
		}
		pass := &Pass{Bundle: b, Hub: h, rule: r}
		r.Check(pass)
		all = append(all, pass.findings...)
	}
	finding.Sort(all)
	return all
}

// field is a manifest's field that has a value; absent and null are not.
func (p *Pass) field(key string) (manifest.Field, bool) {
	if p.Manifest == nil {
		return manifest.Field{}, false
	}
	f, ok := p.Manifest.Field(key)
	return f, ok && !f.IsNull()
}

// text is a field whose value is written as text. Other values are manifest/value-type's.
func (p *Pass) text(key string) (manifest.Field, bool) {
	f, ok := p.field(key)
	return f, ok && f.IsString() && !blank(f)
}

// oneOf reports a value that is not in a list of allowed ones, with the nearest of them.
func (p *Pass) oneOf(key string, allowed []string) {
	f, ok := p.text(key)
	if !ok || slices.Contains(allowed, f.Text()) {
		return
	}
	p.Report(p.ManifestPath(), f.At, "%s %q is not allowed;%s it must be one of %s", key, shorten(f.Text()), didYouMean(f.Text(), allowed), list(allowed))
}
