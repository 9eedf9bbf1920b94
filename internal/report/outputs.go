package report

import (
	"encoding/json"
	"strconv"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
)

// matrixEntry is one job of a matrix over the bundles.
type matrixEntry struct {
	Bundle  string `json:"bundle"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Image   string `json:"image"`
}

// Outputs are the action's outputs by name, each one line.
func (r *Report) Outputs() (map[string]string, error) {
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
