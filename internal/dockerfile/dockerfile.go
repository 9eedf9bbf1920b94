// Package dockerfile reads a Dockerfile with BuildKit's parser and tells what the other parts of a run need to know of
// it: its instructions with their lines, the images that it starts from, and what the builder would build wrong.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// File is a parsed Dockerfile.
type File struct {
	Stages []instructions.Stage
	// Args are the ARG instructions before the first FROM.
	Args   []instructions.ArgCommand
	escape rune
}

// SyntaxError says on which line a Dockerfile stops being one.
type SyntaxError struct {
	Line    int
	Message string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("Dockerfile line %d: %s", e.Line, e.Message) }

// Parse reads a Dockerfile. Its error is a *SyntaxError.
func Parse(data []byte) (*File, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, &SyntaxError{1, "the Dockerfile is empty; begin it with FROM"}
	}
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, syntaxError(err)
	}
	stages, args, err := instructions.Parse(result.AST, nil)
	if err != nil {
		return nil, syntaxError(err)
	}
	if len(stages) == 0 {
		return nil, &SyntaxError{1, "the Dockerfile has no FROM; begin it with one"}
	}
	return &File{Stages: stages, Args: args, escape: result.EscapeToken}, nil
}

// locationInText is how the instruction parser tells a line in the text of its errors; the line is given apart.
var locationInText = regexp.MustCompile(`^(dockerfile )?parse error on line \d+: `)

func syntaxError(err error) *SyntaxError {
	line := 1
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		line = max(1, located.Locations[0][0].Start.Line) // the parser directives' errors are on line 0
	}
	message := locationInText.ReplaceAllString(err.Error(), "")
	if strings.HasPrefix(message, "no build stage in current context") {
		message = "this stands before the first FROM, where only ARG may stand; begin the Dockerfile with FROM"
	}
	return &SyntaxError{line, message}
}

// Line is the first line of an instruction, counted from 1.
func Line(ranges []parser.Range) int {
	if len(ranges) == 0 {
		return 1
	}
	return ranges[0].Start.Line
}

// Image is an image that a Dockerfile starts from or copies from.
type Image struct {
	// Name is as it is written, with its arguments replaced.
	Name string
	Line int
}

// Images are the images that a build needs, each once. The build arguments are KEY=VALUE.
func (f *File) Images(buildArgs []string) ([]Image, error) {
	lex := shell.NewLex(f.escape)
	env, err := f.globalArgs(lex, buildArgs)
	if err != nil {
		return nil, err
	}
	var images []Image
	add := func(name string, line int) {
		if !slices.ContainsFunc(images, func(i Image) bool { return i.Name == name }) {
			images = append(images, Image{name, line})
		}
	}
	for i, stage := range f.Stages {
		name, _, err := lex.ProcessWord(stage.BaseName, shell.EnvsFromSlice(env))
		if err != nil {
			return nil, &SyntaxError{Line(stage.Location), err.Error()}
		}
		if name == "" {
			return nil, &SyntaxError{Line(stage.Location), fmt.Sprintf("FROM %s names no image: its argument has no value", stage.BaseName)}
		}
		if name != "scratch" && !f.isStage(name, i) {
			add(name, Line(stage.Location))
		}
		for _, command := range stage.Commands {
			copied, ok := command.(*instructions.CopyCommand)
			if ok && copied.From != "" && !f.isStage(copied.From, i) && !isIndex(copied.From, i) {
				add(copied.From, Line(copied.Location()))
			}
		}
	}
	return images, nil
}

// globalArgs are the arguments before the first FROM, with the values that the build gives them.
func (f *File) globalArgs(lex *shell.Lex, buildArgs []string) ([]string, error) {
	given := map[string]string{}
	for _, arg := range buildArgs {
		key, value, _ := strings.Cut(arg, "=")
		given[key] = value
	}
	var env []string
	for _, command := range f.Args {
		for _, arg := range command.Args {
			value, ok := given[arg.Key]
			if !ok {
				if arg.Value == nil {
					continue // unset, which ${KEY-default} tells from empty
				}
				var err error
				if value, _, err = lex.ProcessWord(*arg.Value, shell.EnvsFromSlice(env)); err != nil {
					return nil, &SyntaxError{Line(command.Location()), err.Error()}
				}
			}
			env = append(env, arg.Key+"="+value)
		}
	}
	return env, nil
}

// isStage reports whether a stage before stage number i has the name.
func (f *File) isStage(name string, i int) bool {
	_, ok := instructions.HasStage(f.Stages[:i], name)
	return ok
}

func isIndex(name string, before int) bool {
	n, err := strconv.Atoi(name)
	return err == nil && n >= 0 && n < before
}
