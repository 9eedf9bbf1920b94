package report

import (
	"encoding/json"
	"strconv"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
)

// Output describes one of the action's outputs.
type Output struct{ Name, About string }

// Outputs are the action's outputs in the order of the README.
var Outputs = []Output{
	{"bundles", "JSON list of the selected bundles' paths."},
	{"matrix", "JSON for `strategy.matrix`: `{\"include\":[{\"bundle\",\"name\",\"version\",\"image\"}]}`."},
	{"published", "JSON list: `{\"bundle\",\"image\",\"version\",\"digest\",\"tags\":[…],\"existed\":bool}`."},
	{"failed", "JSON list of the paths of the bundles that failed."},
	{"errors", "How many errors were found."},
	{"warnings", "How many warnings were found."},
	{"catalog", "Path, inside the workspace, of the JSON catalog of all bundles."},
	{"report", "Path, inside the workspace, of the JSON report."},
}

// matrixEntry is one job of a matrix over the bundles.
type matrixEntry struct {
	Bundle  string `json:"bundle"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Image   string `json:"image"`
}

// Values are the outputs' values by name, each one line; the report's path is the caller's.
func (r *Report) Values() (map[string]string, error) {
	matrix := struct {
		Include []matrixEntry `json:"include"`
	}{[]matrixEntry{}}
	for _, b := range r.Bundles {
		if b.Status != Removed {
			matrix.Include = append(matrix.Include, matrixEntry{b.Path, b.Name, b.Version, b.Image})
		}
	}
	all := r.All()
	outputs := map[string]string{
		"errors":   strconv.Itoa(finding.Count(all, finding.Error)),
		"warnings": strconv.Itoa(finding.Count(all, finding.Warning)),
	}
	for name, value := range map[string]any{
		"bundles": r.Paths(Checked, Built, Published, Unchanged, Failed), "matrix": matrix, "published": r.Publications(), "failed": r.Paths(Failed),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		outputs[name] = string(text)
	}
	return outputs, nil
}

// SetOutputs hands the outputs to later steps.
func SetOutputs(action *githubactions.Action, outputs map[string]string) {
	for name, value := range outputs {
		action.SetOutput(name, value)
	}
}
