package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/finding"
)

// Init is a configuration file that lets pass what was found, so that a hub is green today and strict from now on: for each
// rule, an override of exactly the files where it found something. What fails a run becomes a warning, which is still
// shown; where warnings fail a run too, failOn is finding.Warning and what was found is turned off.
//
// Findings that fail nothing are left out, and so are those that a comment lets pass already and those that stand in no
// file. Where the files' names would take more room than a configuration file has, the rules are set for every path.
func Init(findings []finding.Finding, failOn finding.Severity) []byte {
	passed := passed{severity: finding.Warning, files: map[string]map[string]int{}}
	if failOn == finding.Warning {
		passed.severity = finding.Off
	}
	for _, f := range findings {
		fails := f.Severity == finding.Error || f.Severity == failOn
		if !fails || f.File == "" || f.Ignored != "" {
			continue
		}
		if passed.files[f.Rule] == nil {
			passed.files[f.Rule] = map[string]int{}
		}
		passed.files[f.Rule][f.File]++
	}
	text := passed.text(exact)
	if len(text) > MaxSize {
		text = passed.text(func(string) string { return "'**'" })
	}
	return []byte(text)
}

// passed is what a file lets pass: how many findings, by rule and file, and what they weigh then.
type passed struct {
	severity finding.Severity
	files    map[string]map[string]int
}

// text is the configuration file. path is how the path of a file is written.
func (p passed) text(path func(file string) string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "# yaml-language-server: $schema=%s\n#\n# How hub-publish checks this hub.\n", SchemaURL)
	if len(p.files) == 0 {
		s.WriteString("# Nothing was wrong in it when this file was written, so that nothing is let pass.\n")
		return s.String()
	}
	effect := "It is still shown, as a warning."
	if p.severity == finding.Off {
		effect = "It is not shown any more."
	}
	fmt.Fprintf(&s, `#
# What was wrong in it when this file was written is let pass below, rule by rule and file by file. %s
# When a file is mended, take its line out; with the last line of a rule, the rule.

overrides:
`, effect)
	for _, rule := range slices.Sorted(maps.Keys(p.files)) {
		count := 0
		var paths []string
		for _, file := range slices.Sorted(maps.Keys(p.files[rule])) {
			count += p.files[rule][file]
			paths = append(paths, path(file))
		}
		fmt.Fprintf(&s, "  # %s\n  - rules: {%s: %s}\n    paths:\n", number(count, "finding"), rule, p.severity)
		for _, path := range slices.Compact(paths) {
			fmt.Fprintf(&s, "      - %s\n", path)
		}
	}
	return s.String()
}

func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// plain are paths that YAML reads as text without quotes.
var plain = regexp.MustCompile(`^[A-Za-z][\w.-]*(/[\w.-]+)+$`)

// exact is the glob of one file, as YAML. A byte that is not UTF-8, which no YAML file may hold, becomes any character.
func exact(file string) string {
	var glob strings.Builder
	for len(file) > 0 {
		r, size := utf8.DecodeRuneInString(file)
		switch {
		case r == utf8.RuneError && size == 1:
			glob.WriteByte('?')
		case strings.ContainsRune(`*?[]{}\`, r):
			glob.WriteString(`\` + string(r))
		default:
			glob.WriteRune(r)
		}
		file = file[size:]
	}
	if plain.MatchString(glob.String()) {
		return glob.String()
	}
	return strconv.Quote(glob.String()) // Go's escapes are all YAML's too
}
