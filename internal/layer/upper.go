package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Upper writes the upper directory of an overlay mount as an uncompressed layer archive: a character device 0:0 as the
// whiteout of its path, an opaque directory's whiteout as the first entry in it. Entries are in the order of their paths,
// a directory before what it holds, without the root itself.
//
// Of the extended attributes only security.capability goes into the archive. A directory that was renamed, or a file of
// which only the attributes were copied up, can not be understood without the lower directories and is an error: the mount
// needs the options redirect_dir=off and metacopy=off (or nofollow).
func Upper(w io.Writer, upper string, options PackOptions) error {
	p := newPacker(w, upper, options)
	if err := p.upperDirectory(""); err != nil {
		return err
	}
	return p.close()
}

func (p *packer) upperDirectory(name string) error {
	entries, err := os.ReadDir(p.on(name))
	if err != nil {
		return fmt.Errorf("writing /%s into a layer: %w", name, err)
	}
	for _, entry := range entries {
		child := join(name, entry.Name())
		if p.skips(child) {
			continue
		}
		if err := p.upperEntry(child); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) upperEntry(name string) error {
	stat, err := p.lstat(name)
	if err != nil {
		return err
	}
	kind := stat.Mode & unix.S_IFMT
	if kind == unix.S_IFCHR && stat.Rdev == 0 {
		return p.whiteout(name)
	}
	marks := overlayMarks{}
	if kind == unix.S_IFDIR || kind == unix.S_IFREG {
		if marks, err = p.overlayMarks(name); err != nil {
			return err
		}
	}
	if err := p.entry(name, stat); err != nil || kind != unix.S_IFDIR {
		return err
	}
	if marks.opaque {
		if err := p.writeWhiteout(join(name, opaqueWhiteout)); err != nil {
			return err
		}
	}
	return p.upperDirectory(name)
}

// overlayMarks is what overlayfs noted on a file of its upper directory, as the kernel's
// Documentation/filesystems/overlayfs.rst says.
type overlayMarks struct{ opaque bool }

func (p *packer) overlayMarks(name string) (overlayMarks, error) {
	var marks overlayMarks
	size, err := unix.Llistxattr(p.on(name), p.buffer[:maxXattrNames])
	if errors.Is(err, unix.ENOTSUP) {
		return marks, nil
	}
	if err != nil {
		return marks, fmt.Errorf("listing the attributes of /%s: %w", name, err)
	}
	if !bytes.Contains(p.buffer[:size], []byte(".overlay.")) {
		return marks, nil
	}
	for key := range strings.SplitSeq(string(p.buffer[:size]), "\x00") {
		_, mark, _ := strings.Cut(key, ".")
		switch mark {
		case "overlay.redirect", "overlay.metacopy":
			return marks, fmt.Errorf("writing /%s into a layer: it has the attribute %s: "+
				"the overlay must be mounted with redirect_dir=off and metacopy=off", name, key)
		case "overlay.opaque":
			value, err := p.xattr(name, key)
			if err != nil {
				return marks, err
			}
			if string(value) != "y" {
				return marks, fmt.Errorf("writing /%s into a layer: the attribute %s is %q, expected \"y\"", name, key, value)
			}
			marks.opaque = true
		}
	}
	return marks, nil
}
