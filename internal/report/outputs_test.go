package report_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/jina/hub-publish/internal/report"
)

// TestMatrix: GitHub refuses a matrix of more than 256 jobs, so that beyond that a job has several bundles.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ bundles, jobs, each int }{{0, 0, 0}, {1, 1, 1}, {256, 256, 1}, {257, 129, 2}, {1000, 250, 4}} {
		t.Run(fmt.Sprint(test.bundles), func(t *testing.T) {
			t.Parallel()
			var r report.Report
			for i := range test.bundles {
				r.Bundles = append(r.Bundles, &report.Bundle{Path: fmt.Sprintf("encoders/E%d", i), Name: fmt.Sprintf("E%d", i), Version: "0.1.0", Image: "jinahub/e", Status: report.Checked})
			}
			r.Bundles = append(r.Bundles, &report.Bundle{Path: "encoders/Gone", Status: report.Removed})
			values, err := r.Values()
			if err != nil {
				t.Fatal(err)
			}
			var matrix struct {
				Include []struct{ Bundle, Name string }
			}
			if err := json.Unmarshal([]byte(values["matrix"]), &matrix); err != nil {
				t.Fatal(err)
			}
			if matrix.Include == nil || len(matrix.Include) != test.jobs {
				t.Fatalf("%d jobs, want %d", len(matrix.Include), test.jobs)
			}
			all := 0
			for i, job := range matrix.Include {
				paths := []string{job.Bundle}
				if test.each > 1 && len(job.Bundle) > 0 && job.Bundle[0] == '[' {
					if err := json.Unmarshal([]byte(job.Bundle), &paths); err != nil {
						t.Fatal(err)
					}
				}
				if len(paths) != test.each && i < test.jobs-1 || paths[0] != fmt.Sprintf("encoders/E%d", all) {
					t.Errorf("job %d has the bundles %q", i, paths)
				}
				all += len(paths)
			}
			if all != test.bundles {
				t.Errorf("%d bundles have a job", all)
			}
		})
	}
}
