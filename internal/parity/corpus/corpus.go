// Package corpus reads the cases by which the builder is held against BuildKit: small Dockerfiles with their contexts, one
// idea each, in testdata/parity.
//
// A case is a txtar archive. Its comment begins with a sentence that says what the case is about; behind an empty line
// stand directives, one a line, done in their order:
//
//	expect fails [WORDS]       both tools must fail, ours with these words; without this line both must succeed
//	expect refused WORDS       ours must fail with these words; BuildKit is not asked
//	build-arg KEY=VALUE        a build argument
//	symlink PATH -> TARGET     a symbolic link
//	mode OCTAL PATH            permissions; a file has 0644 and a directory 0755 without
//	owner UID:GID PATH         an owner, which needs root; without, it is who reads the case
//	mkdir PATH                 an empty directory
//	fifo PATH                  a named pipe
//	fill BYTES PATH            a file with so many bytes that compress badly
//	crlf PATH                  lines end as on Windows
//	bom PATH                   the file begins with a byte order mark
//	unterminated PATH          the file's last line has no end
//	archive PATH DIR           DIR becomes the tar archive PATH, compressed as its suffix says
//	serve DIR                  DIR is not in the context but at http://files.example/
//	repository DIR             DIR is not in the context but a git repository at http://files.example/DIR
//	image CHANGE               of a base in testdata/parity/bases: what is done to its image before it is pushed
//
// Whoever lays a case out says what stands in the place of the names under .example.
package corpus

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"
)

// Expectation is what is to come of a case.
type Expectation string

const (
	// Same is that both tools build, and build the same.
	Same Expectation = "same"
	// Fails is that both tools fail.
	Fails Expectation = "fails"
	// Refused is that this project's builder says that it does not do what is asked.
	Refused Expectation = "refused"
)

// Case is one case.
type Case struct {
	// Name is the file's name without its suffix, About the sentence at its beginning.
	Name, About string
	Expect      Expectation
	// Words must be in this project's error.
	Words     string
	BuildArgs []string
	// Image is what is done to a base's image.
	Image []string

	files      []txtar.File
	directives [][]string
}

// Read reads the cases in a directory, in the order of their names.
func Read(dir string) ([]Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has no *.txtar", dir)
	}
	slices.Sort(paths)
	var cases []Case
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		c, err := parse(archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.Name = strings.TrimSuffix(filepath.Base(path), ".txtar")
		cases = append(cases, c)
	}
	return cases, nil
}

func parse(archive *txtar.Archive) (Case, error) {
	about, directives, _ := strings.Cut(string(archive.Comment), "\n\n")
	c := Case{About: strings.Join(strings.Fields(about), " "), Expect: Same, files: archive.Files}
	if c.About == "" {
		return c, errors.New("it does not begin with a sentence that says what it is about")
	}
	if !slices.ContainsFunc(c.files, func(f txtar.File) bool { return f.Name == "Dockerfile" }) {
		return c, errors.New("it has no Dockerfile")
	}
	for line := range strings.Lines(directives) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := c.directive(words); err != nil {
			return c, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	return c, nil
}

// directive takes one line in. What is to be done in the file system is only checked here for its form.
func (c *Case) directive(words []string) error {
	switch name, rest := words[0], words[1:]; name {
	case "expect":
		return c.expect(rest)
	case "build-arg":
		c.BuildArgs = append(c.BuildArgs, strings.Join(rest, " "))
	case "image":
		c.Image = append(c.Image, strings.Join(rest, " "))
	default:
		action, ok := actions[name]
		if !ok {
			return errors.New("there is no such directive")
		}
		if len(rest) < action.arguments {
			return fmt.Errorf("it needs %d arguments", action.arguments)
		}
		// The last argument may hold blanks.
		last := strings.Join(rest[action.arguments-1:], " ")
		c.directives = append(c.directives, append([]string{name}, append(rest[:action.arguments-1:action.arguments-1], last)...))
	}
	return nil
}

func (c *Case) expect(words []string) error {
	if len(words) == 0 {
		return errors.New("it needs one of same, fails, refused")
	}
	c.Expect, c.Words = Expectation(words[0]), strings.Join(words[1:], " ")
	switch {
	case c.Expect == Refused && c.Words == "":
		return errors.New("say what words the refusal must have")
	case c.Expect == Same && c.Words != "":
		return errors.New("nothing may follow")
	case !slices.Contains([]Expectation{Same, Fails, Refused}, c.Expect):
		return errors.New("expected one of same, fails, refused")
	}
	return nil
}
