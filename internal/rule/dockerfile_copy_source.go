package rule

import (
	"bytes"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

var dockerfileCopySource = &Rule{
	ID:       "dockerfile/copy-source",
	Severity: finding.Error,
	About:    "What COPY and ADD bring is in the bundle, and no `.dockerignore` leaves it out.",
	Check: func(p *Pass) {
		file, err := p.dockerfile()
		if err != nil {
			return
		}
		sources := file.Sources()
		if len(sources) == 0 {
			return
		}
		context := p.context()
		hints := 100 // of more files that are not there, nobody asks which ones were meant
		for _, s := range sources {
			at := finding.Range{Line: s.Line, Column: s.Column}
			if s.Column > 0 {
				at.EndLine, at.EndColumn = s.Line, s.Column+utf8.RuneCountInString(s.Written)
			}
			switch {
			case s.Path == "" || context[s.Path] == kept || context[s.Path] == 0 && p.Hub.Exists(path.Join(p.Path, s.Path)):
			case context[s.Path] == leftOut:
				p.Report(p.DockerfilePath(), at, "%s brings %q, which the bundle's .dockerignore leaves out; let it in with a line `!%s`, or do without", s.Instruction, wording.Shorten(s.Written), s.Path)
			default:
				hint := ""
				if hints--; hints >= 0 {
					hint = wording.DidYouMean(s.Path, p.names())
				}
				p.Report(p.DockerfilePath(), at, "%s brings %q, which is not in the bundle %s;%s add the file, or correct the path: it counts from the bundle's directory", s.Instruction, wording.Shorten(s.Written), p.Path, hint)
			}
		}
	},
}

// inContext says what becomes of a path of a bundle in the context of its build.
type inContext int

const (
	kept inContext = iota + 1
	leftOut
)

// context are the bundle's files and directories, relative to it. A directory of which something is kept is kept.
func (p *Pass) context() map[string]inContext {
	ignored := p.dockerignore()
	context := map[string]inContext{}
	for _, f := range p.files() {
		name := strings.TrimPrefix(f.Path, p.Path+"/")
		state := kept
		if out, err := ignored.MatchesOrParentMatches(name); err == nil && out {
			state = leftOut
		}
		for ; name != "."; name = path.Dir(name) {
			if context[name] != kept {
				context[name] = state
			}
		}
	}
	return context
}

// maxMatches is how often a pattern is held against a file. Only a hostile bundle asks for more, and then nothing is taken
// for left out.
const maxMatches = 5_000_000

// dockerignore is what the build leaves out: the Dockerfile's own file goes before the bundle's.
func (p *Pass) dockerignore() *patternmatcher.PatternMatcher {
	var patterns []string
	for _, name := range []string{"Dockerfile.dockerignore", ".dockerignore"} {
		if !p.hasFile(name) {
			continue
		}
		if data, err := p.Hub.Read(path.Join(p.Path, name)); err == nil {
			patterns, _ = ignorefile.ReadAll(bytes.NewReader(data))
			break
		}
	}
	if len(patterns)*(len(p.files())+100) > maxMatches {
		patterns = nil
	}
	if matcher, err := patternmatcher.New(patterns); err == nil {
		return matcher
	}
	matcher, _ := patternmatcher.New(nil) // the build will say what is wrong with the patterns
	return matcher
}

// names are the bundle's files relative to it, as far as they can be what a word was meant to be.
func (p *Pass) names() []string {
	var names []string
	for _, f := range p.files() {
		if len(names) == 1000 {
			break
		}
		names = append(names, strings.TrimPrefix(f.Path, p.Path+"/"))
	}
	return names
}
