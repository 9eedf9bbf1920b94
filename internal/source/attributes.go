package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxAttributes is the size from which on Git ignores a .gitattributes (its attr.h: ATTR_MAX_FILE_SIZE).
const maxAttributes = 100 << 20

// attributes are what a repository's .gitattributes say about what a checkout does to files (gitattributes(5)).
type attributes struct {
	rules  []rule
	macros map[string][]string
}

type rule struct {
	dir, pattern string
	// words are "text", "-text", "!text" or "eol=crlf".
	words []string
}

func newAttributes() *attributes {
	return &attributes{macros: map[string][]string{"binary": {"-diff", "-merge", "-text"}}}
}

// readAttributes adds the rules of one directory, and keeps .gitmodules for later.
func (w *worktree) readAttributes(tree *object.Tree, dir string) error {
	for _, name := range []string{".gitattributes", ".gitmodules"} {
		entry, err := tree.FindEntry(name)
		if err != nil || !entry.Mode.IsFile() || entry.Mode == filemode.Symlink || name == ".gitmodules" && dir != "." {
			continue
		}
		blob, err := object.GetBlob(w.storage, entry.Hash)
		if err != nil {
			return err
		}
		if blob.Size > maxAttributes {
			continue
		}
		content, err := readBlob(blob)
		if err != nil {
			return err
		}
		if name == ".gitmodules" {
			w.modules = content
		} else {
			w.attributes.add(dir, string(content))
		}
	}
	return nil
}

func readBlob(blob *object.Blob) ([]byte, error) {
	r, err := blob.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// add takes the lines of the .gitattributes in dir, "." for the repository's own. What Git ignores, it ignores.
func (a *attributes) add(dir, content string) {
	for line := range strings.Lines(content) {
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		pattern, rest := cutPattern(line)
		words := strings.Fields(rest)
		if name, ok := strings.CutPrefix(pattern, "[attr]"); ok {
			if dir == "." {
				a.macros[name] = words
			}
			continue
		}
		a.rules = append(a.rules, rule{dir, pattern, words})
	}
}

// cutPattern takes the pattern, which may be in quotes as in C, off a line.
func cutPattern(line string) (pattern, rest string) {
	if quoted, err := strconv.QuotedPrefix(line); err == nil && line[0] == '"' {
		if pattern, err = strconv.Unquote(quoted); err == nil {
			return pattern, line[len(quoted):]
		}
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

func (r rule) matches(name string) bool {
	inside := name
	if r.dir != "." {
		var ok bool
		if inside, ok = strings.CutPrefix(name, r.dir+"/"); !ok {
			return false
		}
	}
	pattern := r.pattern
	if !strings.Contains(pattern, "/") {
		inside = path.Base(inside)
	}
	// Braces are nothing special to Git.
	pattern = strings.NewReplacer("{", `\{`, "}", `\}`).Replace(strings.TrimPrefix(pattern, "/"))
	ok, err := doublestar.Match(pattern, inside)
	return err == nil && ok
}

// of are the values that a file's attributes have: "true", "false", "" or another one. A later rule goes before an earlier.
func (a *attributes) of(name string) map[string]string {
	values := map[string]string{}
	for _, rule := range a.rules {
		if rule.matches(name) {
			a.apply(values, rule.words, map[string]bool{})
		}
	}
	return values
}

// apply sets what words say. A macro stands for its words once: macros may name each other.
func (a *attributes) apply(values map[string]string, words []string, expanded map[string]bool) {
	for _, word := range words {
		switch name, value, valued := strings.Cut(word, "="); {
		case valued:
			values[name] = value
		case word[0] == '-':
			values[word[1:]] = "false"
		case word[0] == '!':
			delete(values, word[1:])
		default:
			values[word] = "true"
			if !expanded[word] {
				expanded[word] = true
				a.apply(values, a.macros[word], expanded)
			}
		}
	}
}

// convert is a file's content as Git writes it on Linux without a configuration: with the line ends that eol=crlf asks for.
func (a *attributes) convert(name string, content io.Reader) (io.Reader, error) {
	values := a.of(name)
	if encoding := values["working-tree-encoding"]; !slices.Contains([]string{"", "true", "false", "UTF-8", "utf-8"}, encoding) {
		return nil, fmt.Errorf(".gitattributes asks for the encoding %s, which is not supported; clone the repository with RUN", encoding)
	}
	ident, text := values["ident"] == "true", values["text"]
	if text == "" {
		text = values["crlf"]
	}
	crlf := values["eol"] == "crlf" && text != "false"
	if !crlf && !ident {
		return content, nil
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return nil, err
	}
	if ident && bytes.Contains(data, []byte("$Id")) {
		return nil, errors.New(".gitattributes asks for $Id$ to be filled in, which is not supported; clone the repository with RUN")
	}
	if crlf {
		data = withCRLF(data, text == "auto")
	}
	return bytes.NewReader(data), nil
}

// withCRLF ends lines as Git's convert.c does. With auto, a file stays that looks binary or has such ends already.
func withCRLF(data []byte, auto bool) []byte {
	pairs := bytes.Count(data, []byte("\r\n"))
	if bytes.Count(data, []byte("\n")) == pairs || auto && (bytes.IndexByte(data, '\r') >= 0 || looksBinary(data)) {
		return data
	}
	out := make([]byte, 0, len(data)+len(data)/16)
	for i, b := range data {
		if b == '\n' && (i == 0 || data[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, b)
	}
	return out
}

// looksBinary counts as Git's convert.c: more than one sign in 128 that no text has, or a zero.
func looksBinary(data []byte) bool {
	if n := len(data); n > 0 && data[n-1] == 0x1a {
		data = data[:n-1]
	}
	plain, other := 0, 0
	for _, b := range data {
		switch {
		case b == 0:
			return true
		case b == '\n':
		case b == 127, b < 32 && b != '\b' && b != '\t' && b != 0x1b && b != '\f':
			other++
		default:
			plain++
		}
	}
	return plain>>7 < other
}
