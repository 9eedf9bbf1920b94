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
	// Name is the image's repository, with its registry: docker.io/jinahub/pod.encoder.awesome. A tag in it is ignored.
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

// known is the subject with its name in full and in one form: docker.io is also called index.docker.io.
func (s Subject) known() (Subject, error) {
	named, err := parseImage(s.Name, s.Digest)
	if err != nil {
		return s, err
	}
	s.Name = named.Name()
	return s, nil
}

// parseImage reads an image's name, which may leave the registry out, and asks whether there is a digest too.
func parseImage(name string, digest v1.Hash) (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("image name %q: %w", name, err)
	}
	if digest.Algorithm == "" || digest.Hex == "" {
		return nil, fmt.Errorf("image %s has no digest", name)
	}
	return named, nil
}

// imageURL is the package URL of an image, of the type "oci" (ECMA-427). A tag or an architecture that is empty is left out.
func imageURL(repository, tag string, digest v1.Hash, architecture string) string {
	return purl.PackageURL{
		Type: purl.TypeOCI, Name: path.Base(repository), Version: digest.String(),
		Qualifiers: purl.QualifiersFromMap(map[string]string{purl.Arch: architecture, "repository_url": repository, "tag": tag}),
	}.String()
}
