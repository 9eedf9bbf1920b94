// Package attest says what is in an image and how it was made: a list of its packages (SPDX) and its provenance (SLSA). Both
// documents are functions of their inputs: they hold no time of the day and no random number, so a second run writes the same
// bytes, and they can be compared by their digest.
package attest

import (
	"fmt"
	"path"
	"time"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/osv-scalibr/purl"
)

// The media types under which the documents are kept.
const (
	// SBOMMediaType is that of what SBOM writes, as registered with IANA (SPDX specification 2.3, 4.3).
	SBOMMediaType = "application/spdx+json"
	// ProvenanceMediaType is that of what Provenance writes: a statement without a signature around it (in-toto attestation
	// framework, spec/v1/envelope.md).
	ProvenanceMediaType = "application/vnd.in-toto+json"
)

// Subject is the image that a document is about.
type Subject struct {
	// Name is the image's repository, with its registry: docker.io/jinahub/pod.encoder.awesome.
	Name string
	// Version is the image's version, which is its tag; empty where it has none.
	Version string
	// Digest is that of the image's manifest.
	Digest v1.Hash
	// Created is when the commit was made. The documents give it in UTC, to the second.
	Created time.Time
	// Revision is the commit, in hexadecimal digits; empty where the files were in none.
	Revision string
}

// url is the image's package URL.
func (s Subject) url(architecture string) (string, error) {
	return imageURL(s.Name, s.Version, s.Digest, map[string]string{purl.Arch: architecture})
}

// imageURL is the package URL of an image: the type "oci" of the package URL types (ECMA-427). A tag that is given goes before
// the one in the name.
func imageURL(name, tag string, digest v1.Hash, qualifiers map[string]string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", fmt.Errorf("image name %q: %w", name, err)
	}
	if digest.Algorithm == "" || digest.Hex == "" {
		return "", fmt.Errorf("image %s has no digest", name)
	}
	if tagged, ok := named.(reference.Tagged); ok && tag == "" {
		tag = tagged.Tag()
	}
	all := map[string]string{"repository_url": named.Name(), "tag": tag}
	for key, value := range qualifiers {
		all[key] = value
	}
	return purl.PackageURL{
		Type: purl.TypeOCI, Name: path.Base(reference.Path(named)), Version: digest.String(), Qualifiers: purl.QualifiersFromMap(all),
	}.String(), nil
}
