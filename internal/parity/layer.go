package parity

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The names that mean a deletion, of the OCI image specification's layer.md. Other names with metaPrefix are notes of
// aufs, and no files.
const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// kind is what a path names.
type kind string

const (
	file        kind = "file"
	directory   kind = "directory"
	link        kind = "symbolic link"
	charDevice  kind = "character device"
	blockDevice kind = "block device"
	fifo        kind = "fifo"
)

var kinds = map[byte]kind{
	tar.TypeReg: file, tar.TypeDir: directory, tar.TypeSymlink: link,
	tar.TypeChar: charDevice, tar.TypeBlock: blockDevice, tar.TypeFifo: fifo,
}

// inode is a file of whatever kind without its names.
type inode struct {
	kind     kind
	mode     int64 // permissions with set-user-id, set-group-id and sticky bit
	uid, gid int
	size     int64
	content  [sha256.Size]byte
	target   string // of a symbolic link
	major    int64
	minor    int64
	xattrs   map[string]string
}

// change is one entry of a layer.
type change struct {
	// path begins with a slash and is clean. Its parent may lead through symbolic links.
	path string
	// Of these one is set: the path is deleted, everything below it that comes from lower layers is deleted, it is one
	// more name of the file hardLink, or it is inode.
	deleted, emptied bool
	hardLink         string
	inode            *inode
}

// readLayer reads a layer once, and checks that it is the one that the image's configuration names.
func readLayer(layer v1.Layer, id v1.Hash) (changes []change, err error) {
	rc, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	sum := sha256.New()
	whole := io.TeeReader(rc, sum)
	if changes, err = readTar(whole); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, whole); err != nil { // the padding behind the archive's end
		return nil, err
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != id.Hex {
		return nil, fmt.Errorf("the configuration says that it is %s, but it is sha256:%s", id, got)
	}
	return changes, nil
}

func readTar(from io.Reader) ([]change, error) {
	var changes []change
	sum := sha256.New()
	for r := tar.NewReader(from); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return changes, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		c, ok, err := readEntry(header, r, sum)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		if ok {
			changes = append(changes, c)
		}
	}
}

// readEntry makes a change of a tar entry; ok is false for a note that changes no file.
func readEntry(header *tar.Header, content io.Reader, sum hash.Hash) (c change, ok bool, err error) {
	c.path = path.Clean("/" + header.Name)
	dir, name := path.Split(c.path)
	switch {
	case name == opaqueName:
		c.path, c.emptied = path.Clean(dir), true
		return c, true, nil
	case strings.HasPrefix(name, metaPrefix):
		return c, false, nil
	case name == whiteoutPrefix:
		return c, false, errors.New("a deletion of nothing")
	case strings.HasPrefix(name, whiteoutPrefix):
		c.path, c.deleted = dir+strings.TrimPrefix(name, whiteoutPrefix), true
		return c, true, nil
	case header.Typeflag == tar.TypeLink:
		c.hardLink = path.Clean("/" + header.Linkname)
		return c, true, nil
	}
	kind, known := kinds[header.Typeflag]
	if !known {
		return c, false, fmt.Errorf("unknown kind %q of tar entry", header.Typeflag)
	}
	c.inode = &inode{kind: kind, mode: header.Mode & 0o7777, uid: header.Uid, gid: header.Gid, xattrs: xattrs(header)}
	switch kind {
	case file:
		sum.Reset()
		c.inode.size, err = io.Copy(sum, content)
		sum.Sum(c.inode.content[:0])
	case link:
		c.inode.target, c.inode.mode = header.Linkname, 0o777 // Linux knows no other
	case charDevice, blockDevice:
		c.inode.major, c.inode.minor = header.Devmajor, header.Devminor
	}
	return c, true, err
}

// xattrs are a tar entry's extended attributes, which GNU tar and Go write under this prefix.
func xattrs(header *tar.Header) map[string]string {
	const prefix = "SCHILY.xattr."
	var found map[string]string
	for key, value := range header.PAXRecords {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			if found == nil {
				found = map[string]string{}
			}
			found[name] = value
		}
	}
	return found
}
