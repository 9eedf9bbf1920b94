package attest_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/jina/hub-publish/internal/attest"
)

// build is one with everything in it.
func build() attest.Build {
	return attest.Build{
		Builder: "https://github.com/jina/hub-publish@v1", Repository: "https://github.com/jina/hub", Ref: "refs/heads/main",
		Path: "encoders/nlp/Awesome Encoder", Tree: strings.Repeat("7e", 20),
		Workflow: "jina/hub/.github/workflows/publish.yml@refs/heads/main", Run: "https://github.com/jina/hub/actions/runs/123/attempts/1",
		Event: "push", Runner: "github-hosted", Platform: "linux/amd64", Arguments: []string{"VCS_REF", "BUILD_DATE"},
		Bases: []attest.Base{
			{Name: "python:3.7-slim", Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b2", 32)}},
			{Name: "jinaai/jina:1.3.1", Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b1", 32)}},
		},
	}
}

// read reads a provenance back, and asks whether it is one.
func read(t *testing.T, text []byte) (*intoto.Statement, *provenance.Provenance) {
	t.Helper()
	statement, predicate := &intoto.Statement{}, &provenance.Provenance{}
	if err := protojson.Unmarshal(text, statement); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := statement.Validate(); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	inner, err := protojson.Marshal(statement.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(inner, predicate); err != nil { // unknown fields are an error
		t.Fatalf("%v in %s", err, inner)
	}
	if err := predicate.Validate(); err != nil {
		t.Errorf("%v in %s", err, inner)
	}
	return statement, predicate
}

func TestProvenance(t *testing.T) {
	t.Parallel()
	text, err := attest.Provenance(subject, build())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "provenance.intoto.json", text)
	statement, predicate := read(t, text)
	if statement.GetPredicateType() != attest.ProvenanceType || predicate.GetBuildDefinition().GetBuildType() != attest.BuildType {
		t.Errorf("the types are %s, %s", statement.GetPredicateType(), predicate.GetBuildDefinition().GetBuildType())
	}

	other := build()
	slices.Reverse(other.Arguments)
	slices.Reverse(other.Bases)
	other.Bases = append(other.Bases, other.Bases[0])
	other.Arguments = append(other.Arguments, other.Arguments[0])
	same := subject
	same.Name = "index." + subject.Name
	again, err := attest.Provenance(same, other)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("said in another way it is %s, %v", again, err)
	}
}

func TestProvenanceOfLittle(t *testing.T) {
	t.Parallel()
	bare := attest.Subject{Name: subject.Name, Digest: subject.Digest}
	text, err := attest.Provenance(bare, attest.Build{Builder: "https://github.com/jina/hub-publish@v1", Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bare.intoto.json", text)
	read(t, text)
}

func TestProvenanceKeepsSecrets(t *testing.T) {
	t.Parallel()
	secret := build()
	secret.Repository = "https://x-access-token:s3cret@github.com/jina/hub"
	secret.Arguments = append(secret.Arguments, "TOKEN=s3cret", "TOKEN2=a=s3cret")
	text, err := attest.Provenance(subject, secret)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), `"TOKEN2"`) {
		t.Errorf("got %s", text)
	}
	secret.Repository = "https://s3cret@exa mple.com/\x00"
	if _, err := attest.Provenance(subject, secret); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestProvenanceErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*attest.Subject, *attest.Build)
		want   string
	}{
		"no builder":               {func(_ *attest.Subject, b *attest.Build) { b.Builder = "" }, "runDetails.builder required"},
		"no path":                  {func(_ *attest.Subject, b *attest.Build) { b.Path = "" }, "the bundle's path is missing"},
		"no digest":                {func(s *attest.Subject, _ *attest.Build) { s.Digest = v1.Hash{} }, "has no digest"},
		"a short digest":           {func(s *attest.Subject, _ *attest.Build) { s.Digest.Hex = "d1" }, "digest has incorrect length"},
		"a revision not whole":     {func(s *attest.Subject, _ *attest.Build) { s.Revision = "c0c0c0c" }, "digest is not valid hex-encoded string"},
		"a revision that is a ref": {func(s *attest.Subject, _ *attest.Build) { s.Revision = "main" }, "digest is not valid hex-encoded string"},
		"no name":                  {func(s *attest.Subject, _ *attest.Build) { s.Name = "" }, `image name ""`},
		"a base without name":      {func(_ *attest.Subject, b *attest.Build) { b.Bases[0].Name = "" }, `image name ""`},
		"a base without digest":    {func(_ *attest.Subject, b *attest.Build) { b.Bases[0].Digest = v1.Hash{} }, "image python:3.7-slim has no digest"},
		"a path that is no text":   {func(_ *attest.Subject, b *attest.Build) { b.Path = "a\xff" }, "invalid UTF-8"},
		"a ref that is no text":    {func(_ *attest.Subject, b *attest.Build) { b.Ref = "a\xff" }, "invalid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := subject, build()
			c.change(&s, &b)
			text, err := attest.Provenance(s, b)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if text != nil {
				t.Errorf("got %s", text)
			}
		})
	}
}
