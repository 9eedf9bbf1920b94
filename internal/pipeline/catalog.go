package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"github.com/jina/hub-publish/internal/artifact"
	"github.com/jina/hub-publish/internal/catalog"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
	"github.com/jina/hub-publish/internal/selection"
)

// catalogRepository is the repository, in the namespace, of the hub's catalog, and the file name of the same.
const (
	catalogRepository = "catalog"
	catalogFile       = "catalog.json"
)

// catalogue makes the catalog of all bundles of the hub, and pushes it at the end of a publication: not where only some
// bundles were asked for by name, as one job of many does. What goes wrong with it is a finding: the images are published.
// A run that looks at some of the bundles, and publishes none, has none: it would have to read all others for it.
func (r *Run) catalogue(ctx context.Context, mode input.Mode) error {
	publishes := mode == input.Publish || mode == input.Summary
	if !publishes && !slices.Equal(r.Inputs.Bundles, []string{selection.All}) {
		return nil
	}
	bundles, err := selection.Select(ctx, r.hub, r.comparison, []string{selection.All})
	if err != nil {
		return err
	}
	r.Catalog = catalog.New(bundles, r.report.Head, r.created, r.RepositoryURL)
	for _, b := range bundles {
		if e := r.Catalog.Find(b.Path); e != nil {
			e.Image = r.imageName(b)
		}
	}
	if !publishes {
		return nil
	}
	err = r.lookUp(ctx, mode, bundles)
	if err == nil && (mode == input.Summary || r.selects()) {
		err = r.pushCatalog(ctx)
	}
	if err != nil {
		r.report.Findings = append(r.report.Findings, rule.PublishFailed.Finding("", finding.Range{}, "the hub's catalog: %v", err))
	}
	return nil
}

// selects reports whether the bundles are chosen by what is to be done, and not by their names.
func (r *Run) selects() bool {
	switch strings.Join(r.Inputs.Bundles, "") {
	case selection.Changed, selection.Missing, selection.All:
		return true
	}
	return false
}

// imageName is a bundle's image without its tag, in the first of the registries; empty where the manifest makes none.
func (r *Run) imageName(b *hub.Bundle) string {
	targets, err := r.targets(b)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(targets[0].Repository.Name(), name.DefaultRegistry+"/")
}

// lookUp fills in what the registries hold: of the bundles that this run has published it is known, of the others it is
// asked. What other jobs' reports claim is not believed.
func (r *Run) lookUp(ctx context.Context, mode input.Mode, bundles []*hub.Bundle) error {
	known := map[string][]report.Publication{}
	for _, b := range r.report.Bundles {
		if mode == input.Publish && len(b.Published) == len(r.Inputs.Registries) {
			known[b.Path] = b.Published
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asked)
	published := make([][]catalog.Publication, len(bundles))
	for i, b := range bundles {
		for _, p := range known[b.Path] {
			published[i] = append(published[i], catalog.Publication{Reference: p.Image, Digest: p.Digest, Tags: p.Tags})
		}
		targets, err := r.targets(b)
		if err != nil || len(published[i]) > 0 {
			continue // it is in no registry, or it is known where it is
		}
		group.Go(func() error {
			for _, target := range targets {
				state, err := r.publisher.Look(ctx, target)
				if err != nil {
					return err
				}
				if !state.Exists {
					continue
				}
				tags, err := r.publisher.Tags(ctx, target, state)
				if err != nil {
					return err
				}
				published[i] = append(published[i], catalog.Publication{Reference: familiar(target.Reference()), Digest: state.Digest.String(), Tags: tags})
			}
			return nil
		})
	}
	err := group.Wait()
	for i, b := range bundles {
		if e := r.Catalog.Find(b.Path); e != nil && published[i] != nil {
			e.Published = published[i]
		}
	}
	return err
}

// pushCatalog pushes the catalog into each of the registries. What one of them refuses the others get.
func (r *Run) pushCatalog(ctx context.Context) error {
	data, err := r.Catalog.JSON()
	if err != nil {
		return err
	}
	annotations := map[string]string{
		"org.opencontainers.image.created": r.created.UTC().Format(time.RFC3339), "org.opencontainers.image.revision": r.report.Head,
		"org.opencontainers.image.title": catalogFile,
	}
	if r.RepositoryURL != "" {
		annotations["org.opencontainers.image.source"] = r.RepositoryURL
	}
	a, err := artifact.New(catalog.ArtifactType, nil, annotations, artifact.Document{MediaType: catalog.MediaType, Name: catalogFile, Data: data})
	if err != nil {
		return err
	}
	var failed []error
	for _, registry := range r.Inputs.Registries {
		repository, err := r.repository(registry, catalogRepository)
		if err != nil {
			return err
		}
		tag := repository.Tag(name.DefaultTag)
		set, err := r.publisher.Document(ctx, tag, a, r.created)
		switch {
		case err != nil:
			failed = append(failed, err)
		case set:
			r.Log.Printf("The hub's catalog is %s.", familiar(tag))
		default:
			r.Log.Printf("%s is of a later commit, and stays.", familiar(tag))
		}
	}
	return errors.Join(failed...)
}

// WriteCatalog leaves the catalog in the workspace, and returns its path there.
func (r *Run) WriteCatalog() (string, error) {
	if r.Catalog == nil {
		return "", nil
	}
	data, err := r.Catalog.JSON()
	if err != nil {
		return "", err
	}
	path, err := report.Leave(r.Dir, catalogFile, data)
	if err != nil {
		return "", fmt.Errorf("write the catalog: %w", err)
	}
	return path, nil
}
