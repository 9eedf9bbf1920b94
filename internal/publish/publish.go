// Package publish is the only part of a run that writes to the world: it pushes an image and its tags. A version that is
// in the registry is never overwritten; nobody can pull half of one; and a moving tag only ever moves forward.
package publish

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/artifact"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/registry"
)

// What an image says of where it comes from, in a label and, where it is an OCI image, in an annotation of its manifest.
const (
	// TreeLabel has the git tree hash of the directory that the image was made from.
	TreeLabel = "ai.jina.hub.tree"

	versionLabel  = "org.opencontainers.image.version"
	revisionLabel = "org.opencontainers.image.revision"
	createdLabel  = "org.opencontainers.image.created"
)

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

// Reference is the image by the first tag that tells its version and nothing else: it says whether a version is there.
func (t Target) Reference() name.Tag {
	for _, template := range t.Tags {
		if template.Identifies() {
			return t.Repository.Tag(template.Expand(t.Version, t.Facts))
		}
	}
	return t.Repository.Tag(hub.Tag(t.Version.Original()))
}

// fixed are the other tags that hold the whole version.
func (t Target) fixed() []string {
	var tags []string
	for _, template := range t.Tags {
		if tag := template.Expand(t.Version, t.Facts); template.Fixed() && tag != t.Reference().TagStr() && !(template.dated() && t.Facts == Facts{}) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// Publisher publishes to registries.
type Publisher struct{ Registry *registry.Client }

// State is what a registry holds of a version.
type State struct {
	// Exists reports that the version's tag is there.
	Exists bool
	// Digest is the manifest's digest.
	Digest v1.Hash
	// Tree is the git tree hash that the image says it was made from; empty where it does not say.
	Tree string
	// Facts are those of the commit that the image was made at, as far as it says so.
	Facts Facts
}

// Look asks what the registry holds of the target's version.
func (p *Publisher) Look(ctx context.Context, t Target) (State, error) {
	manifest, err := p.Registry.Get(ctx, t.Reference())
	if registry.IsNotFound(err) {
		return State{}, nil
	}
	if err != nil {
		return State{}, registry.Explain("ask for "+t.Reference().Name(), t.Repository, err)
	}
	says, err := p.says(ctx, t.Repository, manifest)
	if err != nil {
		return State{}, registry.Explain("read the labels of "+t.Reference().Name(), t.Repository, err)
	}
	created, _ := time.Parse(time.RFC3339, says[createdLabel]) // an image that does not say so was made at no time
	return State{Exists: true, Digest: manifest.Digest(), Tree: says[TreeLabel], Facts: Facts{SHA: says[revisionLabel], Date: created}}, nil
}

// says is what an image says of itself. Its manifest's annotations are at hand; where they do not say it, its labels do.
func (p *Publisher) says(ctx context.Context, repository name.Repository, m *registry.Manifest) (map[string]string, error) {
	if m.Annotations()[TreeLabel] != "" || !m.IsImage() { // an index of somebody else's has no labels
		return m.Annotations(), nil
	}
	config, err := p.Registry.Config(ctx, repository.Digest(m.Digest().String()))
	if err != nil {
		return nil, err
	}
	return config.Config.Labels, nil
}

// CheckPermission reports whether the credentials may push, without pushing anything.
func (p *Publisher) CheckPermission(ctx context.Context, t Target) error {
	if err := p.Registry.CheckPush(ctx, t.Repository); err != nil {
		return registry.Explain("push to "+t.Repository.Name(), t.Repository, err)
	}
	return nil
}

// Upload sends a layer ahead of the image that it belongs to. Nobody can pull it before Publish.
func (p *Publisher) Upload(ctx context.Context, t Target, layer v1.Layer) error {
	return p.Registry.Upload(ctx, t.Repository, layer)
}

// Release is an image, and what hangs on it.
type Release struct {
	Image v1.Image
	// Tree is the git tree hash that it was made from.
	Tree string
	// Referrers have the image as their subject.
	Referrers []*artifact.Artifact
}

// Fetch is the release that a registry has, for another one to have too.
func (p *Publisher) Fetch(ctx context.Context, t Target, state State) (*Release, error) {
	at := t.Repository.Digest(state.Digest.String())
	img, err := p.Registry.Image(ctx, at, nil)
	if err != nil {
		return nil, registry.Explain("pull "+at.Name(), t.Repository, err)
	}
	listed, err := p.Registry.Referrers(ctx, at)
	if err != nil {
		return nil, registry.Explain("list the referrers of "+at.Name(), t.Repository, err)
	}
	r := &Release{Image: img, Tree: state.Tree}
	for _, d := range listed {
		at := t.Repository.Digest(d.Digest.String())
		img, err := p.Registry.Image(ctx, at, nil)
		if err != nil {
			return nil, registry.Explain("pull "+at.Name(), t.Repository, err)
		}
		a, err := artifact.Of(img)
		if err != nil {
			return nil, registry.Explain("pull "+at.Name(), t.Repository, err)
		}
		r.Referrers = append(r.Referrers, a)
	}
	return r, nil
}

// Result is what became of a publication.
type Result struct {
	// Digest is that of the image that the version's tag names now.
	Digest v1.Hash
	// Existed reports that another run was faster, with an image from the same tree.
	Existed bool
	// Tags are those that name the image now.
	Tags []string
}

// ExistsError says that a version is in the registry, and was made from something else.
type ExistsError struct {
	Reference name.Tag
	Digest    v1.Hash
	// Tree is what that one was made from; empty where it does not say.
	Tree string
}

// Error implements error.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s is in the registry already (%s), made from %s; it is not overwritten", e.Reference.Name(), e.Digest, cmp.Or(e.Tree, "it does not say what"))
}

// Publish brings a release to where it can be pulled: its blobs, its manifest by digest, which is read back, what hangs on
// it, and only then the version's tag and those that move. Whatever of it is there is left alone, so that a run which died
// anywhere is completed by the next one; what another run has published since this one began is taken for the release, where
// it is from the same tree.
func (p *Publisher) Publish(ctx context.Context, t Target, r Release) (Result, error) {
	digest, err := r.Image.Digest()
	if err != nil {
		return Result{}, err
	}
	state, err := p.Look(ctx, t)
	if err != nil {
		return Result{}, err
	}
	if !state.Exists {
		if err := p.push(ctx, t, r, digest); err != nil {
			return Result{}, err
		}
	}
	return p.settle(ctx, t, r, state, digest)
}

// atOnce is how many blobs of one image are sent at a time, as Docker does (its max-concurrent-uploads is 5).
const atOnce = 5

// push sends everything but tags.
func (p *Publisher) push(ctx context.Context, t Target, r Release, digest v1.Hash) error {
	layers, err := r.Image.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(r.Image)
	if err != nil {
		return err
	}
	if err := p.upload(ctx, t, append(layers, config)...); err != nil {
		return err
	}
	there := t.Repository.Digest(digest.String())
	if err := p.Registry.Put(ctx, there, r.Image); err != nil {
		return registry.Explain("push "+there.Name(), t.Repository, err)
	}
	if err := p.compare(ctx, there, r.Image); err != nil {
		return err
	}
	for _, a := range r.Referrers {
		if err := p.refer(ctx, t, there, a); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) upload(ctx context.Context, t Target, layers ...v1.Layer) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, layer := range layers {
		group.Go(func() error { return p.Registry.Upload(ctx, t.Repository, layer) })
	}
	if err := group.Wait(); err != nil {
		return registry.Explain("push a layer to "+t.Repository.Name(), t.Repository, err)
	}
	return nil
}

// compare reads a manifest back.
func (p *Publisher) compare(ctx context.Context, there name.Digest, want interface{ RawManifest() ([]byte, error) }) error {
	ours, err := want.RawManifest()
	if err != nil {
		return err
	}
	got, err := p.Registry.Get(ctx, there)
	if err != nil {
		return registry.Explain("read back "+there.Name(), there.Context(), err)
	}
	if theirs, _ := got.RawManifest(); !bytes.Equal(ours, theirs) {
		return fmt.Errorf("read back %s: the registry has another manifest (%d bytes) than was pushed (%d bytes); no tag was set", there.Name(), len(theirs), len(ours))
	}
	return nil
}

// errUnlisted says that a registry has taken a referrer, and does not list it.
var errUnlisted = errors.New("the registry took it, but does not list it among the image's referrers")

// refer pushes a referrer. Where the registry keeps no list of them, the list is an index under a fallback tag: two runs
// that write it at once could each lose what the other wrote, so that it is read back.
func (p *Publisher) refer(ctx context.Context, t Target, subject name.Digest, a *artifact.Artifact) error {
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	if err := p.upload(ctx, t, a.Blobs()...); err != nil {
		return err
	}
	there := t.Repository.Digest(digest.String())
	what := "push the referrer " + a.Type() + " of " + subject.Name()
	for range rounds {
		if err := p.Registry.Put(ctx, there, a); err != nil {
			return registry.Explain(what, t.Repository, err)
		}
		listed, err := p.Registry.Referrers(ctx, subject)
		if err != nil {
			return registry.Explain(what, t.Repository, err)
		}
		for _, d := range listed {
			if d.Digest == digest {
				return nil
			}
		}
	}
	return fmt.Errorf("%s: %w", what, errUnlisted)
}
