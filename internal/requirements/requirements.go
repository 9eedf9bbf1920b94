// Package requirements tells where a requirements.txt stops being one that pip reads: the format is that of pip's
// documentation ("Requirements File Format"), and its requirements are those of PyPA's "Dependency specifiers" (PEP 508)
// with versions of PyPA's "Version specifiers" (PEP 440).
package requirements

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/wording"
)

// Problem is a line that pip refuses.
type Problem struct {
	// Line counts from 1. Of a line that goes on with \, it is the first.
	Line int
	// Message quotes what is wrong, and says what to write.
	Message string
}

// options are those of a line of its own, and whether they have a value (pip, req_file.py, SUPPORTED_OPTIONS).
var options = map[string]bool{
	"-i": true, "--index-url": true, "--pypi-url": true, "--extra-index-url": true, "--no-index": false,
	"-c": true, "--constraint": true, "-r": true, "--requirement": true, "-e": true, "--editable": true,
	"-f": true, "--find-links": true, "--no-binary": true, "--only-binary": true, "--prefer-binary": false,
	"--require-hashes": false, "--pre": false, "--trusted-host": true, "--use-feature": true,
}

var (
	comment  = regexp.MustCompile(`(^|\s+)#.*$`)
	variable = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)
	// own are the options of one requirement (pip, SUPPORTED_OPTIONS_REQ).
	own     = regexp.MustCompile(`\s--?(hash|global-option|config-settings?|C|install-option)\b.*$`)
	address = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	archive = regexp.MustCompile(`(?i)\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tlz|tar\.lz|tar\.lzma)$`)
)

// Check reads a file. The problems are in the order of their lines.
func Check(data []byte) []Problem {
	var problems []Problem
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		line := 1
		for i, l := range bytes.Split(data, []byte("\n")) {
			if !utf8.Valid(l) {
				line = i + 1
				break
			}
		}
		return []Problem{{line, "the file is not UTF-8 text; save it as UTF-8"}}
	}
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		first := i + 1
		text := strings.TrimRight(lines[i], "\r")
		var joined strings.Builder
		for strings.HasSuffix(text, `\`) && i+1 < len(lines) && !strings.HasPrefix(strings.TrimSpace(text), "#") {
			joined.WriteString(strings.TrimSuffix(text, `\`))
			i++
			text = strings.TrimRight(lines[i], "\r")
		}
		joined.WriteString(strings.TrimSuffix(text, `\`))
		line := strings.TrimSpace(comment.ReplaceAllString(joined.String(), ""))
		line = variable.ReplaceAllString(line, "0")
		if line == "" {
			continue
		}
		if message := check(line); message != "" {
			problems = append(problems, Problem{first, message})
		}
	}
	return problems
}

// check says what is wrong with a line; empty where nothing is.
func check(line string) string {
	if strings.HasPrefix(line, "-") {
		return checkOptions(line)
	}
	line = strings.TrimSpace(own.ReplaceAllString(line, ""))
	before, _, _ := strings.Cut(line, ";")
	before = strings.TrimSpace(before)
	if !strings.Contains(before, " @") && !strings.Contains(before, "@ ") {
		file, _, _ := strings.Cut(before, "[")
		if address.MatchString(before) || strings.HasPrefix(file, ".") || strings.Contains(file, "/") || archive.MatchString(before) {
			return checkWheel(file) // pip looks for the file or asks the address
		}
	}
	p := &parser{text: line}
	if err := p.requirement(); err != "" {
		return fmt.Sprintf("%q is not a requirement that pip reads: %s", wording.Shorten(line), err)
	}
	return ""
}

// checkWheel looks at a wheel's name, which has five or six parts (PyPA, "Binary distribution format").
func checkWheel(address string) string {
	file := path.Base(address)
	if parts := strings.Count(file, "-") + 1; strings.HasSuffix(file, ".whl") && parts != 5 && parts != 6 {
		return fmt.Sprintf("%q is not the name of a wheel, such as name-1.0-py3-none-any.whl", wording.Shorten(file))
	}
	return ""
}

// checkOptions looks at a line that begins with an option.
func checkOptions(line string) string {
	name, value, _ := strings.Cut(line, "=")
	name, rest, spaced := strings.Cut(name, " ")
	if !strings.HasPrefix(name, "--") && len(name) > 2 { // -rother.txt
		name, value = name[:2], name[2:]
	}
	takes, known := options[name]
	switch {
	case line == "-":
		return "" // pip passes it over
	case !known:
		return fmt.Sprintf("pip does not know the option %q in a requirements file; it knows %s", wording.Shorten(name), strings.Join(names(), ", "))
	case takes && value == "" && strings.TrimSpace(rest) == "" && !(spaced && rest != ""):
		return fmt.Sprintf("the option %s needs a value behind it", name)
	}
	return ""
}

func names() []string {
	var all []string
	for name := range options {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
