// Package dockerfile reads a Dockerfile with BuildKit's parser and tells what the other parts of a run need to know of
// it: its instructions with their lines, what is to be done for each stage, and what a build of a hub does not get.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// File is a parsed Dockerfile.
type File struct {
	Stages []instructions.Stage
	// Args are the ARG instructions before the first FROM.
	Args   []instructions.ArgCommand
	data   []byte
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
	// The linter has nobody to tell: without one, BuildKit v0.34.2 panics at a comment `# check=skip=…` on an instruction.
	stages, args, err := instructions.Parse(result.AST, linter.New(&linter.Config{}))
	if err != nil {
		return nil, syntaxError(err)
	}
	if len(stages) == 0 {
		return nil, &SyntaxError{1, "the Dockerfile has no FROM; begin it with one"}
	}
	return &File{Stages: stages, Args: args, data: data, escape: result.EscapeToken}, nil
}

// locationInText is how the instruction parser tells a line in the text of its errors; the line is given apart.
var locationInText = regexp.MustCompile(`^(dockerfile )?parse error on line \d+: `)

// maxMessage is how many characters of an error are told.
const maxMessage = 400

func syntaxError(err error) *SyntaxError {
	message := locationInText.ReplaceAllString(err.Error(), "")
	if strings.HasPrefix(message, "no build stage in current context") {
		message = "this stands before the first FROM, where only ARG may stand; begin the Dockerfile with FROM"
	}
	if utf8.RuneCountInString(message) > maxMessage { // it quotes a word that may be of any length
		message = string([]rune(message)[:maxMessage]) + "…"
	}
	return &SyntaxError{max(1, lineOf(err)), message}
}

// lineOf is the line that an error of BuildKit's tells, or 0: some tell none, and those of parser directives tell that.
func lineOf(err error) int {
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		return located.Locations[0][0].Start.Line
	}
	return 0
}

// Line is the first line of an instruction, counted from 1.
func Line(ranges []parser.Range) int {
	if len(ranges) == 0 {
		return 1
	}
	return ranges[0].Start.Line
}
