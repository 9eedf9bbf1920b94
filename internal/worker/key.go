package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	continuity "github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	fscopy "github.com/tonistiigi/fsutil/copy"
	"google.golang.org/protobuf/proto"

	"github.com/jina/hub-publish/internal/graph"
)

// keyVersion changes when what a key stands for changes: a layer of an older version is not found then.
const keyVersion = "hub-publish layer 1"

// keys name what operations give: the same key, the same result, but for what a RUN does differently each time. They are
// computed from the operations, the base images' digests and the context's files, and nothing has to run for them.
type keys struct {
	contextDir string
	known      map[*graph.Vertex]string
}

// keysOf are the cache keys of an order's RUN instructions.
func keysOf(ctx context.Context, order Order, contextDir string) (Keys, error) {
	found := Keys{}
	k := &keys{contextDir: contextDir, known: map[*graph.Vertex]string{}}
	for _, definition := range order.Targets {
		target, err := graph.Parse(definition)
		if err != nil {
			return nil, err
		}
		for _, v := range target.Vertices() {
			if v.Op.GetExec() == nil {
				continue
			}
			key, err := k.of(ctx, graph.Edge{Vertex: v})
			if err != nil {
				return nil, err
			}
			if key != "" {
				found[v.Digest] = key
			}
		}
	}
	return found, nil
}

// of is an edge's key; empty where the result depends on what cannot be known before.
func (k *keys) of(ctx context.Context, e graph.Edge) (string, error) {
	if e.Vertex == nil {
		return "scratch", nil
	}
	if key, ok := k.known[e.Vertex]; ok {
		return key, nil
	}
	key, err := k.vertex(ctx, e.Vertex)
	if err == nil {
		k.known[e.Vertex] = key
	}
	return key, err
}

func (k *keys) vertex(ctx context.Context, v *graph.Vertex) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%T\n", keyVersion, v.Op.Op)
	switch op := v.Op.Op.(type) {
	case *pb.Op_Source:
		scheme, rest, _ := strings.Cut(op.Source.Identifier, "://")
		if scheme != "docker-image" && scheme != "local" {
			return "", nil // what an address gives tomorrow is not known
		}
		_, digest, _ := strings.Cut(rest, "@")
		fmt.Fprintf(hash, "%s %s\n", scheme, digest)
	case *pb.Op_File:
		if err := k.files(ctx, hash, v, op.File); err != nil {
			return "", err
		}
		if err := write(hash, op.File); err != nil {
			return "", err
		}
	case *pb.Op_Exec:
		if err := k.mounts(ctx, hash, v, op.Exec); err != nil {
			return "", err
		}
		if err := write(hash, op.Exec); err != nil {
			return "", err
		}
	}
	for _, input := range v.Inputs {
		key, err := k.of(ctx, input)
		if err != nil || key == "" {
			return "", err
		}
		fmt.Fprintf(hash, "input %s %d\n", key, input.Output)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// write adds an operation to a key.
func write(to io.Writer, op proto.Message) error {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(op)
	if err == nil {
		_, err = to.Write(data)
	}
	return err
}

// files adds the files of the context that are copied.
func (k *keys) files(ctx context.Context, to io.Writer, v *graph.Vertex, op *pb.FileOp) error {
	for _, action := range op.Actions {
		from := int(action.SecondaryInput)
		c := action.GetCopy()
		if c == nil || from < 0 || from >= len(v.Inputs) || !isContext(v.Inputs[from].Vertex) {
			continue
		}
		sources := []string{c.Src}
		if c.AllowWildcard {
			var err error
			if sources, err = fscopy.ResolveWildcards(k.contextDir, c.Src, c.FollowSymlink); err != nil {
				return nil // the copy itself will say what is wrong
			}
		}
		for _, source := range sources {
			if err := k.path(ctx, to, source); err != nil {
				return err
			}
		}
	}
	return nil
}

// mounts adds the files of the context that RUN --mount shows.
func (k *keys) mounts(ctx context.Context, to io.Writer, v *graph.Vertex, op *pb.ExecOp) error {
	for _, m := range op.Mounts {
		if m.Input >= 0 && int(m.Input) < len(v.Inputs) && isContext(v.Inputs[m.Input].Vertex) {
			if err := k.path(ctx, to, m.Selector); err != nil {
				return err
			}
		}
	}
	return nil
}

// path adds what there is at a path of the context: its name, which a pattern does not tell, and what the links on its way
// lead to inside of the context, since COPY follows them.
func (k *keys) path(ctx context.Context, to io.Writer, path string) error {
	fmt.Fprintf(to, "path %q\n", path)
	resolved, err := continuity.RootPath(k.contextDir, filepath.Join("/", path))
	if err != nil {
		return nil // the operation itself will say what is wrong
	}
	err = hashTree(ctx, to, resolved)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(to, "nothing")
		return nil
	}
	return err
}

// hashTree adds a file, or all files below a directory, with their names and modes. A link below it counts as what it says.
func hashTree(ctx context.Context, to io.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "file %q %o %d\n", strings.TrimPrefix(path, root), info.Mode(), info.Size())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(to, "link %q\n", target)
		case info.Mode().IsRegular():
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := io.Copy(to, f); err != nil {
				return err
			}
		}
		return nil
	})
}
