package fileop_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jina/hub-publish/internal/fileop"
)

// noConfig is a registry in which every image has an empty configuration. It has a layer: the frontend takes an image
// without one for scratch.
type noConfig struct{}

func (noConfig) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + digest.FromString("layer").String() + `"]}}`), nil
}

// build is what a Dockerfile without RUN makes of a context and of base, which is each image that it names. dockerfile may
// be without FROM: it then starts from the base.
type build struct {
	context, base string
	warnings      []string
	digests       map[string]*pb.Op
	done          map[string]string
}

func newBuild(contextDir, base string) *build {
	return &build{context: contextDir, base: base, digests: map[string]*pb.Op{}, done: map[string]string{}}
}

func (b *build) run(t testing.TB, dockerfile string) (string, error) {
	t.Helper()
	if !strings.HasPrefix(dockerfile, "FROM") {
		dockerfile = "FROM base\n" + dockerfile
	}
	local := llb.Local("context")
	result, err := dockerfile2llb.Dockerfile2LLB(t.Context(), []byte(dockerfile), dockerfile2llb.ConvertOpt{
		MainContext:    &local,
		MetaResolver:   noConfig{},
		TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"},
	})
	if err != nil {
		return "", err
	}
	definition, err := result.State.Marshal(t.Context(), llb.LinuxAmd64)
	must(t, err)
	var last *pb.Op
	for _, data := range definition.Def {
		last = &pb.Op{}
		must(t, last.UnmarshalVT(data))
		b.digests[digest.FromBytes(data).String()] = last
	}
	return b.input(t, last.Inputs[0])
}

// input is the directory that an operation's input is.
func (b *build) input(t testing.TB, input *pb.Input) (string, error) {
	if dir, ok := b.done[input.Digest]; ok {
		return dir, nil
	}
	dir, err := b.evaluate(t, b.digests[input.Digest])
	b.done[input.Digest] = dir
	return dir, err
}

func (b *build) evaluate(t testing.TB, op *pb.Op) (string, error) {
	if source := op.GetSource(); source != nil {
		if strings.HasPrefix(source.Identifier, "local://") {
			return b.context, nil
		}
		return b.base, nil
	}
	var inputs []fileop.Input
	for _, input := range op.Inputs {
		dir, err := b.input(t, input)
		if err != nil {
			return "", err
		}
		inputs = append(inputs, fileop.Input{Dir: dir})
	}
	shape, err := fileop.ShapeOf(op.GetFile(), len(inputs))
	if err != nil {
		return "", err
	}
	dest := t.TempDir()
	must(t, os.Chmod(dest, 0o755))
	setTime(t, dest, baseTime)
	if shape.Primary >= 0 {
		clone(t, inputs[shape.Primary].Dir, dest)
	}
	return dest, fileop.Apply(t.Context(), op.GetFile(), inputs, dest, fileop.Options{
		Created: created, Empty: t.TempDir(), Warn: func(message string) { b.warnings = append(b.warnings, message) },
	})
}

func clone(t testing.TB, from, to string) {
	t.Helper()
	if output, err := exec.Command("cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, output))
	}
}
