package publish

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/registry"
)

// rounds is how often tags are read back and set again while other runs set them too. Each run sets the same ones to the
// same images, so that the second round finds them right but for the rare one that writes in between.
const rounds = 8

// change is a tag that does not name what it should.
type change struct {
	tag string
	to  v1.Hash
}

// settle sets the version's tag, which was looked for, and all others, and reads them back until there is nothing more to
// set.
//
// A registry cannot compare and set a tag in one step. So each run compares, writes, and reads back; of those that write the
// version's tag at the same time the last one wins, and the others take what it wrote for their own, if it is from the same
// tree. As whoever writes last also reads last, what stays is one image under one version, and the moving tags on it. The
// version's tag is read once more a little later, so that no run tells of an image that is replaced.
func (p *Publisher) settle(ctx context.Context, t Target, r Release, state State, ours v1.Hash) (result Result, err error) {
	var since time.Time       // when the version's tag was first seen to name the result
	var slowest time.Duration // of the times that it took to write and read the version's tag
	for round := range rounds {
		if err := pause(ctx, time.Duration(max(0, round-1))*100*time.Millisecond); err != nil {
			return result, err
		}
		begun := time.Now()
		if !state.Exists {
			if err := p.Registry.Create(ctx, t.Reference(), r.Image); err != nil {
				return result, registry.Explain("set the tag "+t.Reference().Name(), t.Repository, err)
			}
		}
		if state, err = p.Look(ctx, t); err != nil {
			return result, err
		}
		slowest = max(slowest, time.Since(begun))
		if !state.Exists {
			continue
		}
		if state.Digest == ours {
			state.Facts = t.Facts
		} else if state.Tree != r.Tree {
			return result, &ExistsError{Reference: t.Reference(), Digest: state.Digest, Tree: state.Tree}
		}
		if state.Digest != result.Digest {
			since = time.Now()
		}
		result.Digest, result.Existed = state.Digest, state.Digest != ours
		var changes []change
		if changes, result.Tags, err = p.changes(ctx, t, state, true); err != nil {
			return result, err
		}
		if err := p.apply(ctx, t, changes); err != nil {
			return result, err
		}
		if len(changes) > 0 {
			continue
		}
		// Where the registry is slow for this run, so it may be for another. What takes it longer than ten graces is a fault.
		grace := min(max(p.Registry.Grace(), 2*slowest), 10*p.Registry.Grace())
		if begun.Sub(since) >= grace {
			return result, nil
		}
		if err := pause(ctx, grace-time.Since(since)); err != nil {
			return result, err
		}
	}
	return result, unsettled(t)
}

// Complete sets the tags that a version's publication has not set, because its run died, and returns those that name its
// image.
func (p *Publisher) Complete(ctx context.Context, t Target, state State) ([]string, error) {
	for round := range rounds {
		if err := pause(ctx, time.Duration(max(0, round-1))*100*time.Millisecond); err != nil {
			return nil, err
		}
		changes, held, err := p.changes(ctx, t, state, false)
		if err != nil || len(changes) == 0 {
			return held, err
		}
		if err := p.apply(ctx, t, changes); err != nil {
			return held, err
		}
	}
	return nil, unsettled(t)
}

// IsComplete reports whether all tags of a version that is there name what they should.
func (p *Publisher) IsComplete(ctx context.Context, t Target, state State) (bool, error) {
	changes, _, err := p.changes(ctx, t, state, false)
	return err == nil && len(changes) == 0, err
}

// Tags are those that name the image of a version that is there.
func (p *Publisher) Tags(ctx context.Context, t Target, state State) ([]string, error) {
	_, held, err := p.changes(ctx, t, state, false)
	return held, err
}

func unsettled(t Target) error {
	return fmt.Errorf("set the tags of %s: they keep changing; another run sets them otherwise: run this job again when it is done", t.Repository.Name())
}

// pause waits: a registry may show what was written a little later.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func (p *Publisher) apply(ctx context.Context, t Target, changes []change) error {
	for _, c := range changes {
		manifest, err := p.Registry.Get(ctx, t.Repository.Digest(c.to.String()))
		if err != nil {
			return registry.Explain("read "+t.Repository.Digest(c.to.String()).Name(), t.Repository, err)
		}
		if err := p.set(ctx, t, c.tag, manifest); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) set(ctx context.Context, t Target, tag string, manifest remote.Taggable) error {
	if err := p.Registry.Put(ctx, t.Repository.Tag(tag), manifest); err != nil {
		return registry.Explain("set the tag "+t.Repository.Tag(tag).Name(), t.Repository, err)
	}
	return nil
}

// head is the digest that a tag names; false where there is no such tag.
func (p *Publisher) head(ctx context.Context, t Target, tag string) (v1.Hash, bool, error) {
	digest, err := p.Registry.Head(ctx, t.Repository.Tag(tag))
	if registry.IsNotFound(err) {
		return digest, false, nil
	}
	if err != nil { // what cannot be seen is not overwritten
		return digest, false, registry.Explain("ask for "+t.Repository.Tag(tag).Name(), t.Repository, err)
	}
	return digest, true, nil
}

// changes are the tags that do not name what they should, those of the version first, and held are those that name its
// image already. With all, the moving tags of other versions are looked at too: their run may have died, and nobody has
// run it again.
func (p *Publisher) changes(ctx context.Context, t Target, own State, all bool) (changes []change, held []string, err error) {
	t.Facts = own.Facts // an image keeps the tags of the commit that it was made at
	held = []string{t.Reference().TagStr()}
	for _, tag := range t.fixed() {
		digest, there, err := p.head(ctx, t, tag)
		switch {
		case err != nil:
			return nil, held, err
		case !there:
			changes = append(changes, change{tag, own.Digest})
		case digest != own.Digest:
			return nil, held, fmt.Errorf("the tag %s names another image already (%s); it is not overwritten", t.Repository.Tag(tag).Name(), digest)
		default:
			held = append(held, tag)
		}
	}
	if !slices.ContainsFunc(t.Tags, func(t Template) bool { return !t.Fixed() }) || t.Version.Prerelease() != "" && !all {
		return changes, held, nil
	}
	tags, err := p.Registry.Tags(ctx, t.Repository)
	if err != nil {
		return nil, held, registry.Explain("list the tags of "+t.Repository.Name(), t.Repository, err)
	}
	for _, m := range t.moving(t.releases(tags), all) {
		to := own.Digest
		if !isSame(m.holder.version, t.Version) {
			var there bool
			if to, there, err = p.head(ctx, t, m.holder.tag); err != nil {
				return nil, held, err
			} else if !there {
				continue // gone since it was listed
			}
		}
		digest, there, err := p.head(ctx, t, m.tag)
		if err != nil {
			return nil, held, err
		}
		if there && digest == to {
			if to == own.Digest {
				held = append(held, m.tag)
			}
			continue
		}
		if there {
			if forward, err := p.forward(ctx, t, m, digest); err != nil {
				return nil, held, err
			} else if !forward {
				continue
			}
		}
		changes = append(changes, change{m.tag, to})
	}
	return changes, held, nil
}

// forward reports whether a moving tag would move to a higher version from the image that it names. The list of tags may be
// behind: a higher version that it does not have yet keeps the tag, if its own tag is there.
func (p *Publisher) forward(ctx context.Context, t Target, m moving, digest v1.Hash) (bool, error) {
	at := t.Repository.Tag(m.tag)
	manifest, err := p.Registry.Get(ctx, at)
	if err != nil {
		return false, registry.Explain("ask for "+at.Name(), t.Repository, err)
	}
	says, err := p.says(ctx, t.Repository, manifest)
	if err != nil {
		return false, registry.Explain("read the labels of "+at.Name(), t.Repository, err)
	}
	version, err := semver.StrictNewVersion(says[versionLabel])
	if err != nil || version.Prerelease() != "" || order(version, m.holder.version) <= 0 {
		return true, nil
	}
	if m.dated {
		return false, nil
	}
	t.Version = version
	named, there, err := p.head(ctx, t, t.Reference().TagStr())
	return !there || named != digest, err
}

// release is a version that can be pulled, no pre-release.
type release struct {
	version *semver.Version
	tag     string
}

// moving is a tag without the whole version, and the release that it should name.
type moving struct {
	tag    string
	holder release
	// dated reports that the tag comes from the commit, so that other versions' tags do not tell whose it is.
	dated bool
}

// moving are the tags that the releases give rise to: each names the highest version that makes it. Without all, they are
// those of the target's own version.
func (t Target) moving(releases []release, all bool) []moving {
	var tags []moving
	for _, template := range t.Tags {
		own := template.Expand(t.Version, t.Facts)
		switch {
		case template.Fixed():
		case template.dated():
			if t.Version.Prerelease() == "" && t.Facts != (Facts{}) {
				tags = append(tags, moving{own, release{t.Version, t.Reference().TagStr()}, true})
			}
		default:
			for _, r := range releases {
				tag := template.Expand(r.version, t.Facts)
				if !all && tag != own {
					continue
				}
				at := slices.IndexFunc(tags, func(m moving) bool { return m.tag == tag })
				if at < 0 {
					tags = append(tags, moving{tag: tag, holder: r})
				} else if order(r.version, tags[at].holder.version) > 0 {
					tags[at].holder = r
				}
			}
		}
	}
	return tags
}

// releases are those whose tags are listed, and the target's own, which the list may not have yet.
func (t Target) releases(tags []string) []release {
	var releases []release
	if t.Version.Prerelease() == "" {
		releases = append(releases, release{t.Version, t.Reference().TagStr()})
	}
	for _, template := range t.Tags {
		if !template.Identifies() {
			continue
		}
		for _, tag := range tags {
			v, ok := template.versionOf(tag)
			if ok && v.Prerelease() == "" && !slices.ContainsFunc(releases, func(r release) bool { return isSame(r.version, v) }) {
				releases = append(releases, release{v, tag})
			}
		}
	}
	return releases
}

// order is that of semantic versions. Two that differ in their build metadata alone have the same precedence; so that the
// tags do not depend on which came last, the one without counts as the higher, and else the first in byte order.
func order(a, b *semver.Version) int {
	return cmp.Or(a.Compare(b), cmp.Compare(b.Metadata(), a.Metadata()))
}

// isSame reports whether two versions are one, build metadata included.
func isSame(a, b *semver.Version) bool { return order(a, b) == 0 }

// Plan are the tags that a publication would set: those of the version, which never move, and those that would move.
func (p *Publisher) Plan(ctx context.Context, t Target) (tags, moves []string, err error) {
	tags = append([]string{t.Reference().TagStr()}, t.fixed()...)
	if t.Version.Prerelease() != "" {
		return tags, nil, nil
	}
	listed, err := p.Registry.Tags(ctx, t.Repository)
	if err != nil {
		return nil, nil, registry.Explain("list the tags of "+t.Repository.Name(), t.Repository, err)
	}
	for _, m := range t.moving(t.releases(listed), false) {
		if isSame(m.holder.version, t.Version) {
			moves = append(moves, m.tag)
		}
	}
	return tags, moves, nil
}
