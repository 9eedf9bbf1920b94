package graph_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/graph"
)

// resolver knows every image. All but "hollow" have a layer.
type resolver struct{}

func (resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	layers := `"sha256:` + strings.Repeat("1", 64) + `"`
	if strings.Contains(ref, "hollow") {
		layers = ""
	}
	return ref, digest.FromString(ref), []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[` + layers + `]}}`), nil
}

// definition is what a Dockerfile's last stage is converted to.
func definition(t testing.TB, text string) []byte {
	t.Helper()
	file, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	targets, err := file.Convert(t.Context(), dockerfile.Options{Created: time.Unix(1e9, 0), Resolver: resolver{}})
	if err != nil {
		t.Fatal(err)
	}
	return targets[len(targets)-1].Definition
}

func parse(t testing.TB, text string) graph.Edge {
	t.Helper()
	result, err := graph.Parse(definition(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// image is a vertex's image by its short name; empty where it is none.
func image(v *graph.Vertex) string {
	if v == nil {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(v.Op.GetSource().GetIdentifier(), "docker-image://docker.io/library/"), "@")
	return strings.TrimSuffix(name, ":latest")
}

// name is an instruction with its line.
func name(v *graph.Vertex) string { return fmt.Sprintf("%d %s", v.Line, v.Name) }

// TestChain has Dockerfiles with the image that their last stage lies on, and what adds a layer to it, by line.
func TestChain(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		text, base string
		layers     []string
		// images are all that are needed; base alone where there are none here.
		images []string
	}{
		"an image as it is":     {text: "FROM debian\nENV A=b\nLABEL c=d\nUSER e\n", base: "debian"},
		"an empty image":        {text: "FROM scratch\n"},
		"an image of nothing":   {text: "FROM hollow\nCOPY a /\n", layers: []string{"2 COPY a /"}},
		"an image of one layer": {text: "FROM scratch\nCOPY a /\n", layers: []string{"2 COPY a /"}},
		"an image by its digest": {text: "FROM debian:12@sha256:" + strings.Repeat("a", 64) + "\nRUN x\n", base: "debian:12",
			layers: []string{"2 RUN x"}},
		"instructions in their order": {text: "FROM debian\nRUN x\nWORKDIR /w\nCOPY a b\nADD c.tar /\nRUN y\n", base: "debian",
			layers: []string{"2 RUN x", "3 WORKDIR /w", "4 COPY a b", "5 ADD c.tar /", "6 RUN y"}},
		"several sources are one layer": {text: "FROM debian\nCOPY a b c /d/\n", base: "debian", layers: []string{"2 COPY a b c /d/"}},
		"the same instruction twice":    {text: "FROM debian\nRUN x\nRUN x\n", base: "debian", layers: []string{"2 RUN x", "3 RUN x"}},
		"variables":                     {text: "FROM debian\nARG A=1\nENV B=2\nRUN echo $A\nCOPY $B /\n", base: "debian", layers: []string{"4 RUN echo 1", "5 COPY 2 /"}},
		"an instruction in brackets":    {text: "FROM debian\nRUN [ -d /x ] \nRUN [\"x\", \"y\"]\n", base: "debian", layers: []string{"2 RUN [ -d /x ]", "3 RUN [\"x\", \"y\"]"}},
		"an instruction of more lines":  {text: "# c\nFROM debian\n\nRUN x \\\n  # c\n  && y\nCOPY a \\\n  b\n", base: "debian", layers: []string{"4 RUN x   && y", "7 COPY a   b"}},
		"heredocs": {text: "FROM debian\nRUN <<EOT\nx\ny\nEOT\nCOPY <<A <<B /d/\na\nA\nb\nB\nRUN z\n", base: "debian",
			layers: []string{"2 RUN <<EOT (x...)", "6 COPY <<A <<B /d/", "11 RUN z"}},
		"a layer of its own":       {text: "FROM debian\nRUN x\nCOPY --link a /\nRUN y\n", base: "debian", layers: []string{"2 RUN x", "3 COPY --link a /", "4 RUN y"}},
		"layers of their own":      {text: "FROM debian\nCOPY --link a /\nADD --link b /\nCOPY --link c /\n", base: "debian", layers: []string{"2 COPY --link a /", "3 ADD --link b /", "4 COPY --link c /"}},
		"its own on nothing":       {text: "FROM scratch\nCOPY --link a /\nCOPY --link b /\n", layers: []string{"2 COPY --link a /", "3 COPY --link b /"}},
		"what a stage leaves":      {text: "FROM alpine AS b\nRUN x\nFROM debian\nCOPY --from=b /a /\nRUN y\n", base: "debian", images: []string{"alpine", "debian"}, layers: []string{"4 COPY --from=b /a /", "5 RUN y"}},
		"what a stage leaves, own": {text: "FROM alpine AS b\nRUN x\nFROM debian\nCOPY --link --from=b /a /\n", base: "debian", images: []string{"alpine", "debian"}, layers: []string{"4 COPY --link --from=b /a /"}},
		"what an image has":        {text: "FROM scratch\nCOPY --from=alpine /a /\n", images: []string{"alpine"}, layers: []string{"2 COPY --from=alpine /a /"}},
		"a stage on a stage":       {text: "FROM debian AS a\nRUN x\nFROM a AS b\nRUN y\nFROM b\nRUN z\n", base: "debian", layers: []string{"2 RUN x", "4 RUN y", "6 RUN z"}},
		"a stage that is not used": {text: "FROM alpine\nRUN x\nFROM debian\nRUN y\n", base: "debian", layers: []string{"4 RUN y"}},
		"an image twice":           {text: "FROM debian AS a\nRUN x\nFROM debian\nCOPY --from=a /x /\nCOPY --from=a /y /\n", base: "debian", layers: []string{"4 COPY --from=a /x /", "5 COPY --from=a /y /"}},
		"mounts": {text: "FROM alpine AS b\nFROM debian\nRUN --mount=from=b,target=/b --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/w,rw x\nRUN y\n", base: "debian",
			images: []string{"alpine", "debian"}, layers: []string{"3 RUN --mount=from=b,target=/b --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=target=/w,rw x", "4 RUN y"}},
		"a cache of an image":     {text: "FROM debian\nRUN --mount=type=cache,from=alpine,target=/c x\n", base: "debian", images: []string{"alpine", "debian"}, layers: []string{"2 RUN --mount=type=cache,from=alpine,target=/c x"}},
		"downloads":               {text: "FROM debian\nADD https://example.com/a /\nADD https://example.com/b.git /b\n", base: "debian", layers: []string{"2 ADD https://example.com/a /", "3 ADD https://example.com/b.git /b"}},
		"CRLF":                    {text: "FROM debian\r\nRUN x \\\r\n  y\r\nRUN z\r\n", base: "debian", layers: []string{"2 RUN x   y", "4 RUN z"}},
		"a stage's name in names": {text: "FROM debian AS x-1.y_z\nRUN a\n", base: "debian", layers: []string{"2 RUN a"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			result := parse(t, c.text)
			base, layers := result.Chain()
			var got []string
			for _, v := range layers {
				got = append(got, name(v))
			}
			if image(base) != c.base || !slices.Equal(got, c.layers) {
				t.Errorf("got  %s %q\nwant %s %q", image(base), got, c.base, c.layers)
			}
			var images []string
			for _, v := range result.Images() {
				images = append(images, image(v))
			}
			slices.Sort(images)
			if c.images == nil && c.base != "" {
				c.images = []string{c.base}
			}
			if !slices.Equal(images, c.images) {
				t.Errorf("got the images %q, want %q", images, c.images)
			}
			consistent(t, result)
		})
	}
}

// TestBelow has what each layer lies on: what it is copied from, or may look into, does not count.
func TestBelow(t *testing.T) {
	t.Parallel()
	result := parse(t, "FROM alpine AS b\nRUN b\nFROM debian\nRUN --mount=from=b,target=/b --mount=target=/c x\nCOPY --from=b y z /d/\nCOPY --link --from=b l /\n")
	want := map[string]string{
		"2 RUN b": "alpine", "4 RUN --mount=from=b,target=/b --mount=target=/c x": "debian", "5 COPY --from=b y z /d/": "4 RUN --mount=from=b,target=/b --mount=target=/c x",
		"6 COPY --link --from=b l /": "",
	}
	for _, v := range result.Vertices() {
		if v.Op.GetExec() == nil && v.Op.GetFile() == nil {
			continue
		}
		below := graph.Edge{Vertex: v}.Below()
		got := image(below.Vertex)
		if below.Vertex != nil && got == "" {
			got = name(below.Vertex)
		}
		if expected, ok := want[name(v)]; !ok || got != expected {
			t.Errorf("%s lies on %q, want %q", name(v), got, expected)
		}
		delete(want, name(v))
	}
	if len(want) > 0 {
		t.Errorf("there is nothing for %q", want)
	}
}

// TestDigests asks that operations are the same where they and all below them are, whatever their lines: by their digests
// the worker knows in a target what it has done for another.
func TestDigests(t *testing.T) {
	t.Parallel()
	digests := func(text string) []string {
		_, layers := parse(t, text).Chain()
		var all []string
		for _, v := range layers {
			all = append(all, v.Digest)
		}
		return all
	}
	one := digests("FROM debian\nRUN x\nRUN y\n")
	if got := digests("# c\nFROM debian AS a\n\nRUN x\nFROM a\nLABEL a=b\nRUN y\n"); !slices.Equal(got, one) {
		t.Errorf("the same instructions on other lines: got %q, want %q", got, one)
	}
	for _, other := range []string{"FROM debian\nRUN x \nRUN z\n", "FROM alpine\nRUN x\nRUN y\n", "FROM debian\nENV A=b\nRUN x\nRUN y\n"} {
		if got := digests(other); got[1] == one[1] {
			t.Errorf("%q has the digests of other instructions", other)
		}
	}
}

// consistent asks of a graph what all that use it rely on.
func consistent(t *testing.T, result graph.Edge) {
	t.Helper()
	all := result.Vertices()
	seen := map[*graph.Vertex]bool{}
	for _, v := range all {
		if seen[v] {
			t.Errorf("%s is there twice", v.Digest)
		}
		seen[v] = true
		for _, input := range v.Inputs {
			if !seen[input.Vertex] {
				t.Errorf("%s is before its input %s", v.Digest, input.Vertex.Digest)
			}
		}
		for output := range 3 {
			if below := (graph.Edge{Vertex: v, Output: output}).Below(); below.Vertex != nil && !slices.Contains(v.Inputs, below) {
				t.Errorf("%s lies on what is not its input", v.Digest)
			}
		}
	}
	if result.Vertex != nil && (len(all) == 0 || all[len(all)-1] != result.Vertex) {
		t.Error("the result is not the last")
	}
	base, layers := result.Chain()
	for _, v := range append(layers, base) {
		if v != nil && !seen[v] {
			t.Errorf("%s is a layer that the result does not depend on", v.Digest)
		}
	}
	for _, v := range result.Images() {
		if !seen[v] || v.Op.GetSource() == nil {
			t.Errorf("%s is no image that the result depends on", v.Digest)
		}
	}
}

// built is a definition of operations. In an operation, an input's digest is the number of the operation before it.
func built(t testing.TB, ops ...*pb.Op) []byte {
	t.Helper()
	marshal := func(m proto.Message) []byte {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	definition := &pb.Definition{}
	for _, op := range ops {
		for _, input := range op.Inputs {
			var n int
			if _, err := fmt.Sscan(input.Digest, &n); err == nil {
				input.Digest = digest.FromBytes(definition.Def[n]).String()
			}
		}
		definition.Def = append(definition.Def, marshal(op))
	}
	return marshal(definition)
}

func source() *pb.Op {
	return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: "docker-image://x"}}}
}

func run(mounts ...*pb.Mount) *pb.Op {
	return &pb.Op{Inputs: []*pb.Input{{Digest: "0"}}, Op: &pb.Op_Exec{Exec: &pb.ExecOp{Mounts: mounts}}}
}

func file(actions ...*pb.FileAction) *pb.Op {
	return &pb.Op{Inputs: []*pb.Input{{Digest: "0"}}, Op: &pb.Op_File{File: &pb.FileOp{Actions: actions}}}
}

func points(to ...string) *pb.Op {
	op := &pb.Op{}
	for _, digest := range to {
		op.Inputs = append(op.Inputs, &pb.Input{Digest: digest})
	}
	return op
}

// TestBroken has definitions that BuildKit's frontend does not make.
func TestBroken(t *testing.T) {
	t.Parallel()
	const goesOn = "that goes on from what it does not have"
	whole := definition(t, "FROM debian\nRUN x\n")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"no definition":                     {[]byte("FROM debian\n"), "read the build's definition: "},
		"half of one":                       {whole[:len(whole)/2], "read the build's definition: "},
		"an operation that is none":         {built(t, source(), points("0"))[2:], "read the build's definition: "},
		"an operation that is not there":    {built(t, points("sha256:x")), "the build's definition names the operation sha256:x before it describes it"},
		"an operation of no name":           {built(t, points("")), "the build's definition names the operation  before it describes it"},
		"no result":                         {built(t, source()), "the build's definition has 0 results instead of one"},
		"a result of nothing":               {built(t, source(), points()), "the build's definition has 0 results instead of one"},
		"two results":                       {built(t, source(), run(), points("0", "1")), "the build's definition has 2 results instead of one"},
		"two that point to results":         {built(t, source(), points("0"), points("0")), "the build's definition has 2 results instead of one"},
		"a mount of no input":               {built(t, source(), run(&pb.Mount{Dest: "/", Input: 1}), points("1")), goesOn},
		"an action of no input":             {built(t, source(), file(&pb.FileAction{Input: 2, SecondaryInput: -1}), points("1")), goesOn},
		"an action of itself":               {built(t, source(), file(&pb.FileAction{Input: 1, SecondaryInput: -1}), points("1")), goesOn},
		"an action that copies from itself": {built(t, source(), file(&pb.FileAction{Input: 0, SecondaryInput: 1}), points("1")), goesOn},
		"actions of each other":             {built(t, source(), file(&pb.FileAction{Input: 2, SecondaryInput: -1}, &pb.FileAction{Input: 1, SecondaryInput: -1}), points("1")), goesOn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := graph.Parse(c.data)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that has %q", err, c.want)
			}
			if result != (graph.Edge{}) {
				t.Errorf("there is a result beside the error")
			}
		})
	}
	if result, err := graph.Parse(nil); err != nil || result != (graph.Edge{}) {
		t.Errorf("the empty file system: got %v and %v", result, err)
	}
}

// TestBelowByMount has a root file system that is not the first mount.
func TestBelowByMount(t *testing.T) {
	t.Parallel()
	exec := run(&pb.Mount{Dest: "/x", Input: 1}, &pb.Mount{Dest: "/", Input: 0})
	exec.Inputs = append(exec.Inputs, &pb.Input{Digest: "1"})
	other := source()
	other.GetSource().Identifier = "docker-image://other"
	result, err := graph.Parse(built(t, source(), other, exec, points("2")))
	if err != nil {
		t.Fatal(err)
	}
	if base, _ := result.Chain(); image(base) != "docker-image://x" {
		t.Errorf("the layer lies on %q", image(base))
	}
}

// TestBare has definitions that tell nothing beside the operations: no names, no lines.
func TestBare(t *testing.T) {
	t.Parallel()
	result, err := graph.Parse(built(t, source(), run(&pb.Mount{Dest: "/", Input: 0}),
		&pb.Op{Inputs: []*pb.Input{{Digest: "1"}}, Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Input: 0, SecondaryInput: -1, Output: -1}, {Input: 1, SecondaryInput: -1, Output: 0}}}}}, points("2")))
	if err != nil {
		t.Fatal(err)
	}
	base, layers := result.Chain()
	if base == nil || len(layers) != 2 || layers[0].Op.GetExec() == nil || layers[1].Op.GetFile() == nil {
		t.Fatalf("got %v and %v", base, layers)
	}
	if got := name(layers[0]); got != "0 " {
		t.Errorf("got the name %q of an instruction that has none", got)
	}
	consistent(t, result)
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"FROM scratch\n", "FROM debian\nRUN x\n", "FROM debian\nCOPY --link a b c /\n", "FROM debian AS a\nRUN --mount=target=/x y\nFROM a\nCOPY --from=a b /\nADD c /\n"} {
		f.Add(definition(f, text))
	}
	f.Add(built(f, source(), file(&pb.FileAction{Input: 0, SecondaryInput: -1, Output: -1}, &pb.FileAction{Input: 1}), points("1")))
	f.Add(built(f, source(), run(&pb.Mount{Dest: "/"}), points("1")))
	f.Add([]byte("\x0a\x02\x0a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := graph.Parse(data)
		if err != nil && result != (graph.Edge{}) {
			t.Errorf("there is a result beside the error %v", err)
		}
		consistent(t, result)
	})
}
