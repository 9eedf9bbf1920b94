// Package fileop does on directories what an LLB file operation says: COPY, ADD of local files, WORKDIR and here-documents.
//
// The results are those of BuildKit v0.34.2 (solver/llbsolver/file and solver/llbsolver/ops/file.go), whose copying
// library it uses. It differs in one thing on purpose: where BuildKit leaves the time of the build, on what it makes and on
// directories in which something is put, this package leaves a time that the same build has again.
package fileop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/moby/buildkit/solver/pb"
)

// Input is one input of an operation, as a directory that is only read.
type Input struct {
	// Dir is what a process would see as the input's root. It must not be the upper directory of an overlay: that one
	// has attributes and whiteouts of its own, which would be copied.
	Dir string
	// OwnedByRoot says that its files count as root's, whoever owns them on this machine, as those of a build's context do.
	OwnedByRoot bool
}

// Options are those of Apply.
type Options struct {
	// Created is the modification time of what an action makes without saying from when it is.
	Created time.Time
	// Empty is an empty directory. It stands for scratch where something is copied from there.
	Empty string
	// MaxUnpacked is how many bytes of files the archives of the operation may hold; 0 sets no bound. A file of a few bytes
	// can stand for any number of them.
	MaxUnpacked int64
	// Warn takes what BuildKit passes over in silence: an attribute that could not be copied, a user that is not there.
	// It may be nil.
	Warn func(message string)
}

// Shape says which inputs an operation uses for what.
type Shape struct {
	// Primary is the input whose content the operation starts from, -1 for nothing.
	Primary int
	// Sources are the inputs that files are copied from or names are looked up in, sorted, each once. The primary input is
	// among them only if files are copied from it. -1, first, means that something is copied from scratch.
	Sources []int
}

// ShapeOf reads the shape of an operation that has this number of inputs. It refuses every operation that is not a chain
// of actions on one directory; BuildKit's Dockerfile frontend makes no others.
func ShapeOf(op *pb.FileOp, inputs int) (Shape, error) {
	if len(op.GetActions()) == 0 {
		return Shape{}, errors.New("file operation: it has no actions, expected at least one")
	}
	primary := op.Actions[0].Input
	if primary < -1 || primary >= int64(inputs) {
		return Shape{}, fmt.Errorf("file operation: the first action starts from input %d of %d", primary, inputs)
	}
	used := map[int]bool{}
	for i, action := range op.Actions {
		if err := checkLink(op, i, inputs); err != nil {
			return Shape{}, err
		}
		if action.GetCopy() != nil {
			used[int(action.SecondaryInput)] = true
		}
		named, err := lookups(action, inputs)
		if err != nil {
			return Shape{}, fmt.Errorf("file operation: action %d: %w", i, err)
		}
		for _, input := range named {
			if input != int(primary) {
				used[input] = true
			}
		}
	}
	return Shape{Primary: int(primary), Sources: sortedKeys(used)}, nil
}

// checkLink tells whether action i goes on from the one before it, and only the last one is the result.
func checkLink(op *pb.FileOp, i, inputs int) error {
	action := op.Actions[i]
	if previous := int64(inputs + i - 1); i > 0 && action.Input != previous {
		return fmt.Errorf("file operation: action %d starts from %d, expected the action before it (%d): only chains are supported", i, action.Input, previous)
	}
	output := int64(-1)
	if i == len(op.Actions)-1 {
		output = 0
	}
	if action.Output != output {
		return fmt.Errorf("file operation: action %d has output %d, expected %d: only one result is supported", i, action.Output, output)
	}
	if action.SecondaryInput < -1 || action.SecondaryInput >= int64(inputs) {
		return fmt.Errorf("file operation: action %d copies from %d, expected one of the operation's %d inputs", i, action.SecondaryInput, inputs)
	}
	return nil
}

// Apply does all actions of an operation on dest, which has the content of the primary input already. The Dir of that
// input is used only if files are copied from it.
//
// No symbolic link, neither in dest nor in an input, leads out of its directory. Nothing else may write to them meanwhile.
// Errors name paths as the image has them. After an error, dest is in no state to be used.
func Apply(ctx context.Context, op *pb.FileOp, inputs []Input, dest string, opt Options) error {
	shape, err := ShapeOf(op, len(inputs))
	if err != nil {
		return err
	}
	if opt.Warn == nil {
		opt.Warn = func(string) {}
	}
	if opt.MaxUnpacked == 0 {
		opt.MaxUnpacked = math.MaxInt64
	}
	unpacked := int64(0)
	// Names are looked up in the inputs, not in what earlier actions of the operation have made of them.
	owners := make([]*Owner, len(op.Actions))
	for i, action := range op.Actions {
		if owners[i], err = ownerOf(action, shape.Primary, inputs, dest, opt.Warn); err != nil {
			return fmt.Errorf("%s: %w", describe(action), err)
		}
	}
	for i, action := range op.Actions {
		if err := ctx.Err(); err != nil {
			return err
		}
		source := Input{Dir: opt.Empty}
		if action.SecondaryInput >= 0 {
			source = inputs[action.SecondaryInput]
		}
		target := target{dest: dest, owner: owners[i], opt: opt, action: action, unpacked: &unpacked}
		// BuildKit looks for the required paths while it computes a cache key, which it does not do for a source that an
		// action also starts from.
		target.skipRequired = action.SecondaryInput == -1 || int(action.SecondaryInput) == shape.Primary
		if err := target.do(ctx, source); err != nil {
			return target.explain(err, source.Dir)
		}
	}
	return nil
}

// target is where one action works.
type target struct {
	dest         string
	owner        *Owner
	opt          Options
	action       *pb.FileAction
	skipRequired bool
	// asked is the owner that was last asked for.
	asked Owner
	// unpacked counts the bytes that came out of archives.
	unpacked *int64
}

func (t *target) do(ctx context.Context, source Input) error {
	switch action := t.action.Action.(type) {
	case *pb.FileAction_Copy:
		if source.Dir == "" {
			return errors.New("the source of the copy has no directory")
		}
		return t.copy(ctx, source, action.Copy)
	case *pb.FileAction_Mkdir:
		return t.mkdir(action.Mkdir)
	case *pb.FileAction_Mkfile:
		return t.mkfile(action.Mkfile)
	case *pb.FileAction_Symlink:
		return t.symlink(action.Symlink)
	case *pb.FileAction_Rm:
		return t.remove(action.Rm)
	}
	return fmt.Errorf("%T is not supported", t.action.Action)
}

// created is the time of what the action makes: the one it says, in nanoseconds since 1970, or the build's where it says
// none (-1).
func (t *target) created(timestamp int64) time.Time {
	if timestamp == -1 {
		return t.opt.Created
	}
	return time.Unix(timestamp/1e9, timestamp%1e9)
}

func describe(action *pb.FileAction) string {
	switch action := action.Action.(type) {
	case *pb.FileAction_Copy:
		return fmt.Sprintf("copy %s to %s", action.Copy.Src, action.Copy.Dest)
	case *pb.FileAction_Mkdir:
		return "make the directory " + action.Mkdir.Path
	case *pb.FileAction_Mkfile:
		return "make the file " + action.Mkfile.Path
	case *pb.FileAction_Symlink:
		return "make the link " + action.Symlink.Newpath
	case *pb.FileAction_Rm:
		return "remove " + action.Rm.Path
	}
	return fmt.Sprintf("file action %T", action.Action)
}
