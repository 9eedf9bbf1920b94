// Package artifact makes OCI manifests of documents: what is said about an image hangs on it in a registry, and is listed
// by the referrers API, or by its fallback tag where a registry does not have that (OCI distribution specification 1.1).
package artifact

import (
	"encoding/json"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// empty is the media type of a configuration that says nothing: its content is {}. OCI image specification 1.1, "Guidance
// for an empty descriptor".
const empty types.MediaType = "application/vnd.oci.empty.v1+json"

// Document is a blob of an artifact.
type Document struct {
	MediaType types.MediaType
	// Name is the file name under which tools save the document (org.opencontainers.image.title).
	Name string
	Data []byte
}

// Artifact is an OCI manifest with its blobs.
type Artifact struct {
	kind   string
	layers []v1.Layer
	raw    []byte
}

// New is an artifact of a type, such as application/spdx+json. The subject is the manifest that it is about; nil for none. The
// same input makes the same manifest.
func New(artifactType string, subject *v1.Descriptor, annotations map[string]string, documents ...Document) (*Artifact, error) {
	config := static.NewLayer([]byte("{}"), empty)
	a := &Artifact{kind: artifactType, layers: []v1.Layer{config}}
	described, err := partial.Descriptor(config)
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: artifactType, Config: *described, Layers: []v1.Descriptor{}, Annotations: annotations}
	if subject != nil {
		// Only what tells one manifest from another: registries and tools compare it as a whole.
		m.Subject = &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest}
	}
	for _, d := range documents {
		layer := static.NewLayer(d.Data, d.MediaType)
		described, err := partial.Descriptor(layer)
		if err != nil {
			return nil, err
		}
		described.Annotations = map[string]string{"org.opencontainers.image.title": d.Name}
		a.layers, m.Layers = append(a.layers, layer), append(m.Layers, *described)
	}
	a.raw, err = json.Marshal(m)
	return a, err
}

// Of is an artifact that is in a registry.
func Of(img v1.Image) (*Artifact, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	a := &Artifact{kind: m.ArtifactType}
	if a.raw, err = img.RawManifest(); err != nil {
		return nil, err
	}
	for _, d := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		layer, err := img.LayerByDigest(d.Digest)
		if err != nil {
			return nil, err
		}
		a.layers = append(a.layers, layer)
	}
	return a, nil
}

// Type is the artifact's type.
func (a *Artifact) Type() string { return a.kind }

// Blobs are what must be in the registry before the manifest.
func (a *Artifact) Blobs() []v1.Layer { return a.layers }

// RawManifest is the manifest as it is written.
func (a *Artifact) RawManifest() ([]byte, error) { return a.raw, nil }

// MediaType is the manifest's.
func (a *Artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Digest is the manifest's.
func (a *Artifact) Digest() (v1.Hash, error) { return partial.Digest(a) }

// Size is the manifest's, in bytes.
func (a *Artifact) Size() (int64, error) { return int64(len(a.raw)), nil }
