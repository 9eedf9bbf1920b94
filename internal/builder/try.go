package builder

import (
	"context"

	"github.com/jina/hub-publish/internal/trial"
	"github.com/jina/hub-publish/internal/usage"
)

// Try tries an image that this builder has built and not forgotten. What it prints is told to progress. Nothing of what it does
// becomes part of the image. The error is the machine's: an image that does not pass has an outcome.
func (b *Builder) Try(ctx context.Context, img *Image, test usage.Test, progress Progress) (*trial.Outcome, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c := file.Config
	outcome, err := b.worker.Try(ctx, img.build, trial.Order{Test: test, Image: trial.Image{
		Entrypoint: c.Entrypoint, Command: c.Cmd, Env: c.Env, Dir: c.WorkingDir, User: c.User, StopSignal: c.StopSignal,
	}}, progress.Output)
	if b.restore != nil {
		if restoreErr := b.restore(); restoreErr != nil {
			return nil, restoreErr // whatever became of the test: nothing may be handed over to later steps now
		}
	}
	return outcome, err
}
