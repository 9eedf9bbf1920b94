// Package pipeline is the way of a run: select the bundles, check them, build them, publish them, and fill the report.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/catalog"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
	"github.com/jina/hub-publish/internal/selection"
	"github.com/jina/hub-publish/internal/usage"
)

// Run is one run.
type Run struct {
	Inputs *input.Inputs
	Event  event.Event
	// Dir is the repository's top directory, and Files the same as a file system that ends there.
	Dir        string
	Files      fs.FS
	Repository *history.Repository
	// API is asked where the checkout does not reach.
	API compare.API
	// SourceURL is the address of the repository's files at this commit; empty where it is not known.
	SourceURL string
	// RepositoryURL is the address of the repository; empty where it is not known.
	RepositoryURL string
	// Origin says where the run takes place, for the provenance.
	Origin Origin
	Log    *report.Log
	// Approvals is asked how what is published was approved; nil outside of GitHub.
	Approvals Approvals
	// Pace is how registries are waited for; zero is the default.
	Pace registry.Pace
	// Store is a directory in which base images stay for later runs; empty where there is no later run.
	Store string

	// Catalog has all bundles of the hub, once the run has found them; nil where it need not.
	Catalog *catalog.Catalog

	hub        *hub.Hub
	comparison *compare.Comparison
	checker    *rule.Checker
	bundles    []*hub.Bundle
	report     *report.Report
	registry   *registry.Client
	publisher  *publish.Publisher

	// root is held by the bundle that is built and tried in place.
	root sync.Mutex
	// opening is held while the builder is opened.
	opening sync.Mutex
	builder *builder.Builder
	// contexts are what the images are made of, by the bundles' paths, once there is a builder.
	contexts map[string]*builder.Context
	// usage are the images' usage tests, likewise.
	usage map[string][]usage.Test
	// created is when the commit was made.
	created time.Time
}

// Do does the run. The report is never nil, and has what was found out before an error: an error is what kept the run
// from its work, not a finding.
func (r *Run) Do(ctx context.Context) (*report.Report, error) {
	r.report = report.New()
	mode := r.mode()
	r.report.Mode = string(mode)
	err := r.connect()
	if err == nil {
		defer r.registry.Close()
		err = r.do(ctx, mode)
	}
	if err != nil {
		r.report.Error = err.Error()
		return r.report, err
	}
	return r.report, nil
}

// mode is the mode that auto stands for at this event.
func (r *Run) mode() input.Mode {
	if r.Inputs.Mode != input.Auto {
		return r.Inputs.Mode
	}
	publishBranch := r.Inputs.PublishBranch
	if publishBranch == "" {
		publishBranch = r.Event.DefaultBranch
	}
	switch {
	case r.Event.Name == "pull_request", r.Event.Name == "merge_group":
		return input.Build
	case r.Event.Name == "push" && publishBranch != "" && r.Event.Branch() == publishBranch:
		return input.Publish
	default:
		return input.Check
	}
}

func (r *Run) do(ctx context.Context, mode input.Mode) error {
	c, err := r.config()
	if err != nil {
		return err
	}
	if r.hub, err = hub.Open(r.Files, r.Inputs.Root, c); err != nil {
		return err
	}
	if mode == input.Summary {
		if err := r.summarize(ctx); err != nil {
			return err
		}
		return r.catalogue(ctx, mode)
	}
	if r.bundles, err = r.selectBundles(ctx); err != nil {
		return err
	}
	for _, b := range r.bundles {
		r.report.Bundles = append(r.report.Bundles, r.entry(b))
	}
	if mode == input.Plan {
		return r.catalogue(ctx, mode)
	}
	r.checker = rule.NewChecker(r.hub, c, r.bundles)
	r.checkAll()
	r.checkCommits(ctx)
	if mode != input.Publish {
		r.checkPublished(ctx)
	}
	if mode == input.Build || mode == input.Publish {
		if err := r.produce(ctx, mode); err != nil {
			return err
		}
	}
	return r.catalogue(ctx, mode)
}

// produce makes the images, and publishes them if that is the mode.
func (r *Run) produce(ctx context.Context, mode input.Mode) error {
	defer func() {
		if r.builder != nil {
			_ = r.builder.Close()
		}
	}()
	if mode == input.Publish {
		return r.publishAll(ctx)
	}
	return r.each(ctx, func(ctx context.Context, i int) error { return r.try(ctx, r.bundles[i], r.report.Bundles[i]) })
}

// each does something for each bundle that is there, for as many at a time as builds may run.
func (r *Run) each(ctx context.Context, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.jobs())
	for i, b := range r.bundles {
		if !b.Removed {
			group.Go(func() error {
				if err := context.Cause(ctx); err != nil {
					return err
				}
				return do(ctx, i)
			})
		}
	}
	return group.Wait()
}

// jobs is how many bundles are built at a time.
func (r *Run) jobs() int {
	if r.Inputs.Jobs > 0 {
		return r.Inputs.Jobs
	}
	return runtime.NumCPU()
}

func (r *Run) selectBundles(ctx context.Context) ([]*hub.Bundle, error) {
	c, err := compare.Find(ctx, r.Event, r.Repository, r.API)
	if err != nil {
		return nil, err
	}
	r.comparison = c
	r.report.Base, r.report.Head = c.Base, c.Head
	if r.created, err = r.timeOf(c.Head); err != nil {
		return nil, err
	}
	bundles, err := selection.Select(ctx, r.hub, c, r.Inputs.Bundles)
	if err != nil {
		return nil, err
	}
	if slices.Equal(r.Inputs.Bundles, []string{selection.Missing}) {
		if bundles, err = r.missing(ctx, bundles); err != nil {
			return nil, err
		}
	}
	r.Log.Printf("%s", c.How)
	if len(bundles) == 0 {
		r.Log.Printf("No bundle changed: nothing to do.")
	}
	return bundles, nil
}

// timeOf is when a commit was made.
func (r *Run) timeOf(commit string) (time.Time, error) {
	seconds, err := r.Repository.Time(commit)
	return time.Unix(seconds, 0), err
}

// entry begins a bundle's part of the report.
func (r *Run) entry(b *hub.Bundle) *report.Bundle {
	entry := &report.Bundle{
		Path: b.Path, Name: b.Text("name"), Kind: b.Text("kind"), Type: b.Text("type"), Version: b.Text("version"), Status: report.Checked,
		Seconds: map[string]float64{}, Findings: []finding.Finding{}, Published: []report.Publication{},
	}
	if b.Removed {
		entry.Status = report.Removed
	}
	if targets, err := r.targets(b); err == nil {
		entry.Image = familiar(targets[0].Reference())
	}
	return entry
}

// config is the hub's configuration; the default one where it has no file.
func (r *Run) config() (*config.Config, error) {
	f, err := r.Files.Open(r.Inputs.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return config.Default(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("input config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("input config: read %s: %w", r.Inputs.Config, err)
	}
	c, err := config.Parse(data, rule.IDs())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Inputs.Config, err)
	}
	return c, nil
}

// checkAll checks the bundles, several at a time.
func (r *Run) checkAll() {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range r.bundles {
		if !b.Removed {
			group.Go(func() error {
				start := time.Now()
				entry := r.report.Bundles[i]
				entry.Findings = append(entry.Findings, r.checker.Check(b)...)
				entry.Took("check", time.Since(start))
				return nil
			})
		}
	}
	_ = group.Wait()
	for _, entry := range r.report.Bundles {
		r.judge(entry)
	}
}

// judge fails a bundle whose findings do.
func (r *Run) judge(entry *report.Bundle) {
	if r.fails(entry.Findings) {
		entry.Status = report.Failed
	}
}

// fails reports whether one of the findings is at or above fail-on.
func (r *Run) fails(findings []finding.Finding) bool {
	switch r.Inputs.FailOn {
	case input.FailOnNever:
		return false
	case input.FailOnWarning:
		return finding.Count(findings, finding.Error)+finding.Count(findings, finding.Warning) > 0
	default:
		return finding.Count(findings, finding.Error) > 0
	}
}

// Failed reports whether a report's findings or bundles fail the run.
func (r *Run) Failed() bool {
	return r.Inputs.FailOn != input.FailOnNever && (len(r.report.Paths(report.Failed)) > 0 || r.fails(r.report.Findings))
}

// try builds a bundle's image and tries it, and publishes nothing. An error ends the run; what is the bundle's own fault
// becomes a finding.
func (r *Run) try(ctx context.Context, b *hub.Bundle, entry *report.Bundle) error {
	w := r.work(b, entry)
	defer w.close()
	if !r.buildable(b, entry) {
		return nil
	}
	_, err := w.build(ctx, nil)
	return err
}

// work is what a run does for one bundle.
type work struct {
	*Run
	bundle *hub.Bundle
	entry  *report.Bundle
	log    *report.Section
	steps  []builder.Step

	// tree is the git tree hash of what the image is made from.
	tree string
	// holdings are what the registries hold, in the order of the input.
	holdings []*holding
	// refusals say why it is not published, or not everywhere.
	refusals []finding.Finding
	image    *builder.Image
}

func (r *Run) work(b *hub.Bundle, entry *report.Bundle) *work {
	return &work{Run: r, bundle: b, entry: entry, log: r.Log.Open(b.Path)}
}

// close ends what is said of the bundle.
func (w *work) close() {
	for _, f := range w.refusals {
		add(w.entry, f)
	}
	if w.image != nil {
		_ = w.builder.Forget(w.image)
	}
	w.log.Close(w.table()...)
}

// buildable reports whether a build of the bundle would tell anything beyond what the checks have told.
func (r *Run) buildable(b *hub.Bundle, entry *report.Bundle) bool {
	return r.hub.Has(b.Path, hub.Dockerfile) && !slices.ContainsFunc(entry.Findings, func(f finding.Finding) bool {
		return f.File == b.DockerfilePath() && f.Severity == finding.Error && f.Ignored == ""
	})
}

// add puts a finding to a bundle. A failed build or publication fails it whatever fail-on says.
func add(entry *report.Bundle, f finding.Finding) {
	entry.Findings = append(entry.Findings, f)
	entry.Status = report.Failed
}

// dir is a bundle's directory on this machine.
func (r *Run) dir(b *hub.Bundle) string { return filepath.Join(r.Dir, filepath.FromSlash(b.Path)) }

// versionAt is where a finding about a bundle's version belongs.
func versionAt(b *hub.Bundle) (file string, at finding.Range) {
	at = finding.Line(1)
	if f, ok := b.Manifest.Field("version"); ok && !f.IsNull() {
		at = f.At
	}
	return path.Join(b.Path, "manifest.yml"), at
}
