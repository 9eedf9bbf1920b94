package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/graph"
	"github.com/jina/hub-publish/internal/layer"
)

// Image is an image that was built.
type Image struct {
	v1.Image
	// Steps are the instructions that were run for it, in the order in which they began.
	Steps []Step
	// Bases are the images that the Dockerfile's stages are made from, in its order.
	Bases []Base
	build string
}

// Base is an image that was built upon.
type Base struct {
	// Name is the image's, as a registry knows it, with its tag.
	Name   string
	Digest v1.Hash
}

// basesOf are the images that a build was made from.
func basesOf(images []*graph.Vertex) ([]Base, error) {
	var bases []Base
	for _, v := range images {
		name, hash, _ := strings.Cut(strings.TrimPrefix(v.Op.GetSource().Identifier, "docker-image://"), "@")
		digest, err := v1.NewHash(hash)
		if err != nil {
			return nil, fmt.Errorf("the base image %s: %w", name, err)
		}
		if b := (Base{name, digest}); !slices.Contains(bases, b) {
			bases = append(bases, b)
		}
	}
	return bases, nil
}

// assemble puts a base image's layers and those that were built under one configuration.
func (b *Builder) assemble(id string, target dockerfile.Target, result graph.Edge, watch *watcher, r Request) (*Image, error) {
	source, chain := result.Chain()
	created := r.Context.created
	var below []v1.Layer
	if source != nil {
		_, hash, _ := strings.Cut(source.Op.GetSource().Identifier, "@")
		if base := b.bases.image(hash); base != nil {
			var err error
			if below, err = base.Layers(); err != nil {
				return nil, err
			}
		}
	}
	var layers []v1.Layer
	for _, l := range below {
		renamed, err := asOCI(l)
		if err != nil {
			return nil, err
		}
		layers = append(layers, renamed)
	}
	for _, v := range chain {
		l, ok := watch.layers[v.Digest]
		if !ok {
			return nil, fmt.Errorf("the worker brought no layer for %q; please report this Dockerfile", v.Name)
		}
		layers = append(layers, l)
	}
	img := &assembled{layers: layers}
	config := target.Image
	config.Created = new(created.UTC())
	config.RootFS = ocispecs.RootFS{Type: "layers"}
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return nil, err
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.Digest(id.String()))
	}
	config.History = withHistory(config.History, len(below), len(layers), created)
	var err error
	if img.config, err = json.Marshal(config); err != nil {
		return nil, err
	}
	if img.manifest, err = img.makeManifest(r.Annotations); err != nil {
		return nil, err
	}
	return &Image{Image: img, Steps: watch.list(), build: id}, nil
}

// withHistory has an entry for each layer: a base image may tell less of itself than it has layers, and nothing would tell
// which layer an entry belongs to then. What the base says of its own times stays.
func withHistory(entries []ocispecs.History, below, layers int, created time.Time) []ocispecs.History {
	told := 0
	for _, h := range entries {
		if !h.EmptyLayer {
			told++
		}
	}
	var missing []ocispecs.History
	for range layers - told {
		missing = append(missing, ocispecs.History{CreatedBy: "unknown", Comment: "the base image does not tell"})
	}
	all := append(missing, entries...)
	for i, h := range all {
		if h.Created == nil && strings.HasPrefix(h.Comment, "buildkit.") {
			all[i].Created = new(created.UTC())
		}
	}
	return all
}

// asOCI is a base image's layer under the OCI image specification's name for it: only OCI manifests have annotations. Its
// bytes, and so its digest, are the same.
func asOCI(l v1.Layer) (v1.Layer, error) {
	t, err := l.MediaType()
	if err != nil {
		return nil, err
	}
	name, ok := map[types.MediaType]types.MediaType{
		types.DockerLayer: types.OCILayer, types.DockerUncompressedLayer: types.OCIUncompressedLayer, types.DockerForeignLayer: types.OCIRestrictedLayer,
	}[t]
	if !ok {
		return l, nil
	}
	if m, ok := l.(*remote.MountableLayer); ok { // which a registry that has it need not be sent
		return &remote.MountableLayer{Layer: &renamed{m.Layer, name}, Reference: m.Reference}, nil
	}
	return &renamed{l, name}, nil
}

type renamed struct {
	v1.Layer
	name types.MediaType
}

// MediaType implements v1.Layer.
func (r *renamed) MediaType() (types.MediaType, error) { return r.name, nil }

// assembled is an image of layers that are elsewhere.
type assembled struct {
	config, manifest []byte
	layers           []v1.Layer
}

func (a *assembled) makeManifest(annotations map[string]string) ([]byte, error) {
	hash, size, err := v1.SHA256(strings.NewReader(string(a.config)))
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: annotations, Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Digest: hash, Size: size}, Layers: []v1.Descriptor{}}
	for _, l := range a.layers {
		d, err := partial.Descriptor(l)
		if err != nil {
			return nil, err
		}
		d.Annotations, d.URLs = nil, nil
		m.Layers = append(m.Layers, *d)
	}
	return json.Marshal(m)
}

func (a *assembled) Layers() ([]v1.Layer, error)         { return a.layers, nil }
func (a *assembled) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *assembled) Size() (int64, error)                { return int64(len(a.manifest)), nil }
func (a *assembled) ConfigName() (v1.Hash, error)        { return partial.ConfigName(a) }
func (a *assembled) ConfigFile() (*v1.ConfigFile, error) { return partial.ConfigFile(a) }
func (a *assembled) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *assembled) Digest() (v1.Hash, error)            { return partial.Digest(a) }
func (a *assembled) Manifest() (*v1.Manifest, error)     { return partial.Manifest(a) }
func (a *assembled) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *assembled) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	return a.find(h, v1.Layer.Digest)
}
func (a *assembled) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	return a.find(h, v1.Layer.DiffID)
}

func (a *assembled) find(h v1.Hash, of func(v1.Layer) (v1.Hash, error)) (v1.Layer, error) {
	if name, err := a.ConfigName(); err == nil && name == h {
		return partial.ConfigLayer(a)
	}
	for _, l := range a.layers {
		if hash, err := of(l); err == nil && hash == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// builtLayer is a layer that the worker keeps. Who reads it compares what comes with its digest: a registry does so when
// it is pushed.
type builtLayer struct {
	builder *Builder
	build   string
	digests layer.Result
}

func (l *builtLayer) Digest() (v1.Hash, error)            { return l.digests.Digest, nil }
func (l *builtLayer) DiffID() (v1.Hash, error)            { return l.digests.DiffID, nil }
func (l *builtLayer) Size() (int64, error)                { return l.digests.Size, nil }
func (l *builtLayer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (l *builtLayer) Compressed() (io.ReadCloser, error) {
	return l.builder.worker.Layer(context.Background(), l.build, l.digests.Digest.String())
}

func (l *builtLayer) Uncompressed() (io.ReadCloser, error) {
	blob, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	archive, err := layer.Decompress(blob)
	if err != nil {
		return nil, errors.Join(err, blob.Close())
	}
	return &both{archive, blob}, nil
}

// both closes a reader, and the one that it reads from.
type both struct {
	io.ReadCloser
	below io.Closer
}

func (b *both) Close() error { return errors.Join(b.ReadCloser.Close(), b.below.Close()) }
