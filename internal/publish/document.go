package publish

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/jina/hub-publish/internal/artifact"
	"github.com/jina/hub-publish/internal/registry"
)

// Document brings an artifact that stands alone under a tag, which only ever moves to one of a later commit: made is when
// that of this one was made, and is one of its annotations (org.opencontainers.image.created). It reports whether the tag
// names the artifact now.
func (p *Publisher) Document(ctx context.Context, tag name.Tag, a *artifact.Artifact, made time.Time) (bool, error) {
	t := Target{Repository: tag.Context()}
	digest, err := a.Digest()
	if err != nil {
		return false, err
	}
	for round := range rounds {
		if err := pause(ctx, time.Duration(max(0, round-1))*100*time.Millisecond); err != nil {
			return false, err
		}
		there, err := p.Registry.Get(ctx, tag)
		switch {
		case err == nil && there.Digest() == digest:
			return true, nil
		case err == nil && later(there.Annotations()[createdLabel], made):
			return false, nil
		case err != nil && !registry.IsNotFound(err):
			return false, registry.Explain("ask for "+tag.Name(), t.Repository, err)
		}
		if round == 0 {
			if err := p.upload(ctx, t, a.Blobs()...); err != nil {
				return false, err
			}
			at := t.Repository.Digest(digest.String())
			if err := p.Registry.Put(ctx, at, a); err != nil {
				return false, registry.Explain("push "+at.Name(), t.Repository, err)
			}
			if err := p.compare(ctx, at, a); err != nil {
				return false, err
			}
		}
		if err := p.set(ctx, t, tag.TagStr(), a); err != nil {
			return false, err
		}
	}
	return false, fmt.Errorf("set the tag %s: it keeps changing; another run sets it otherwise: run this job again when it is done", tag.Name())
}

// later reports whether a time that an annotation has is after another one.
func later(created string, than time.Time) bool {
	t, err := time.Parse(time.RFC3339, created)
	return err == nil && t.After(than)
}
