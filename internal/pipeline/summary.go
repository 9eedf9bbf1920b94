package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// summarize puts the reports of other jobs together into this run's, and finishes what one job alone can do.
func (r *Run) summarize(ctx context.Context) error {
	var err error
	if r.comparison, err = compare.Find(ctx, r.Event, r.Repository, r.API); err != nil {
		return err
	}
	reports, err := r.readReports()
	if err != nil {
		return err
	}
	merged, err := report.Merge(reports)
	if err != nil {
		return fmt.Errorf("input reports: %w", err)
	}
	if merged.Head != "" && merged.Head != r.comparison.Head {
		return fmt.Errorf("input reports: they are of commit %.10s, but %.10s is checked out; check out the commit that the jobs had", merged.Head, r.comparison.Head)
	}
	r.report.Bundles, r.report.Findings, r.report.Base, r.report.Head = merged.Bundles, merged.Findings, r.comparison.Base, r.comparison.Head
	if r.created, err = r.timeOf(r.comparison.Head); err != nil {
		return err
	}
	for _, path := range r.Inputs.Bundles {
		if !r.selects() && !slices.Contains(r.report.Paths(), path) {
			r.report.Findings = append(r.report.Findings, rule.PublishFailed.Finding("", finding.Range{}, "the job of %s left no report: see its log, and run the failed jobs again", path))
		}
	}
	if merged.Error != "" {
		r.report.Findings = append(r.report.Findings, rule.PublishFailed.Finding("", finding.Range{}, "a job ended before its work was done: %s", merged.Error))
	}
	return nil
}

// readReports reads the reports that the input names.
func (r *Run) readReports() ([]*report.Report, error) {
	var reports []*report.Report
	for _, pattern := range r.Inputs.Reports {
		files, err := doublestar.Glob(r.Files, pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
		if err != nil {
			return nil, fmt.Errorf("input reports: %q: %w", pattern, err)
		}
		slices.Sort(files)
		for _, file := range files {
			one, err := r.readReport(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			reports = append(reports, one)
		}
	}
	if len(reports) == 0 {
		return nil, errors.New("input reports: it names no file; download the reports of the other jobs into the workspace first, and name them, such as .hub-publish/reports/**/report.json")
	}
	return reports, nil
}

func (r *Run) readReport(file string) (*report.Report, error) {
	f, err := r.Files.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, &fs.PathError{Op: "read", Path: file, Err: errors.New("it is no regular file")})
	}
	data, err := io.ReadAll(io.LimitReader(f, report.MaxSize+1))
	if err != nil {
		return nil, err
	}
	return report.Read(data)
}
