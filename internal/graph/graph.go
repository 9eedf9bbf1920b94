// Package graph reads an LLB definition, BuildKit's low-level description of a build (solver/pb/ops.proto), as a graph of
// vertices: what the worker evaluates, and where the builder sees which vertices become an image's layers.
package graph

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// Vertex is one operation.
type Vertex struct {
	// Digest names the operation and all that it depends on, but for the files of a build's context.
	Digest string
	Op     *pb.Op
	Inputs []Edge
	// Line is the first line in the Dockerfile of the instruction that the operation comes from; 0 where it comes from none.
	Line int
	// Name is the instruction, with its variables replaced.
	Name string
}

// Edge is one result of a vertex. The zero Edge is the empty file system, which `FROM scratch` begins with.
type Edge struct {
	Vertex *Vertex
	Output int
}

// stagePrefix is what BuildKit puts before an instruction: the stage, and which of its steps it is.
var stagePrefix = regexp.MustCompile(`^\[[^\]]*\] `)

// Parse reads a marshalled pb.Definition. The edge is the result that it describes. A definition without any operation is
// that of the empty file system; in all others, each operation goes on from what was described before it.
func Parse(data []byte) (Edge, error) {
	definition := &pb.Definition{}
	if err := proto.Unmarshal(data, definition); err != nil {
		return Edge{}, fmt.Errorf("read the build's definition: %w", err)
	}
	vertices := map[string]*Vertex{}
	var results []Edge
	for _, data := range definition.Def {
		op := &pb.Op{}
		if err := proto.Unmarshal(data, op); err != nil {
			return Edge{}, fmt.Errorf("read the build's definition: %w", err)
		}
		v := &Vertex{Digest: digest.FromBytes(data).String(), Op: op}
		for _, input := range op.Inputs {
			from, ok := vertices[input.Digest]
			if !ok {
				return Edge{}, fmt.Errorf("the build's definition names the operation %s before it describes it", input.Digest)
			}
			v.Inputs = append(v.Inputs, Edge{from, int(input.Index)})
		}
		if op.Op == nil { // the last one only points to the result
			results = append(results, v.Inputs...)
			continue
		}
		if !v.ordered() {
			return Edge{}, fmt.Errorf("the build's definition has an operation %s that goes on from what it does not have", v.Digest)
		}
		if metadata := definition.Metadata[v.Digest]; metadata != nil {
			v.Name = stagePrefix.ReplaceAllString(metadata.Description["llb.customname"], "")
		}
		v.Line = line(definition.Source, v.Digest)
		vertices[v.Digest] = v
	}
	switch {
	case len(definition.Def) == 0:
		return Edge{}, nil
	case len(results) != 1:
		return Edge{}, fmt.Errorf("the build's definition has %d results instead of one", len(results))
	default:
		return results[0], nil
	}
}

// ordered reports whether what the operation goes on from are its inputs, or what it did before.
func (v *Vertex) ordered() bool {
	inputs := int64(len(v.Inputs))
	for _, mount := range v.Op.GetExec().GetMounts() {
		if mount.Input >= inputs {
			return false
		}
	}
	for i, action := range v.Op.GetFile().GetActions() {
		if last := inputs + int64(i); action.Input >= last || action.SecondaryInput >= last {
			return false
		}
	}
	return true
}

func line(source *pb.Source, digest string) int {
	if source == nil || source.Locations[digest] == nil {
		return 0
	}
	for _, location := range source.Locations[digest].Locations {
		for _, r := range location.Ranges {
			if r.Start != nil && r.Start.Line > 0 {
				return int(r.Start.Line)
			}
		}
	}
	return 0
}

// Chain are the vertices that each add a layer on the way from the base to an edge, the lowest first. base is the image
// that they lie on; it is nil where they lie on nothing.
func (e Edge) Chain() (base *Vertex, layers []*Vertex) {
	if e.Vertex == nil {
		return nil, nil
	}
	switch e.Vertex.Op.Op.(type) {
	case *pb.Op_Source:
		return e.Vertex, nil
	case *pb.Op_Merge:
		for _, input := range e.Vertex.Inputs {
			below, more := input.Chain()
			if base == nil && len(layers) == 0 {
				base = below
			}
			layers = append(layers, more...)
		}
		return base, layers
	default:
		base, layers = e.Below().Chain()
		return base, append(layers, e.Vertex)
	}
}

// Below is the result that a layer lies on: the root file system of an exec op, the destination of a file op.
func (e Edge) Below() Edge {
	switch op := e.Vertex.Op.Op.(type) {
	case *pb.Op_Exec:
		for _, mount := range op.Exec.Mounts {
			if mount.Dest == pb.RootMount {
				return e.Vertex.input(int(mount.Input))
			}
		}
	case *pb.Op_File:
		return e.Vertex.input(primary(op.File, len(e.Vertex.Inputs), e.Output))
	}
	return Edge{}
}

// Input is an input by its index; the empty file system for the index -1.
func (v *Vertex) input(index int) Edge {
	if index < 0 || index >= len(v.Inputs) {
		return Edge{}
	}
	return v.Inputs[index]
}

// primary is the index of the input that a file op's actions write to for an output: each action goes on from an input or
// from an action before it.
func primary(op *pb.FileOp, inputs, output int) int {
	index := -1
	for i, action := range op.Actions {
		if int(action.Output) == output {
			index = inputs + i
		}
	}
	for index >= inputs {
		index = int(op.Actions[index-inputs].Input)
	}
	return index
}

// Images are the base images that an edge depends on, each once.
func (e Edge) Images() []*Vertex {
	return slices.DeleteFunc(e.Vertices(), func(v *Vertex) bool {
		return v.Op.GetSource() == nil || !strings.HasPrefix(v.Op.GetSource().Identifier, imageScheme)
	})
}

// Vertices are all that an edge depends on, each once, behind its inputs.
func (e Edge) Vertices() []*Vertex {
	var vertices []*Vertex
	seen := map[*Vertex]bool{nil: true}
	var visit func(v *Vertex)
	visit = func(v *Vertex) {
		if seen[v] {
			return
		}
		seen[v] = true
		for _, input := range v.Inputs {
			visit(input.Vertex)
		}
		vertices = append(vertices, v)
	}
	visit(e.Vertex)
	return vertices
}

// imageScheme begins the identifier of a source that is an image.
const imageScheme = "docker-image://"
