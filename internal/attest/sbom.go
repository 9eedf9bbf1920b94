package attest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/osv-scalibr/version"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const (
	noAssertion = "NOASSERTION"
	documentID  = "DOCUMENT"
	imageID     = "Image"
	// listedKinds tells a reader of the document what it can be asked for.
	listedKinds = "Lists what dpkg, opkg, apk, Python's installers (dist-info and egg-info) and npm (node_modules) say is installed. " +
		"RPM packages are not listed, nor programs and libraries that no package manager knows of."
)

// SBOM lists an image's packages as SPDX 2.3 JSON, for the media type SBOMMediaType: those of the operating system (dpkg, opkg and
// apk), and those that Python's installers and npm have installed. They are the packages that the image's own databases name;
// whether the files are those of the package is not looked at. A database that cannot be read, or only in part, is named in an
// annotation of the image. The document's namespace is derived from the image's name and digest.
//
// Nothing of the image is run, or written to a disk. ErrTooMuch is given for an image with more than is read, and the context's
// error when it ends first; a layer that cannot be read is an error too.
func SBOM(ctx context.Context, img v1.Image, subject Subject) ([]byte, error) {
	d, err := document(ctx, img, subject)
	if err != nil {
		return nil, fmt.Errorf("listing the packages of %s: %w", subject.Name, err)
	}
	var text bytes.Buffer
	if err := json.Write(d, &text, json.Indent("  "), json.EscapeHTML(false)); err != nil {
		return nil, fmt.Errorf("writing the packages of %s: %w", subject.Name, err)
	}
	return text.Bytes(), nil
}

func document(ctx context.Context, img v1.Image, subject Subject) (*v2_3.Document, error) {
	subject, err := subject.known()
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	files, err := collect(ctx, img)
	if err != nil {
		return nil, err
	}
	packages, notes, err := files.packages(ctx)
	if err != nil {
		return nil, err
	}

	created := subject.Created.UTC().Format(time.RFC3339)
	image := newPackage(imageID, subject.Name, subject.Version, imageURL(subject.Name, subject.Version, subject.Digest, config.Architecture))
	image.PrimaryPackagePurpose = "CONTAINER"
	image.PackageChecksums = []common.Checksum{{Algorithm: common.ChecksumAlgorithm(strings.ToUpper(subject.Digest.Algorithm)), Value: subject.Digest.Hex}}
	if subject.Revision != "" {
		image.PackageSourceInfo = "made from commit " + subject.Revision
	}
	for _, note := range notes {
		image.Annotations = append(image.Annotations, v2_3.Annotation{
			Annotator: common.Annotator{AnnotatorType: "Tool", Annotator: "hub-publish"}, AnnotationDate: created, AnnotationType: "OTHER",
			AnnotationComment: note,
		})
	}
	d := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: documentID,
		DocumentName: subject.Name, DocumentNamespace: namespace(subject), DocumentComment: listedKinds,
		CreationInfo: &v2_3.CreationInfo{
			Created:  created,
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "hub-publish"}, {CreatorType: "Tool", Creator: "osv-scalibr-" + version.ScannerVersion}},
		},
		Packages:      []*v2_3.Package{image},
		Relationships: []*v2_3.Relationship{relationship(documentID, common.TypeRelationshipDescribe, imageID)},
	}
	if subject.Version != "" {
		d.DocumentName += ":" + subject.Version
	}
	for _, p := range packages {
		made := newPackage(p.id(), p.name, p.version, p.url)
		made.PackageSourceInfo = "listed in " + strings.Join(p.from[:min(len(p.from), maxFrom)], ", ")
		if len(p.from) > maxFrom {
			made.PackageSourceInfo += " and more"
		}
		d.Packages = append(d.Packages, made)
		d.Relationships = append(d.Relationships, relationship(imageID, common.TypeRelationshipContains, made.PackageSPDXIdentifier))
	}
	return d, nil
}

// namespace is the document's: a URI that no other document has, and without a fragment (SPDX specification 2.3, 6.5). A change
// of what is written of the same image takes another version in its path.
func namespace(s Subject) string {
	return (&url.URL{Scheme: "https", Host: "github.com", Path: "/jina/hub-publish/spdx/v1/" + s.Name + "@" + s.Digest.String()}).String()
}

// newPackage is a package of which the files are not looked at, and no more is said than its database does.
func newPackage(id common.ElementID, name, version, url string) *v2_3.Package {
	return &v2_3.Package{
		PackageSPDXIdentifier: id, PackageName: name, PackageVersion: version,
		PackageSupplier:         &common.Supplier{Supplier: noAssertion},
		PackageDownloadLocation: noAssertion, PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
		PackageExternalReferences: []*v2_3.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: url,
		}},
	}
}

func relationship(a common.ElementID, kind string, b common.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: kind}
}

// notInID is what an identifier may not have (SPDX specification 2.3, 7.2).
var notInID = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

// id is the package's identifier in the document: to read, and with a part of its URL's hash as names can be alike.
func (p *listed) id() common.ElementID {
	sum := sha256.Sum256([]byte(p.url))
	return common.ElementID(notInID.ReplaceAllString("Package-"+p.kind+"-"+p.name, "-") + "-" + hex.EncodeToString(sum[:8]))
}
