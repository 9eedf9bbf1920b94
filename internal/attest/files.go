package attest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/layer"
)

// What of an image is kept in memory while its packages are listed: the files are a stranger's.
const (
	// maxFile is the size of a file above which it is not read, in bytes. dpkg takes about 1 KiB a package.
	maxFile = 8 << 20
	// maxOSRelease is the same for os-release, of which parts are in the URL of each package.
	maxOSRelease = 8 << 10
	// maxPath is the length of a path above which its file is left out, in bytes.
	maxPath = 1024
	// maxKept bounds all that is kept at a time, in bytes.
	maxKept = 128 << 20
	// nodeCost is what a component of a path takes in the tree, in bytes.
	nodeCost = 256
)

// The names of the OCI image specification 1.1, layer.md, "Whiteouts".
const (
	whiteoutPrefix = ".wh."
	opaqueWhiteout = whiteoutPrefix + whiteoutPrefix + ".opq"
)

// ErrTooMuch is given for an image that lists more than is read of a stranger's: 20,000 packages, or 128 MiB of files that say
// so.
var ErrTooMuch = errors.New("too many packages")

// file is one that lists packages.
type file struct {
	source *source
	data   []byte
	// problem says why there is no data; empty where there is.
	problem string
	cost    int64
}

// tree holds those files of an image that list packages, and no others: however many files the image has, they cost no memory.
// Links are not followed, so none leads out of the image.
type tree struct {
	sources []source
	root    node
	kept    int64
}

// node is a file, or a directory that has one somewhere beneath.
type node struct {
	children map[string]*node
	file     *file
}

// collect reads an image's layers, the lowest first, none of which is written anywhere.
func collect(ctx context.Context, img v1.Image) (*tree, error) {
	t := &tree{}
	var err error
	if t.sources, err = newSources(); err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("the image's layers: %w", err)
	}
	for i, l := range layers {
		if err := t.layer(ctx, l); err != nil {
			return nil, fmt.Errorf("layer %d of %d: %w", i+1, len(layers), err)
		}
	}
	return t, nil
}

// layer changes the tree as a layer changes the image.
func (t *tree) layer(ctx context.Context, l v1.Layer) (err error) {
	blob, err := l.Compressed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	archive, err := layer.Decompress(&cancelled{ctx, blob})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	whole := &cancelled{ctx, archive}
	if err := t.apply(tar.NewReader(whole)); err != nil {
		return err
	}
	// A layer from a registry is compared with its digest when its end is read.
	_, err = io.Copy(io.Discard, whole)
	return err
}

// apply changes the tree by a layer's archive. A whiteout only applies to lower layers, wherever in the archive it stands, so
// what the archive brings is added at its end.
func (t *tree) apply(archive *tar.Reader) error {
	added := map[string]*file{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := clean(header.Name)
		if name == "" || len(name) > maxPath {
			continue
		}
		if dir, base := path.Split(name); strings.HasPrefix(base, whiteoutPrefix) {
			t.whiteout(dir, base)
			continue
		}
		if header.Typeflag == tar.TypeDir {
			t.removeFile(name)
			continue
		}
		t.remove(name)
		if earlier := added[name]; earlier != nil {
			t.kept -= earlier.cost
			delete(added, name)
		}
		f, err := t.read(header, name, archive, added)
		if err != nil {
			return err
		}
		if f != nil {
			added[name] = f
		}
	}
	for name, f := range added {
		t.root.put(strings.Split(name, "/"), f)
	}
	return nil
}

// read makes a file of an archive's entry; nil where it does not list packages.
func (t *tree) read(header *tar.Header, name string, content io.Reader, added map[string]*file) (*file, error) {
	s := t.sourceOf(name)
	if s == nil {
		return nil, nil
	}
	f := &file{source: s, problem: s.unread}
	var size int64
	var other *file
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		switch {
		case f.problem != "":
		case header.Size > s.limit:
			f.problem = fmt.Sprintf("has more than %d KiB", s.limit>>10)
		default:
			size = header.Size
		}
	case tar.TypeLink:
		target := clean(header.Linkname)
		if other = added[target]; other == nil {
			other = t.file(target)
		}
		if other == nil {
			f.problem = "is a hard link to a file that was not read"
		} else {
			f.problem, size = other.problem, int64(len(other.data)) // counted again, as the other may go
		}
	case tar.TypeSymlink:
		if s.extractor == nil { // Debian's /etc/os-release is a link to the other file of that name, which is read
			return nil, nil
		}
		f.problem = "is a symbolic link, which is not followed"
	default:
		return nil, nil
	}
	// Counted before it is read: a sparse file takes no room in the archive.
	f.cost = int64(len(name)) + nodeCost*int64(1+strings.Count(name, "/")) + size
	if t.kept += f.cost; t.kept > maxKept {
		return nil, fmt.Errorf("%w: the files that list them have more than %d MiB", ErrTooMuch, maxKept>>20)
	}
	if other != nil {
		f.data = other.data
		return f, nil
	}
	f.data = make([]byte, size)
	_, err := io.ReadFull(content, f.data)
	return f, err
}

// whiteout deletes what lower layers have under a name, or in the whole directory.
func (t *tree) whiteout(dir, base string) {
	if base == opaqueWhiteout {
		if dir == "" {
			t.release(&t.root)
			t.root = node{}
			return
		}
		t.remove(strings.TrimSuffix(dir, "/")) // the directory is empty, and those are not in the tree
		return
	}
	if name := strings.TrimPrefix(base, whiteoutPrefix); name != "" && name != "." && name != ".." {
		t.remove(dir + name)
	}
}

// remove deletes what is at a path, with all that is beneath.
func (t *tree) remove(name string) { t.root.remove(t, strings.Split(name, "/")) }

// remove also deletes the directories that become empty, and tells whether this one is.
func (n *node) remove(t *tree, names []string) (empty bool) {
	if len(names) == 0 {
		t.release(n)
		return true
	}
	if child := n.children[names[0]]; child != nil && child.remove(t, names[1:]) {
		delete(n.children, names[0])
	}
	return n.file == nil && len(n.children) == 0
}

// removeFile deletes what is at a path unless it is a directory.
func (t *tree) removeFile(name string) {
	if t.file(name) != nil {
		t.remove(name)
	}
}

// release gives back what is counted for a node and all that is beneath.
func (t *tree) release(n *node) {
	if n.file != nil {
		t.kept -= n.file.cost
	}
	for _, child := range n.children {
		t.release(child)
	}
}

// file is what the tree has at a path; nil for nothing, or a directory.
func (t *tree) file(name string) *file {
	n := &t.root
	for component := range strings.SplitSeq(name, "/") {
		if n = n.children[component]; n == nil {
			return nil
		}
	}
	return n.file
}

func (n *node) put(names []string, f *file) {
	if len(names) == 0 {
		n.file = f
		return
	}
	child := n.children[names[0]]
	if child == nil {
		child = &node{}
		if n.children == nil {
			n.children = map[string]*node{}
		}
		n.children[names[0]] = child
	}
	child.put(names[1:], f)
}

// files gives all files beneath a node by their paths.
func (n *node) files(name string, into map[string]*file) {
	if n.file != nil {
		into[name] = n.file
	}
	for base, child := range n.children {
		child.files(path.Join(name, base), into)
	}
}

// clean is an entry's path below the root of the image, which no ".." leaves; empty for the root itself.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// cancelled reads until its context ends.
type cancelled struct {
	ctx context.Context
	io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
