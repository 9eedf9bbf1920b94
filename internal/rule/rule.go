// Package rule holds the checks: one file a rule or family of rules, found by the rule's id.
//
// To add a rule, write a file with its Rule value, name it in All, and add testdata/rules/<id>.txtar with a hub that
// breaks it and the findings that it must give.
package rule

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/ignore"
	"github.com/jina/hub-publish/internal/manifest"
	"github.com/jina/hub-publish/internal/wording"
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
	// makes (the build, the usage tests, the publication).
	Check func(*Pass)
}

// All are the rules in the order of the README.
var All = []*Rule{
	bundlePlacement,
	bundleMissingFile,
	bundleNested,
	bundleDuplicateImage,
	bundleSymlink,
	manifestSyntax,
	manifestRequired,
	manifestValueType,
	manifestName,
	manifestKind,
	manifestType,
	manifestVersion,
	manifestURL,
	manifestLicense,
	manifestKeywords,
	manifestImageName,
	manifestUnknownKey,
	bundleNameMismatch,
	versionNotBumped,
	VersionPublished,
	versionSkipped,
	dockerfileSyntax,
	dockerfileUnsupported,
	dockerfileCopySource,
	dockerfileEntrypoint,
	requirementsSyntax,
	configSyntax,
	usageSyntax,
	bundleLargeFile,
	bundleRecommendedFile,
	CommitConventional,
	ignoreDirective,
	BuildFailed,
	ImageEntrypoint,
	UsageRun,
	UsageCLI,
	UsageFlow,
	UsageOwn,
	PublishApproval,
	PublishExists,
	PublishFailed,
}

// IDs are the ids of all rules.
func IDs() []string {
	ids := make([]string, len(All))
	for i, r := range All {
		ids[i] = r.ID
	}
	return ids
}

// Pass is one rule's look at one bundle.
type Pass struct {
	*Checker
	*hub.Bundle

	rule     *Rule
	shared   *shared
	findings []finding.Finding
}

// shared is what several rules need of a bundle, read when the first one does.
type shared struct {
	files      func() []hub.File
	dockerfile func() (*dockerfile.File, error)
}

// Report adds a finding at a place in a file.
func (p *Pass) Report(file string, at finding.Range, format string, args ...any) {
	p.add(p.rule.Finding(file, at, format, args...))
}

// maxFindings is how many findings of one rule a bundle has at the most, as many as GitHub takes of all: only a hostile
// file has more.
const maxFindings = 25_000

func (p *Pass) add(f finding.Finding) {
	if len(p.findings) < maxFindings {
		p.findings = append(p.findings, f)
	}
}

// Mend adds a finding at a value that another text is certain to mend.
func (p *Pass) Mend(file string, at finding.Range, text, format string, args ...any) {
	f := p.rule.Finding(file, at, format, args...)
	if at.EndLine == at.Line && at.EndColumn > 0 {
		f.Fix = &finding.Fix{Range: at, Text: text}
	}
	p.add(f)
}

// Finding is a finding of this rule.
func (r *Rule) Finding(file string, at finding.Range, format string, args ...any) finding.Finding {
	return finding.New(r.ID, r.Severity, file, at, fmt.Sprintf(format, args...))
}

// Checker runs the rules on the bundles of a hub.
type Checker struct {
	Hub    *hub.Hub
	Config *config.Config

	ids    []string
	images func() map[string][]*hub.Bundle
	// bundles tells of directories whether they are bundles.
	bundles sync.Map
}

// NewChecker is a checker of these bundles of a hub.
func NewChecker(h *hub.Hub, c *config.Config, bundles []*hub.Bundle) *Checker {
	return &Checker{Hub: h, Config: c, ids: IDs(), images: sync.OnceValue(func() map[string][]*hub.Bundle { return sharedImages(h, bundles) })}
}

// Check runs every rule on a bundle that stands at the head, and returns the findings sorted. What the hub has turned off
// is not among them.
func (c *Checker) Check(b *hub.Bundle) []finding.Finding {
	read := c.reader(b)
	s := &shared{}
	s.files = sync.OnceValue(func() []hub.File {
		files, _ := c.Hub.Files(b.Path) // what cannot be listed cannot be checked either
		return files
	})
	s.dockerfile = sync.OnceValues(func() (*dockerfile.File, error) { return c.parseDockerfile(b, read) })
	var all []finding.Finding
	for _, r := range All {
		if r.Check == nil {
			continue
		}
		pass := &Pass{Checker: c, Bundle: b, rule: r, shared: s}
		r.Check(pass)
		all = append(all, pass.findings...)
	}
	all = c.weigh(ignore.Apply(all, read, c.ids, b.ManifestPath(), b.DockerfilePath()))
	finding.Sort(all)
	return all
}

// reader reads a file of the hub, and those of a bundle that several ask for only once.
func (c *Checker) reader(b *hub.Bundle) func(file string) ([]byte, error) {
	dockerfile := sync.OnceValues(func() ([]byte, error) { return c.Hub.Read(b.DockerfilePath()) })
	return func(file string) ([]byte, error) {
		switch {
		case file == b.DockerfilePath():
			return dockerfile()
		case file == b.ManifestPath() && b.Manifest != nil:
			return b.Manifest.Data(), nil
		}
		return c.Hub.Read(file)
	}
}

// Later does with findings of later parts of the run what Check does with its own: the hub's severities hold, and comments
// in the files let pass what they name.
func (c *Checker) Later(findings ...finding.Finding) []finding.Finding {
	return c.weigh(ignore.Mark(findings, c.Hub.Read))
}

// weigh gives findings the severities that the hub has set, and leaves out those of rules that it has turned off.
func (c *Checker) weigh(findings []finding.Finding) []finding.Finding {
	weighed := findings[:0]
	for _, f := range findings {
		if f.Severity = c.Config.Severity(f.Rule, f.File, f.Severity); f.Severity != finding.Off {
			weighed = append(weighed, f)
		}
	}
	return weighed
}

// files are the bundle's files.
func (p *Pass) files() []hub.File { return p.shared.files() }

// dockerfile is the bundle's parsed Dockerfile.
func (p *Pass) dockerfile() (*dockerfile.File, error) { return p.shared.dockerfile() }

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
	const message = "%s %q is not allowed;%s it must be one of %s"
	args := []any{key, wording.Shorten(f.Text()), wording.DidYouMean(f.Text(), allowed), wording.List(allowed)}
	if n := wording.Nearest(f.Text(), allowed); n != "" {
		p.Mend(p.ManifestPath(), f.At, n, message, args...)
	} else {
		p.Report(p.ManifestPath(), f.At, message, args...)
	}
}

// blank reports whether a field holds nothing that a reader would see.
func blank(f manifest.Field) bool { return strings.TrimSpace(f.Text()) == "" }
