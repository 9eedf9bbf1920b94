package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Layout is where a case's files go.
type Layout struct {
	// Context is the directory of the context, and Served that of what http://files.example/ stands for. Both exist.
	Context, Served string
	// Names replaces the names under .example in every file.
	Names *strings.Replacer
}

// Lay writes a case's files.
func (c Case) Lay(l Layout) error {
	for _, f := range c.files {
		path := filepath.Join(l.Context, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(l.Names.Replace(string(f.Data))), 0o644); err != nil {
			return err
		}
	}
	for _, words := range c.directives {
		if err := actions[words[0]].do(l, words[1:]); err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, strings.Join(words, " "), err)
		}
	}
	return nil
}

// action is what a directive does with so many arguments.
type action struct {
	arguments int
	do        func(l Layout, arguments []string) error
}

var actions = map[string]action{
	"symlink": {1, func(l Layout, a []string) error {
		path, target, ok := strings.Cut(a[0], " -> ")
		if !ok {
			return errors.New("write PATH -> TARGET")
		}
		return os.Symlink(target, filepath.Join(l.Context, path))
	}},
	"mode": {2, func(l Layout, a []string) error {
		mode, err := strconv.ParseUint(a[0], 8, 12)
		if err != nil {
			return err
		}
		return unix.Chmod(filepath.Join(l.Context, a[1]), uint32(mode))
	}},
	"owner": {2, func(l Layout, a []string) error {
		var uid, gid int
		if _, err := fmt.Sscanf(a[0], "%d:%d", &uid, &gid); err != nil {
			return err
		}
		return os.Lchown(filepath.Join(l.Context, a[1]), uid, gid)
	}},
	"mkdir": {1, func(l Layout, a []string) error { return os.MkdirAll(filepath.Join(l.Context, a[0]), 0o755) }},
	"fifo":  {1, func(l Layout, a []string) error { return unix.Mkfifo(filepath.Join(l.Context, a[0]), 0o644) }},
	"fill": {2, func(l Layout, a []string) error {
		size, err := strconv.Atoi(a[0])
		if err != nil {
			return err
		}
		data := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails, and is the same each time
		return os.WriteFile(filepath.Join(l.Context, a[1]), data, 0o644)
	}},
	"crlf":         {1, edit(func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")) })},
	"bom":          {1, edit(func(text []byte) []byte { return append([]byte("\xef\xbb\xbf"), text...) })},
	"unterminated": {1, edit(func(text []byte) []byte { return bytes.TrimSuffix(text, []byte("\n")) })},
	"archive":      {2, pack},
	"serve":        {1, serve},
	"repository":   {1, repository},
}

// edit is an action that changes a file's content.
func edit(change func([]byte) []byte) func(Layout, []string) error {
	return func(l Layout, a []string) error {
		path := filepath.Join(l.Context, a[0])
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(text), 0o644)
	}
}
