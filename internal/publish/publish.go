// Package publish is the only part of a run that writes to the world: it pushes an image and its tags. A version that
// is in the registry is never overwritten.
package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/jina/hub-publish/internal/hub"
)

// TreeLabel is the image label with the git tree hash of the directory that the image was made from.
const TreeLabel = "ai.jina.hub.tree"

// Target is where one bundle's image goes.
type Target struct {
	Repository name.Repository
	// Version is the bundle's version.
	Version *semver.Version
	// Tags are the templates of the tags to set; one of them has the whole version.
	Tags []Template
	// Facts fill the templates' places that do not come from the version.
	Facts Facts
}

// Reference is the image by the first tag that holds its whole version.
func (t Target) Reference() name.Tag {
	for _, template := range t.Tags {
		if template.Fixed() {
			return t.Repository.Tag(template.Expand(t.Version, t.Facts))
		}
	}
	return t.Repository.Tag(hub.Tag(t.Version.Original()))
}

// Registry reads and writes one or more registries' repositories.
type Registry struct {
	Keychain authn.Keychain

	once   sync.Once
	pusher *remote.Pusher
}

func (r *Registry) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(r.Keychain)}
}

// push uses one pusher for the whole run: it logs in to a repository once, and sends no blob twice.
func (r *Registry) push(ctx context.Context, do func(*remote.Pusher) error) error {
	var err error
	r.once.Do(func() { r.pusher, err = remote.NewPusher(r.options(ctx)...) })
	if err != nil {
		return err
	}
	return do(r.pusher)
}

// Upload sends a layer ahead of the image that it belongs to. Nobody can pull it before Push.
func (r *Registry) Upload(ctx context.Context, t Target, layer v1.Layer) error {
	return r.push(ctx, func(p *remote.Pusher) error { return p.Upload(ctx, t.Repository, layer) })
}

// State is what a registry holds of a version.
type State struct {
	// Exists reports that the version's tag is there.
	Exists bool
	// Digest is the manifest's digest.
	Digest v1.Hash
	// Tree is the git tree hash that the image says it was made from; empty where it does not say.
	Tree string
	// Image is a handle on what the tag names, for Tag.
	Image remote.Taggable
}

// Look asks what the registry holds of the target's version.
func (r *Registry) Look(ctx context.Context, t Target) (State, error) {
	descriptor, err := read(ctx, r, t, func(o ...remote.Option) (*remote.Descriptor, error) { return remote.Get(t.Reference(), o...) })
	if isNotFound(err) {
		return State{}, nil
	}
	if err != nil {
		return State{}, explain(t, "ask for "+t.Reference().Name(), err)
	}
	s := State{Exists: true, Digest: descriptor.Digest, Image: descriptor}
	img, err := descriptor.Image()
	if err != nil {
		return s, nil // an index of somebody else's: it has no label
	}
	config, err := img.ConfigFile()
	if err != nil {
		return s, explain(t, "read the labels of "+t.Reference().Name(), err)
	}
	s.Tree = config.Config.Labels[TreeLabel]
	return s, nil
}

// read asks the registry something. Docker Hub answers "denied" to who asks to read a repository that is not there yet,
// and "not found" to the same user who asks to write: a refused reader asks again as a writer.
func read[T any](ctx context.Context, r *Registry, t Target, ask func(...remote.Option) (T, error)) (T, error) {
	answer, err := ask(r.options(ctx)...)
	if !isDenied(err) {
		return answer, err
	}
	credentials, resolveErr := authn.Resolve(ctx, r.Keychain, t.Repository)
	if resolveErr != nil || credentials == authn.Anonymous {
		return answer, err
	}
	writer, writerErr := transport.NewWithContext(ctx, t.Repository.Registry, credentials, remote.DefaultTransport, []string{t.Repository.Scope(transport.PushScope)})
	if writerErr != nil {
		return answer, err
	}
	return ask(remote.WithContext(ctx), remote.WithTransport(writer))
}

// CheckPermission reports whether the credentials may push, without pushing anything.
func (r *Registry) CheckPermission(t Target) error {
	if err := remote.CheckPushPermission(t.Reference(), r.Keychain, remote.DefaultTransport); err != nil {
		return explain(t, "push to "+t.Repository.Name(), err)
	}
	return nil
}

// Push pushes the image by its digest, then its version's tag, then the moving tags; nobody can pull half of it. It
// returns the tags that now name the image.
func (r *Registry) Push(ctx context.Context, t Target, img v1.Image) (v1.Hash, []string, error) {
	digest, err := img.Digest()
	if err != nil {
		return digest, nil, err
	}
	if err := r.push(ctx, func(p *remote.Pusher) error { return p.Push(ctx, t.Repository.Digest(digest.String()), img) }); err != nil {
		return digest, nil, explain(t, "push "+t.Repository.Name(), err)
	}
	tags, err := r.Tag(ctx, t, img)
	return digest, tags, err
}

// Tag sets the target's tags on an image that is in the registry: the version's own, and each moving tag that no higher
// version holds. A pre-release moves none.
func (r *Registry) Tag(ctx context.Context, t Target, img remote.Taggable) ([]string, error) {
	manifest, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(manifest))
	if err != nil {
		return nil, err
	}
	set := func(tag string, fixed bool) error {
		there, err := read(ctx, r, t, func(o ...remote.Option) (*v1.Descriptor, error) { return remote.Head(t.Repository.Tag(tag), o...) })
		switch {
		case err == nil && there.Digest == digest:
			return nil
		case err == nil && fixed:
			return fmt.Errorf("the tag %s names another image already (%s); it is not overwritten", t.Repository.Tag(tag).Name(), there.Digest)
		case err != nil && !isNotFound(err): // what cannot be seen is not overwritten
			return explain(t, "ask for "+t.Repository.Tag(tag).Name(), err)
		}
		if err := remote.Tag(t.Repository.Tag(tag), img, r.options(ctx)...); err != nil {
			return explain(t, "set the tag "+t.Repository.Tag(tag).Name(), err)
		}
		return nil
	}
	tags := t.fixed()
	for i, tag := range tags {
		if err := set(tag, true); err != nil {
			return tags[:i], err
		}
	}
	moving, err := r.moving(ctx, t)
	if err != nil {
		return tags, err
	}
	for _, tag := range moving {
		if err := set(tag, false); err != nil {
			return tags, err
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// Plan are the tags that a publication would set: those of the version, which never move, and those that would move.
func (r *Registry) Plan(ctx context.Context, t Target) (tags, moves []string, err error) {
	moves, err = r.moving(ctx, t)
	return t.fixed(), moves, err
}

// fixed are the tags with the whole version.
func (t Target) fixed() []string {
	var tags []string
	for _, template := range t.Tags {
		if template.Fixed() {
			tags = append(tags, template.Expand(t.Version, t.Facts))
		}
	}
	return tags
}

// moving are the other tags, as far as no higher version holds them. A pre-release has none.
func (r *Registry) moving(ctx context.Context, t Target) ([]string, error) {
	if t.Version.Prerelease() != "" || !slices.ContainsFunc(t.Tags, func(t Template) bool { return !t.Fixed() }) {
		return nil, nil
	}
	others, err := r.versions(ctx, t)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, template := range t.Tags {
		tag := template.Expand(t.Version, t.Facts)
		higher := slices.ContainsFunc(others, func(v *semver.Version) bool {
			return v.GreaterThan(t.Version) && template.Expand(v, t.Facts) == tag
		})
		if !template.Fixed() && !higher {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// versions are the released versions that the repository has tags of, by the target's templates.
func (r *Registry) versions(ctx context.Context, t Target) ([]*semver.Version, error) {
	tags, err := read(ctx, r, t, func(o ...remote.Option) ([]string, error) { return remote.List(t.Repository, o...) })
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(t, "list the tags of "+t.Repository.Name(), err)
	}
	var versions []*semver.Version
	for _, template := range t.Tags {
		if !template.Fixed() {
			continue
		}
		for _, tag := range tags {
			if v, ok := template.versionOf(tag); ok && v.Prerelease() == "" {
				versions = append(versions, v)
			}
		}
	}
	return versions, nil
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

func isDenied(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}

// explain adds to the registry's own words what to check.
func explain(t Target, what string, err error) error {
	hint := ""
	var answer *transport.Error
	if errors.As(err, &answer) {
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			hint = fmt.Sprintf("; check that the inputs username and password (a token that may write) belong to %s and may push to %s", t.Repository.RegistryStr(), t.Repository.RepositoryStr())
		case http.StatusTooManyRequests:
			hint = "; the registry limits how often it answers: run this job again later, or log in"
		}
	} else {
		hint = fmt.Sprintf("; check that the input registry names a registry that this runner reaches (%s)", t.Repository.RegistryStr())
	}
	return fmt.Errorf("%s: %w%s", what, err, hint)
}
