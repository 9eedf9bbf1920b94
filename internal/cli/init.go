package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
)

// begins writes the configuration file of a hub that begins to be checked. One that is there is not overwritten.
func begins(ctx context.Context, r *pipeline.Run, e Environment) (int, error) {
	if _, err := fs.Stat(r.Files, r.Inputs.Config); !errors.Is(err, fs.ErrNotExist) {
		return Wrong, fmt.Errorf("%s is there already; remove it, or name another file with --config", r.Inputs.Config)
	}
	result, err := r.Do(ctx)
	if err != nil {
		return Wrong, err
	}
	failOn := finding.Error
	if r.Inputs.FailOn == input.FailOnWarning {
		failOn = finding.Warning
	}
	path := filepath.Join(r.Dir, filepath.FromSlash(r.Inputs.Config))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return Wrong, err
	}
	all := result.All()
	if err := os.WriteFile(path, config.Init(all, failOn), 0o644); err != nil {
		return Wrong, err
	}
	fmt.Fprintf(e.Out, "%s lets pass what is wrong with the hub today: %d errors and %d warnings were found in %d bundles. Commit it.\n",
		r.Inputs.Config, finding.Count(all, finding.Error), finding.Count(all, finding.Warning), len(result.Bundles))
	return OK, nil
}
