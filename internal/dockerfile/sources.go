package dockerfile

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Source is a path of the build's context that a COPY or ADD brings.
type Source struct {
	// Line and Column are where it is written; Column is 0 where the instruction's text does not show it as it is.
	Line, Column int
	// Instruction is COPY or ADD.
	Instruction string
	// Written is the path as it is written, and Path the same relative to the context, with variables' values.
	Written, Path string
}

// Sources are the paths that must be in the context. A path with a wildcard may match nothing, and one whose variable has
// no value in the Dockerfile is known only to a build: neither is among them.
func (f *File) Sources() []Source {
	var found []Source
	lines := strings.Split(string(f.data), "\n")
	global := variables{}
	for _, arg := range f.Args {
		f.declare(global, arg.Args)
	}
	stages := map[string]variables{}
	for _, stage := range f.Stages {
		known := variables{}
		for name, value := range stages[strings.ToLower(stage.BaseName)] {
			known[name] = value
		}
		for _, command := range stage.Commands {
			switch c := command.(type) {
			case *instructions.ArgCommand:
				f.declareStage(known, global, c.Args)
			case *instructions.EnvCommand:
				for _, pair := range c.Env {
					f.set(known, pair.Key, pair.Value)
				}
			case *instructions.CopyCommand:
				if c.From == "" {
					found = append(found, f.sources(lines, "COPY", command, c.SourcePaths, known)...)
				}
			case *instructions.AddCommand:
				found = append(found, f.sources(lines, "ADD", command, c.SourcePaths, known)...)
			}
		}
		if stage.Name != "" {
			stages[strings.ToLower(stage.Name)] = known
		}
	}
	return found
}

func (f *File) sources(lines []string, instruction string, command instructions.Command, written []string, known variables) []Source {
	var found []Source
	for _, w := range written {
		if instruction == "ADD" && isAddress(w) {
			continue
		}
		value, ok := f.expand(w, known)
		if !ok || strings.ContainsAny(value, "*?[\\") || instruction == "ADD" && isAddress(value) {
			continue
		}
		// A path cannot leave the context: what leads out of it counts from its top.
		s := Source{Line: Line(command.Location()), Instruction: instruction, Written: w, Path: strings.TrimPrefix(path.Clean("/"+value), "/")}
		for _, r := range command.Location()[:min(len(command.Location()), maxLines)] {
			for n := r.Start.Line; n <= min(r.End.Line, r.Start.Line+maxLines, len(lines)) && s.Column == 0; n++ {
				s.Line, s.Column = place(lines[n-1], w, n, s.Line)
			}
		}
		found = append(found, s)
	}
	return found
}

// maxLines is how many lines of an instruction are searched for a source's place.
const maxLines = 100

// place is where a word stands on a line, counted in code points; without it, the line fallback and no column.
func place(line, word string, number, fallback int) (int, int) {
	for from := 0; ; {
		i := strings.Index(line[from:], word)
		if i < 0 {
			return fallback, 0
		}
		i += from
		end := i + len(word)
		if (i == 0 || strings.ContainsRune(" \t\"[,", rune(line[i-1]))) && (end == len(line) || strings.ContainsRune(" \t\"],\r", rune(line[end]))) {
			return number, len([]rune(line[:i])) + 1
		}
		from = i + 1
	}
}

// isAddress reports whether ADD brings a source from elsewhere.
func isAddress(source string) bool {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return true
	}
	_, isGit, _ := dfgitutil.ParseGitRef(source)
	return isGit
}

// variables are the values that are known in a stage. One that is declared without a value has none.
type variables map[string]string

// Get implements shell.EnvGetter.
func (v variables) Get(name string) (string, bool) {
	value, ok := v[name]
	return value, ok
}

// Keys implements shell.EnvGetter.
func (v variables) Keys() []string {
	var keys []string
	for key := range v {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// What is followed of variables: no path is longer, and values of values of values grow without end.
const (
	maxVariables = 100
	maxValue     = 4096
)

// expand gives a word with its variables' values; ok tells whether all have one.
func (f *File) expand(word string, known variables) (value string, ok bool) {
	if strings.ContainsRune(word, 0) || !utf8.ValidString(word) {
		return word, true // the lexer would print on stderr what it thinks of it
	}
	if strings.Count(word, "$") > maxVariables {
		return "", false
	}
	result, err := shell.NewLex(f.escape).ProcessWordWithMatches(word, known)
	return result.Result, err == nil && len(result.Unmatched) == 0
}

func (f *File) set(known variables, key, value string) {
	if expanded, ok := f.expand(value, known); ok && len(expanded) <= maxValue {
		known[key] = expanded
	} else {
		delete(known, key)
	}
}

func (f *File) declare(known variables, args []instructions.KeyValuePairOptional) {
	for _, arg := range args {
		if arg.Value != nil {
			f.set(known, arg.Key, *arg.Value)
		}
	}
}

// declareStage declares arguments in a stage: one without a value has that from before the first FROM.
func (f *File) declareStage(known, global variables, args []instructions.KeyValuePairOptional) {
	for _, arg := range args {
		if value, ok := global[arg.Key]; arg.Value == nil && ok {
			known[arg.Key] = value
		}
	}
	f.declare(known, args)
}

// CommandLine is the line of the instruction that says what the image runs: the last ENTRYPOINT of the final stage or of one
// that it goes on from, else the last CMD; 0 where there is neither.
func (f *File) CommandLine() int {
	names := map[string]int{}
	entrypoints, commands := make([]int, len(f.Stages)), make([]int, len(f.Stages))
	for i, stage := range f.Stages {
		if from, ok := names[strings.ToLower(stage.BaseName)]; ok {
			entrypoints[i], commands[i] = entrypoints[from], commands[from]
		}
		for _, command := range stage.Commands {
			switch c := command.(type) {
			case *instructions.EntrypointCommand:
				entrypoints[i] = Line(c.Location())
			case *instructions.CmdCommand:
				commands[i] = Line(c.Location())
			}
		}
		if stage.Name != "" {
			names[strings.ToLower(stage.Name)] = i
		}
	}
	last := len(f.Stages) - 1
	return cmp.Or(entrypoints[last], commands[last])
}
