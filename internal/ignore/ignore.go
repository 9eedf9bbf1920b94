// Package ignore reads the comments by which a bundle's author lets a finding pass, with the reason:
//
//	name: Old!Name # hub-publish ignore=manifest/name,manifest/image-name it is in use under this name
//
// What is let pass is still a finding; it carries the reason.
package ignore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
)

// The rule that a comment is held to: it names rules that there are, gives a reason and lets something pass.
const (
	ID       = "ignore/directive"
	Severity = finding.Warning
	About    = "A comment `# hub-publish ignore=RULE reason` names a rule that there is, gives a reason, and lets something pass."
)

// shape is how a comment is written.
const shape = "`# hub-publish ignore=RULE reason`"

// dependent are the families of rules that find in one run what they do not in another: it depends on what changed, on the
// registry, or on how far the run goes. Their comments are needed also where nothing is found.
var dependent = []string{"version/", "commit/", "build/", "image/", "usage/", "publish/"}

// Apply lets pass what comments say: it sets Ignored, the reason, on findings, and adds a finding of the rule ID for each
// comment that names no rule of rules, gives no reason, or lets nothing pass. Such a comment counts for nothing.
//
// The findings must be all those of the files' checks, and files be all files that may hold a comment; those of the
// findings need not be named again. read gives a file's content, or an error for what is not there.
func Apply(findings []finding.Finding, read func(file string) ([]byte, error), rules []string, files ...string) []finding.Finding {
	findings = slices.Clone(findings)
	for _, f := range findings {
		files = append(files, f.File)
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		for _, d := range in(file, read) {
			used := d.mark(findings, file)
			if message := d.wrong(rules, used); message != "" {
				findings = append(findings, finding.New(ID, Severity, file, d.At, message))
			}
		}
	}
	return findings
}

// Mark sets Ignored, the reason, on the findings that comments let pass, and says nothing of the comments. It is for
// findings that come after those of the files' checks.
func Mark(findings []finding.Finding, read func(file string) ([]byte, error)) []finding.Finding {
	findings = slices.Clone(findings)
	directives := map[string][]Directive{}
	for _, f := range findings {
		if _, known := directives[f.File]; !known {
			directives[f.File] = in(f.File, read)
		}
	}
	for file, ds := range directives {
		for _, d := range ds {
			d.mark(findings, file)
		}
	}
	return findings
}

func in(file string, read func(string) ([]byte, error)) []Directive {
	if syntaxOf(file) == nil {
		return nil // a large file need not be read for nothing
	}
	data, err := read(file)
	if err != nil {
		return nil
	}
	return Find(file, data)
}

// mark sets the reason on the findings that the directive lets pass, and reports whether there are any.
func (d Directive) mark(findings []finding.Finding, file string) bool {
	used := false
	for i := range findings {
		f := &findings[i]
		if d.Reason == "" || f.File != file || f.Rule != d.Rule || !d.covers(f.Line) {
			continue
		}
		used = true
		if f.Ignored == "" {
			f.Ignored = d.Reason
		}
	}
	return used
}

// wrong says what is wrong with a directive, or "".
func (d Directive) wrong(rules []string, used bool) string {
	switch {
	case d.Rule == "":
		return "this comment is not understood, and lets nothing pass; write it as " + shape
	case !slices.Contains(rules, d.Rule):
		return fmt.Sprintf("there is no rule %q, and so the comment lets nothing pass; the rules are %s", shorten(d.Rule), strings.Join(rules, ", "))
	case d.Reason == "":
		return fmt.Sprintf("the comment gives no reason, and lets nothing pass; write why behind it: `# hub-publish ignore=%s it is …`", d.Rule)
	case used || slices.ContainsFunc(dependent, func(family string) bool { return strings.HasPrefix(d.Rule, family) }):
		return ""
	}
	where := fmt.Sprintf("line %d", d.Line)
	if d.first && d.Line != 1 {
		where += " and line 1"
	}
	return fmt.Sprintf("%s finds nothing on %s, for which this comment counts; remove it, or move it to the line of the finding", d.Rule, where)
}
