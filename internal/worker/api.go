// Package worker runs what Dockerfiles say, in a process that knows no token and no password. It takes base images,
// contexts and build definitions from the action over one connection, evaluates them, and gives back layers. What an
// instruction runs is in namespaces of its own, one level further down.
package worker

import (
	"time"

	"github.com/jina/hub-publish/internal/layer"
	"github.com/jina/hub-publish/internal/trial"
)

// The worker's requests, on the paths of its one connection:
//
//	GET    /images/{digest}     whether a base image is there already, from an earlier run
//	PUT    /images/{digest}     a base image: an Image in JSON, behind it its layers' blobs one after another
//	PUT    /contexts/{build}    a build's context: a tar archive
//	POST   /keys/{build}        an Order in JSON; the answer is a Keys in JSON
//	PUT    /cached/{build}/{vertex}  the blob of a layer that an earlier build made for a vertex
//	POST   /builds/{build}      an Order in JSON; the answer is a stream of Events in JSON, the last of which is an end
//	POST   /trials/{build}      a trial.Order in JSON; the answer is a stream of Events in JSON, the last of which is Tried or an end
//	GET    /layers/{build}/{digest}  a layer's compressed blob
//	DELETE /builds/{build}      all that is kept of a build
const (
	pathImages   = "/images/"
	pathContexts = "/contexts/"
	pathKeys     = "/keys/"
	pathCached   = "/cached/"
	pathBuilds   = "/builds/"
	pathTrials   = "/trials/"
	pathLayers   = "/layers/"
)

// Image is what the worker must know of a base image: its layers, the lowest first.
type Image struct {
	Layers []Blob
}

// Blob is a compressed layer.
type Blob struct {
	// Digest is the blob's, and Size its length in bytes.
	Digest string
	Size   int64
}

// Order is what is to be built.
type Order struct {
	// Targets are the stages' LLB definitions (pb.Definition, marshalled), and the last of them is the image: its layers are
	// wanted.
	Targets [][]byte
	// Created is the time of what the build itself makes, such as a directory for COPY.
	Created time.Time
	Limits  Limits
}

// Keys are the cache keys of an order's RUN instructions, by their vertices' digests: the same key, the same work. A vertex
// whose result depends on what cannot be known before has none.
type Keys map[string]string

// Limits bound what a build may use. Zero is no bound.
type Limits struct {
	// Instruction is the longest time for one instruction.
	Instruction time.Duration
	// Disk is how many bytes one instruction may leave or take for a while.
	Disk int64
	// Output is how many bytes of an instruction's output are passed on; the rest is counted.
	Output int64
}

// Event is what the worker tells of a build. One of its fields is set.
type Event struct {
	Step   *Step   `json:",omitempty"`
	Output *Output `json:",omitempty"`
	Done   *Done   `json:",omitempty"`
	Layer  *Layer  `json:",omitempty"`
	// Tried is how a trial of the image went.
	Tried *trial.Outcome `json:",omitempty"`
	End   *End           `json:",omitempty"`
}

// Step begins an instruction.
type Step struct {
	// Vertex tells it from others that run at the same time.
	Vertex string
	Line   int
	Name   string
}

// Output is what an instruction printed, or without a vertex the image that is tried.
type Output struct {
	Vertex string
	Text   []byte
}

// Done ends an instruction.
type Done struct {
	Vertex  string
	Seconds float64
}

// Layer is a layer of the image that is ready to be fetched.
type Layer struct {
	Vertex string
	// Result describes its blob; nil for the one that was brought for the vertex.
	Result *layer.Result `json:",omitempty"`
}

// End ends the build. Without a reason, it went well.
type End struct {
	// Vertex, Line and Name are of the instruction that failed, if it was one.
	Vertex string
	Line   int
	Name   string
	// Reason is why it failed.
	Reason string
	// Internal says that neither the Dockerfile nor what it runs is to blame.
	Internal bool
}
