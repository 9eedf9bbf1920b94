package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/wording"
)

// Problem is one thing that is wrong in a configuration file.
type Problem struct {
	At finding.Range
	// Message says what is wrong, what is allowed and what to do.
	Message string
}

func (p *Problem) Error() string {
	if p.At.Column == 0 {
		return fmt.Sprintf("line %d: %s", p.At.Line, p.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s", p.At.Line, p.At.Column, p.Message)
}

// Error is what is wrong in a configuration file, in the file's order. There is at least one problem.
type Error struct {
	Problems []*Problem
}

// Error is the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// written is a configuration file as it is written. Its keys are those of the table.
type written struct {
	Rules     map[string]finding.Severity
	Overrides []struct {
		Paths []string
		Rules map[string]finding.Severity
	}
	Kinds, Types, Licenses []string
	NamePattern            string `yaml:"name-pattern"`
	Layout                 struct {
		Root   string
		Groups Groups
	}
	Limits struct {
		LargeFile yaml.Node `yaml:"large-file"`
	}
	RequiredFiles    []string `yaml:"required-files"`
	RecommendedFiles []string `yaml:"recommended-files"`
	Unversioned      []string
	UsageTests       yaml.Node `yaml:"usage-tests"`
	RequireJina      bool      `yaml:"require-jina"`
}

// Parse reads a configuration file. Rules are the ids that there are. What the file does not say is as in Default. Its
// error is an *Error with every problem of the file, the first 50 at the most.
func Parse(data []byte, rules []string) (*Config, error) {
	root, text, problem := decode(data)
	if problem != nil {
		return nil, &Error{[]*Problem{problem}}
	}
	config := Default()
	if root == nil {
		return config, nil
	}
	check := &checker{rules: rules, lines: text}
	table.check(check, root, top)
	if len(check.problems) > 0 {
		return nil, &Error{check.sorted()}
	}
	var file written
	if err := root.Decode(&file); err != nil {
		return nil, &Error{[]*Problem{{finding.Line(root.Line), strings.TrimPrefix(err.Error(), "yaml: ")}}}
	}
	file.apply(config)
	return config, nil
}

// apply puts what the file says over the defaults. The file is known to be right.
func (w *written) apply(c *Config) {
	if w.Rules != nil {
		c.Rules = w.Rules
	}
	for _, o := range w.Overrides {
		c.Overrides = append(c.Overrides, Override{o.Paths, o.Rules})
	}
	for _, values := range []struct {
		to   *[]string
		from []string
	}{
		{&c.Kinds, w.Kinds}, {&c.Types, w.Types}, {&c.Licenses, w.Licenses},
		{&c.RecommendedFiles, w.RecommendedFiles}, {&c.Unversioned, w.Unversioned},
	} {
		if values.from != nil {
			*values.to = values.from
		}
	}
	for _, file := range w.RequiredFiles {
		if !slices.Contains(c.RequiredFiles, file) {
			c.RequiredFiles = append(c.RequiredFiles, file)
		}
	}
	c.RecommendedFiles = slices.DeleteFunc(c.RecommendedFiles, func(file string) bool { return slices.Contains(c.RequiredFiles, file) })
	if w.NamePattern != "" {
		c.NamePattern = regexp.MustCompile(w.NamePattern)
	}
	c.Layout.Root = w.Layout.Root
	if w.Layout.Groups != "" {
		c.Layout.Groups = w.Layout.Groups
	}
	if n := &w.Limits.LargeFile; !n.IsZero() {
		c.Limits.LargeFile, _ = bytesOf(n)
	}
	c.UsageTests = testsOf(&w.UsageTests)
	c.RequireJina = w.RequireJina
}

// decode reads the YAML of a file; the node is nil where nothing but comments is in it.
func decode(data []byte) (*yaml.Node, lines, *Problem) {
	if len(data) > MaxSize {
		return nil, nil, &Problem{finding.Line(1), fmt.Sprintf("the file is larger than %d bytes, which is the limit; shorten it", MaxSize)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	text := lines(strings.Split(string(data), "\n"))
	for i, line := range text {
		text[i] = strings.TrimSuffix(line, "\r")
		if problem := readable(text[i]); problem != "" {
			return nil, nil, &Problem{finding.Line(i + 1), problem}
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, text, nil
	} else if err != nil {
		return nil, text, text.syntaxError(err)
	}
	if err := decoder.Decode(&next); err == nil {
		return nil, text, &Problem{text.line(next.Line), "a second YAML document begins here; remove the `---` and what follows, or put it into the first"}
	} else if !errors.Is(err, io.EOF) {
		return nil, text, text.syntaxError(err)
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, text, nil
	}
	return root, text, nil
}

// lineEnds are ends of lines to YAML, but not to editors and GitHub: lines behind them would have two numbers.
const lineEnds = "\r\u0085\u2028\u2029"

// readable says what keeps a line from being read, or "".
func readable(line string) string {
	if strings.ToValidUTF8(line, "") != line {
		return "this line is not UTF-8 text; save the file as UTF-8"
	}
	if i := strings.IndexAny(line, lineEnds); i >= 0 {
		return fmt.Sprintf("this line holds the character %U, which ends a line in YAML, but not in an editor; remove it", []rune(line[i:])[0])
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }); i >= 0 {
		return fmt.Sprintf("this line holds the control character %U, which no YAML file may hold; remove it", []rune(line[i:])[0])
	}
	return ""
}

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// parserError matches those of yaml.v3's errors whose lines it counts from 0: its parser's. Its scanner's count from 1.
	parserError   = regexp.MustCompile(`^(did not find expected (<|node content|'-'|key|',')|found (undefined tag|duplicate %|incompatible))`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError gives the parser's error its place. The parser tells a line, no column; of an unknown anchor not even that.
func (l lines) syntaxError(err error) *Problem {
	parts := yamlError.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if parts == nil {
		return &Problem{finding.Line(1), err.Error()}
	}
	line, convErr := strconv.Atoi(parts[1])
	if alias := unknownAnchor.FindStringSubmatch(parts[2]); alias != nil {
		line = 1 + slices.IndexFunc(l, func(text string) bool { return strings.Contains(text, "*"+alias[1]) })
	} else if convErr == nil && parserError.MatchString(parts[2]) {
		line++
	}
	return &Problem{l.line(line), "not valid YAML: " + wording.Shorten(parts[2])}
}

// line is a whole line; the last one for what the parser misses behind the end.
func (l lines) line(n int) finding.Range { return finding.Line(min(max(n, 1), len(l))) }
