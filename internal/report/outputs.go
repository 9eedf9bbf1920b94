package report

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
)

// Output describes one of the action's outputs.
type Output struct{ Name, About string }

// Outputs are the action's outputs in the order of the README.
var Outputs = []Output{
	{"bundles", "JSON list of the selected bundles' paths."},
	{"matrix", "JSON for `strategy.matrix`: `{\"include\":[{\"bundle\",\"name\",\"version\",\"image\"}]}`; of more than 256 bundles, several a job."},
	{"published", "JSON list: `{\"bundle\",\"image\",\"version\",\"digest\",\"tags\":[…],\"existed\":bool}`."},
	{"failed", "JSON list of the paths of the bundles that failed."},
	{"errors", "How many errors were found."},
	{"warnings", "How many warnings were found."},
	{"catalog", "Path, inside the workspace, of the JSON catalog of all bundles; of a run that publishes, puts reports together, or is for `all` bundles."},
	{"report", "Path, inside the workspace, of the JSON report."},
}

// matrixEntry is one job of a matrix over the bundles.
type matrixEntry struct {
	Bundle  string `json:"bundle"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Image   string `json:"image"`
}

// maxJobs is how many jobs GitHub makes of a matrix at the most
// (https://docs.github.com/en/actions/reference/limits).
const maxJobs = 256

// matrix has a job a bundle. Where these are too many, a job has several bundles: their paths are a JSON list then, as the
// input bundles takes them, and what else it says is that of each, separated by commas.
func matrix(bundles []*Bundle) ([]matrixEntry, error) {
	entries := []matrixEntry{}
	for some := range slices.Chunk(bundles, max(1, (len(bundles)+maxJobs-1)/maxJobs)) {
		var paths, names, versions, images []string
		for _, b := range some {
			paths, names, versions, images = append(paths, b.Path), append(names, b.Name), append(versions, b.Version), append(images, b.Image)
		}
		path := paths[0]
		if len(paths) > 1 {
			list, err := json.Marshal(paths)
			if err != nil {
				return nil, err
			}
			path = string(list)
		}
		entries = append(entries, matrixEntry{path, strings.Join(names, ", "), strings.Join(versions, ", "), strings.Join(images, ", ")})
	}
	return entries, nil
}

// Values are the outputs' values by name, each one line; the report's path is the caller's.
func (r *Report) Values() (map[string]string, error) {
	var bundles []*Bundle
	for _, b := range r.Bundles {
		if b.Status != Removed {
			bundles = append(bundles, b)
		}
	}
	entries, err := matrix(bundles)
	if err != nil {
		return nil, err
	}
	all := r.All()
	outputs := map[string]string{
		"errors":   strconv.Itoa(finding.Count(all, finding.Error)),
		"warnings": strconv.Itoa(finding.Count(all, finding.Warning)),
	}
	for name, value := range map[string]any{
		"bundles": r.Paths(Checked, Built, Published, Unchanged, Failed), "matrix": map[string]any{"include": entries}, "published": r.Publications(), "failed": r.Paths(Failed),
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
