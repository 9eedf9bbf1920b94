package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/go-digest"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

const (
	// MaxSize is the largest report that is read, in bytes. A bundle's part has some thousand.
	MaxSize = 64 << 20
	// maxObjects is how many objects a report may have: {} takes fifty times its size in memory, and those that are written
	// have more than 64 bytes.
	maxObjects = MaxSize / 64
	// maxPlace is more than any file that is checked has lines or columns.
	maxPlace = 2 * maxSource
	// maxSeconds is as long as a workflow run may take: 35 days.
	maxSeconds = 35 * 24 * 60 * 60
)

// Read reads a report that another job of the same workflow run wrote (WriteJSON), and refuses what is none. That job ran
// strangers' builds: what its report says has the form of a report's, so that it can be shown like one's own, but it is only
// what the job claims. Keys that are not known are left out.
func Read(data []byte) (*Report, error) {
	r, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("read a job's report: %w", err)
	}
	return r, nil
}

func read(data []byte) (*Report, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes; the limit is %d", len(data), MaxSize)
	}
	if n := objects(data); n > maxObjects {
		return nil, fmt.Errorf("it has %d objects; the limit is %d", n, maxObjects)
	}
	r, known := &Report{}, New().Version
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, short(err)
	}
	if head.Version != known {
		return nil, fmt.Errorf("its version is %d; this program knows version %d", head.Version, known)
	}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, short(err)
	}
	if err := r.validate(); err != nil {
		return nil, err
	}
	for _, b := range r.Bundles {
		b.fill()
	}
	return r, nil
}

// objects counts the objects of a JSON text.
func objects(data []byte) int {
	n, inText, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = inText
		case c == '"':
			inText = !inText
		case c == '{' && !inText:
			n++
		}
	}
	return n
}

// short is a decoder's error without the rest of a value that it quotes.
func short(err error) error { return errors.New(wording.Shorten(err.Error())) }

// fill makes empty lists and maps of those that are not there, as a run makes them.
func (b *Bundle) fill() {
	if b.Seconds == nil {
		b.Seconds = map[string]float64{}
	}
	if b.Findings == nil {
		b.Findings = []finding.Finding{}
	}
	if b.Published == nil {
		b.Published = []Publication{}
	}
	for i := range b.Published {
		if b.Published[i].Tags == nil {
			b.Published[i].Tags = []string{}
		}
	}
}

var (
	// modes are those in which a run can be: auto stands for one of them.
	modes = []string{"plan", "check", "build", "publish"}

	commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	ruleID     = regexp.MustCompile(`^[a-z]+/[a-z]+(-[a-z]+)*$`)
	// imageName is wider than the names that registries take, but holds nothing that a shell or Markdown would read: the
	// summary shows images in commands to copy.
	imageName = regexp.MustCompile(`^[a-zA-Z0-9[][a-zA-Z0-9._:/\[\]-]*:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	imageTag  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// validate holds a report that was read against what a run writes.
func (r *Report) validate() error {
	switch {
	case !slices.Contains(modes, r.Mode):
		return fmt.Errorf("its mode %q is not one of %s", wording.Shorten(r.Mode), wording.List(modes))
	case r.Base != "" && !commitHash.MatchString(r.Base):
		return fmt.Errorf("its base %q is not a commit's full hash", wording.Shorten(r.Base))
	case r.Head != "" && !commitHash.MatchString(r.Head):
		return fmt.Errorf("its head %q is not a commit's full hash", wording.Shorten(r.Head))
	case r.Bundles == nil:
		return errors.New("it has no list of bundles")
	case r.Findings == nil:
		return errors.New("it has no list of findings")
	}
	seen := make(map[string]bool, len(r.Bundles))
	for i, b := range r.Bundles {
		if b == nil || !isPath(b.Path) {
			return fmt.Errorf("its bundle number %d has no path in the repository", i+1)
		}
		if seen[b.Path] {
			return fmt.Errorf("bundle %q: it is there twice", wording.Shorten(b.Path))
		}
		seen[b.Path] = true
		if err := b.validate(); err != nil {
			return fmt.Errorf("bundle %q: %w", wording.Shorten(b.Path), err)
		}
	}
	return validateFindings(r.Findings)
}

// isPath reports whether a text is the path of something in the repository.
func isPath(p string) bool { return fs.ValidPath(p) && p != "." }

func (b *Bundle) validate() error {
	if icons[b.Status] == "" {
		return fmt.Errorf("there is no status %q", wording.Shorten(string(b.Status)))
	}
	if b.Image != "" && !imageName.MatchString(b.Image) {
		return fmt.Errorf("%q is not an image", wording.Shorten(b.Image))
	}
	for _, took := range b.Seconds {
		if !isTime(took) {
			return errNoTime
		}
	}
	for _, t := range b.Tests {
		if testIcons[t.Result] == "" {
			return fmt.Errorf("a usage test has no result %q", wording.Shorten(string(t.Result)))
		}
		if !isTime(t.Seconds) || !isTime(t.Ready) || !isTime(t.Stop) {
			return errNoTime
		}
	}
	for _, p := range b.Published {
		if err := p.validate(b); err != nil {
			return err
		}
	}
	return validateFindings(b.Findings)
}

var errNoTime = errors.New("a part of it took a time that no part can take")

func isTime(seconds float64) bool { return seconds >= 0 && seconds <= maxSeconds }

// validate holds a publication against what a run writes, and against the bundle that it belongs to.
func (p *Publication) validate(b *Bundle) error {
	if p.Bundle != b.Path || p.Version != b.Version {
		return fmt.Errorf("it has a publication of the version %q of %q", wording.Shorten(p.Version), wording.Shorten(p.Bundle))
	}
	if _, err := semver.StrictNewVersion(p.Version); err != nil {
		return fmt.Errorf("it has a publication of %q, which is not a semantic version", wording.Shorten(p.Version))
	}
	if !imageName.MatchString(p.Image) {
		return fmt.Errorf("it has a publication of %q, which is not an image", wording.Shorten(p.Image))
	}
	if _, err := digest.Parse(p.Digest); err != nil {
		return fmt.Errorf("%q is not a digest", wording.Shorten(p.Digest))
	}
	for _, tag := range p.Tags {
		if !imageTag.MatchString(tag) {
			return fmt.Errorf("%q is not a tag", wording.Shorten(tag))
		}
	}
	return nil
}

func validateFindings(findings []finding.Finding) error {
	for _, f := range findings {
		if !ruleID.MatchString(f.Rule) {
			return fmt.Errorf("a finding's rule %q is none", wording.Shorten(f.Rule))
		}
		if err := validateFinding(f); err != nil {
			return fmt.Errorf("a finding of %s: %w", wording.Shorten(f.Rule), err)
		}
	}
	return nil
}

func validateFinding(f finding.Finding) error {
	switch {
	case f.Severity != finding.Error && f.Severity != finding.Warning:
		return fmt.Errorf("there is no severity %q", wording.Shorten(string(f.Severity)))
	case f.File != "" && !isPath(f.File):
		return fmt.Errorf("%q is not a path in the repository", wording.Shorten(f.File))
	case f.Help != finding.New(f.Rule, f.Severity, f.File, f.Range, "").Help: // a link in what people see
		return fmt.Errorf("its help %q is not the rule's", wording.Shorten(f.Help))
	case !isPlace(f.Range):
		return fmt.Errorf("it stands at no place: %+v", f.Range)
	case f.Fix != nil && (!isPlace(f.Fix.Range) || f.Fix.Line == 0):
		return fmt.Errorf("its fix stands at no place: %+v", f.Fix.Range)
	}
	return nil
}

// isPlace reports whether a range can be one of a file, or is that of what stands in none.
func isPlace(at finding.Range) bool {
	for _, n := range []int{at.Line, at.Column, at.EndLine, at.EndColumn} {
		if n < 0 || n > maxPlace {
			return false
		}
	}
	switch {
	case at.EndLine == 0:
		return at.EndColumn == 0
	case at.EndLine == at.Line:
		return at.EndColumn == 0 || at.EndColumn >= at.Column
	}
	return at.EndLine > at.Line
}

// Merge puts the reports of a matrix's jobs together into one, with the bundles sorted by path. They must be of one run: mode,
// base and head agree. A report may lack base and head where its job stopped before it knew them.
//
// Of a bundle that several reports have, as when a job was run again, all is taken from the last of them. A report of which
// nothing is taken, though it has bundles, is that of an attempt that was repeated: its error does not count either. Findings
// that belong to no bundle, and errors, are there once.
func Merge(reports []*Report) (*Report, error) {
	if len(reports) == 0 {
		return nil, errors.New("merge reports: there is none")
	}
	first := max(0, slices.IndexFunc(reports, func(r *Report) bool { return !r.stoppedEarly() }))
	merged := New()
	merged.Mode, merged.Base, merged.Head = reports[first].Mode, reports[first].Base, reports[first].Head
	for i, r := range reports {
		if r.Mode != merged.Mode || !r.stoppedEarly() && (r.Base != merged.Base || r.Head != merged.Head) {
			return nil, fmt.Errorf("merge reports: number %d (%s) and number %d (%s) are of different runs", first+1, reports[first].run(), i+1, r.run())
		}
	}
	taken, repeated := map[string]bool{}, make([]bool, len(reports))
	for i, r := range slices.Backward(reports) {
		repeated[i] = len(r.Bundles) > 0
		for _, b := range r.Bundles {
			if !taken[b.Path] {
				taken[b.Path], repeated[i] = true, false
				merged.Bundles = append(merged.Bundles, b)
			}
		}
	}
	slices.SortFunc(merged.Bundles, func(a, b *Bundle) int { return cmp.Compare(a.Path, b.Path) })
	known := map[homeless]bool{}
	var wrong []string
	for i, r := range reports {
		for _, f := range r.Findings {
			if key := homelessOf(f); !known[key] {
				known[key] = true
				merged.Findings = append(merged.Findings, f)
			}
		}
		if r.Error != "" && !repeated[i] && !slices.Contains(wrong, r.Error) {
			wrong = append(wrong, r.Error)
		}
	}
	merged.Error = strings.Join(wrong, "; ")
	return merged, nil
}

// stoppedEarly reports whether the job's run ended before it knew its commits.
func (r *Report) stoppedEarly() bool { return r.Error != "" && r.Base == "" && r.Head == "" }

// run tells the report's run from another.
func (r *Report) run() string {
	return fmt.Sprintf("mode %s, base %.10s, head %.10s", wording.Shorten(r.Mode), cmp.Or(r.Base, "none"), cmp.Or(r.Head, "none"))
}

// homeless is a finding that can be compared with others.
type homeless struct {
	finding finding.Finding
	fix     finding.Fix
}

func homelessOf(f finding.Finding) homeless {
	h := homeless{finding: f}
	if f.Fix != nil {
		h.fix, h.finding.Fix = *f.Fix, nil
	}
	return h
}
