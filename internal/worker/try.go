package worker

import (
	"context"
	"slices"
	"strings"

	"github.com/jina/hub-publish/internal/sandbox"
	"github.com/jina/hub-publish/internal/trial"
	"github.com/jina/hub-publish/internal/user"
)

// triedHostname is the name of the machine that an image sees while it is tried; a container engine gives a random one.
const triedHostname = "hub-publish"

// try tries the build's image. The layers of the image are archives already, and stay as they are.
func (b *build) try(ctx context.Context, order trial.Order) (outcome *trial.Outcome, err error) {
	bounded, cancel := b.limited(ctx)
	defer cancel()
	out := &output{build: b, left: b.order.Limits.Output}
	defer out.close()
	err = b.place.try(bounded, b.id, b.image, func(root string, h trial.Host) error {
		identity, err := user.Lookup(root, order.Image.User)
		if err != nil {
			outcome = &trial.Outcome{Problem: err.Error()}
			return nil
		}
		dir := order.Image.Dir
		if dir == "" {
			dir = "/"
		}
		if err := makeWorkingDirectory(root, dir, b.order.Created); err != nil {
			return err
		}
		env := append(slices.Clone(order.Image.Env), "HOSTNAME="+triedHostname)
		if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
			env = append(env, defaultPath)
		}
		h.Output = out
		outcome, err = trial.Run(bounded, order, sandbox.Process{Root: root, Env: env, Dir: dir, User: identity, Hostname: triedHostname, Network: true}, h)
		return err
	})
	if cause := context.Cause(bounded); err != nil && cause != nil && ctx.Err() == nil {
		return &trial.Outcome{Problem: cause.Error()}, nil // it went beyond a limit
	}
	return outcome, err
}
