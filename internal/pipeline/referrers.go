package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"path"
	"runtime"

	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/jina/hub-publish/internal/artifact"
	"github.com/jina/hub-publish/internal/attest"
	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/catalog"
)

// The bundle as a Hub's site shows it: an artifact with the image as its subject, of a bundle's entry in the catalog, without
// what registries hold, and of its README where it has one. The number is the format's version.
const (
	bundleArtifact = "application/vnd.jina.hub.bundle.v1+json"
	bundleFile     = "bundle.json"
	readmeType     = "text/markdown"
	readmeFile     = "README.md"
)

// Origin says where a run takes place.
type Origin struct {
	// Workflow is the workflow with its ref, and Run the URL of its run, with the attempt.
	Workflow, Run string
	// Runner is github-hosted or self-hosted.
	Runner string
	// Action is the ref under which the workflow uses this action.
	Action string
}

// referrers are what hangs on an image: what the bundle is, and with the input attest what is in the image and how it was
// made.
func (w *work) referrers(ctx context.Context, img *builder.Image) ([]*artifact.Artifact, error) {
	subject, err := partial.Descriptor(img)
	if err != nil {
		return nil, err
	}
	annotations := map[string]string{"org.opencontainers.image.created": w.labels(w.tree)["org.opencontainers.image.created"]}
	data, err := json.MarshalIndent(catalog.Of(w.bundle), "", "  ")
	if err != nil {
		return nil, err
	}
	documents := []artifact.Document{{MediaType: bundleArtifact, Name: bundleFile, Data: append(data, '\n')}}
	if readme, err := fs.ReadFile(w.Files, path.Join(w.bundle.Path, readmeFile)); err == nil {
		documents = append(documents, artifact.Document{MediaType: readmeType, Name: readmeFile, Data: readme})
	}
	about, err := artifact.New(bundleArtifact, subject, annotations, documents...)
	if err != nil || !w.Inputs.Attest {
		return []*artifact.Artifact{about}, err
	}
	made := attest.Subject{Name: w.holdings[0].target.Repository.Name(), Version: w.bundle.Text("version"), Digest: subject.Digest, Created: w.created, Revision: w.report.Head}
	sbom, err := attest.SBOM(ctx, img, made)
	if err != nil {
		return nil, err
	}
	provenance, err := attest.Provenance(made, w.provenance(img))
	if err != nil {
		return nil, err
	}
	all := []*artifact.Artifact{about}
	for _, d := range []artifact.Document{
		{MediaType: attest.SBOMMediaType, Name: "sbom.spdx.json", Data: sbom},
		{MediaType: attest.ProvenanceMediaType, Name: "provenance.intoto.json", Data: provenance},
	} {
		a, err := artifact.New(string(d.MediaType), subject, annotations, d)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// provenance is how the bundle's image was made.
func (w *work) provenance(img *builder.Image) attest.Build {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if w.Inputs.Platform != nil {
		platform = w.Inputs.Platform.String()
	}
	b := attest.Build{
		Builder: "https://github.com/jina/hub-publish@" + cmp.Or(w.Origin.Action, "local"), Repository: w.RepositoryURL, Ref: w.Event.Ref, Path: w.bundle.Path, Tree: w.tree,
		Workflow: w.Origin.Workflow, Run: w.Origin.Run, Event: w.Event.Name, Runner: w.Origin.Runner, Platform: platform, Arguments: w.Inputs.BuildArgs,
	}
	for _, base := range img.Bases {
		b.Bases = append(b.Bases, attest.Base{Name: base.Name, Digest: base.Digest})
	}
	return b
}
