package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/demo"
)

func runDemo(ctx context.Context, args []string, e Environment) (int, error) {
	if len(args) > 0 {
		return Wrong, fmt.Errorf("demo takes no arguments, but got %q", args)
	}
	err := (&demo.Demo{Out: e.Out, Color: e.color(), Sample: e.Sample}).Run(ctx)
	switch {
	case errors.Is(err, builder.ErrNoPlace):
		return Wrong, fmt.Errorf("%w\n\nWithout a build, the checks alone can be seen on a hub of yours: go run . check --bundles all", err)
	case err != nil:
		return Failed, err
	}
	return OK, nil
}
