package attest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// BuildType is the URI of the page that says what the parameters of a Provenance mean. They mean the same for as long as it
	// is the same.
	BuildType = "https://github.com/jina/hub-publish/blob/main/internal/attest/build-type-v1.md"
	// ProvenanceType is the type of the statement's predicate (SLSA provenance 1).
	ProvenanceType = "https://slsa.dev/provenance/v1"
)

// Build is how an image was made. What is empty is left out, but for the Builder and the Path.
type Build struct {
	// Builder is a URI that names the builder and its version, which is whom a reader of the provenance trusts.
	Builder string
	// Repository is the URL of the sources' repository. A user or password in it is not written.
	Repository string
	// Ref is the git ref that was built: refs/heads/main.
	Ref string
	// Path is the bundle's directory in the repository, with slashes.
	Path string
	// Tree is the git tree hash of that directory, in hexadecimal digits.
	Tree string
	// Workflow is the workflow with its ref, as GITHUB_WORKFLOW_REF has it.
	Workflow string
	// Run is the URL of the workflow's run, with the attempt, as a run can be repeated.
	Run string
	// Event is the name of the event that started the run.
	Event string
	// Runner is where it ran, as RUNNER_ENVIRONMENT has it: github-hosted or self-hosted.
	Runner string
	// Platform is what the image was built for: linux/amd64.
	Platform string
	// Arguments are the names of the build arguments that were given, in any order. Their values may be secret, so only what is
	// before a "=" is written.
	Arguments []string
	// Bases are the images that the Dockerfile builds on, in any order.
	Bases []Base
}

// Base is an image that another one builds on.
type Base struct {
	// Name is the image as the Dockerfile names it: python:3.7-slim.
	Name string
	// Digest is that of the manifest, or of the list of manifests, that the name stood for.
	Digest v1.Hash
}

// Provenance is an in-toto statement (version 1) that the subject was made by the build, with SLSA provenance 1 as its predicate,
// for the media type ProvenanceMediaType. It has no signature. The build's parameters are those that the page at BuildType
// describes; when it started and ended is left out. It is an error if the subject has no digest, the builder or the path is
// missing, an image's name is none, or a hash does not have its algorithm's length, which for git's is that of SHA-1.
func Provenance(subject Subject, build Build) ([]byte, error) {
	text, err := statement(subject, build)
	if err != nil {
		return nil, fmt.Errorf("the provenance of %s: %w", subject.Name, err)
	}
	return text, nil
}

func statement(subject Subject, build Build) ([]byte, error) {
	subject, err := subject.known()
	if err != nil {
		return nil, err
	}
	predicate, err := build.predicate(subject)
	if err != nil {
		return nil, err
	}
	made := &intoto.Statement{
		Type: intoto.StatementTypeUri, PredicateType: ProvenanceType, Predicate: predicate,
		Subject: []*intoto.ResourceDescriptor{{Name: subject.Name, Digest: digestSet(subject.Digest)}},
	}
	if err := made.Validate(); err != nil {
		return nil, err
	}
	compact, err := protojson.Marshal(made)
	if err != nil {
		return nil, err
	}
	// protojson puts spaces where another build of this program puts none.
	var text bytes.Buffer
	if err := json.Indent(&text, compact, "", "  "); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}

func (b Build) predicate(subject Subject) (*structpb.Struct, error) {
	if b.Path == "" {
		return nil, fmt.Errorf("the bundle's path is missing")
	}
	repository, err := withoutUser(b.Repository)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, argument := range b.Arguments {
		name, _, _ := strings.Cut(argument, "=")
		names[name] = true
	}
	var arguments []any
	for _, name := range slices.Sorted(maps.Keys(names)) {
		arguments = append(arguments, name)
	}
	external, err := object(map[string]any{
		"source":         present(map[string]any{"repository": repository, "ref": b.Ref, "path": b.Path}),
		"workflow":       b.Workflow,
		"platform":       b.Platform,
		"buildArguments": arguments,
	})
	if err != nil {
		return nil, err
	}
	internal, err := object(map[string]any{"event": b.Event, "runnerEnvironment": b.Runner})
	if err != nil {
		return nil, err
	}
	dependencies, err := b.dependencies(repository, subject.Revision)
	if err != nil {
		return nil, err
	}
	p := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType: BuildType, ExternalParameters: external, InternalParameters: internal, ResolvedDependencies: dependencies,
		},
		RunDetails: &provenance.RunDetails{Builder: &provenance.Builder{Id: b.Builder}},
	}
	if b.Run != "" {
		p.RunDetails.Metadata = &provenance.BuildMetadata{InvocationId: b.Run}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(p)
	if err != nil {
		return nil, err
	}
	predicate := &structpb.Struct{}
	return predicate, protojson.Unmarshal(text, predicate)
}

// dependencies are what the build took: the repository, the bundle's directory in it, and the base images by their names.
func (b Build) dependencies(repository, revision string) ([]*intoto.ResourceDescriptor, error) {
	var all []*intoto.ResourceDescriptor
	at := func(version, fragment string) string {
		if repository == "" {
			return ""
		}
		if version != "" {
			version = "@" + version
		}
		return "git+" + repository + version + fragment
	}
	if revision != "" {
		all = append(all, &intoto.ResourceDescriptor{Uri: at(b.Ref, ""), Digest: map[string]string{"gitCommit": revision}})
	}
	if b.Tree != "" {
		fragment := "#" + (&url.URL{Path: b.Path}).EscapedPath()
		all = append(all, &intoto.ResourceDescriptor{Name: b.Path, Uri: at(revision, fragment), Digest: map[string]string{"gitTree": b.Tree}})
	}
	bases := slices.SortedFunc(slices.Values(b.Bases), func(a, b Base) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Digest.String(), b.Digest.String()))
	})
	for _, base := range slices.Compact(bases) {
		named, err := parseImage(base.Name, base.Digest)
		if err != nil {
			return nil, err
		}
		var tag string
		if tagged, ok := named.(reference.Tagged); ok {
			tag = tagged.Tag()
		}
		all = append(all, &intoto.ResourceDescriptor{
			Name: base.Name, Uri: imageURL(named.Name(), tag, base.Digest, ""), Digest: digestSet(base.Digest),
		})
	}
	return all, nil
}

func digestSet(h v1.Hash) map[string]string { return map[string]string{h.Algorithm: h.Hex} }

// withoutUser is a URL without the user and password in it, which may be a token.
func withoutUser(repository string) (string, error) {
	u, err := url.Parse(repository)
	if err != nil {
		return "", fmt.Errorf("the repository's URL is none") // the error would show it
	}
	u.User = nil
	return u.String(), nil
}

// present is without what is empty.
func present(values map[string]any) map[string]any {
	maps.DeleteFunc(values, func(_ string, value any) bool {
		list, is := value.([]any)
		return value == "" || is && len(list) == 0
	})
	return values
}

func object(values map[string]any) (*structpb.Struct, error) {
	if values = present(values); len(values) == 0 {
		return nil, nil
	}
	return structpb.NewStruct(values)
}
