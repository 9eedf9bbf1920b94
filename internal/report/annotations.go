package report

import (
	"fmt"
	"strconv"
	"unicode/utf16"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
)

// What the runner keeps of a step's annotations (actions/runner, ExecutionContext.cs).
const (
	// maxAnnotations of each level are kept; the rest is dropped without a word.
	maxAnnotations = 10
	// maxMessage is where a message is cut, in UTF-16 code units.
	maxMessage = 4096
)

// Annotate puts the findings on the pull request's lines: the ten most important of each level. Where there are more,
// the tenth says how many and where they are.
func Annotate(action *githubactions.Action, findings []finding.Finding) {
	for _, severity := range []finding.Severity{finding.Error, finding.Warning} {
		left := finding.Count(findings, severity)
		shown := 0
		for _, f := range findings {
			if f.Severity != severity || f.Ignored != "" {
				continue
			}
			if shown == maxAnnotations-1 && left > 1 {
				issue(action, severity, nil, fmt.Sprintf("%d more findings of this level are in the job summary and in the report", left))
				break
			}
			issue(action, severity, fields(f), cut(f.Message, maxMessage-len(f.Help)-1)+"\n"+f.Help)
			shown++
			left--
		}
	}
}

// Overflows reports whether the runner keeps less annotations than there are findings.
func Overflows(findings []finding.Finding) bool {
	return finding.Count(findings, finding.Error) > maxAnnotations || finding.Count(findings, finding.Warning) > maxAnnotations
}

func issue(action *githubactions.Action, severity finding.Severity, fields map[string]string, message string) {
	action = action.WithFieldsMap(fields)
	if severity == finding.Error {
		action.Errorf("%s", message)
	} else {
		action.Warningf("%s", message)
	}
}

// fields are the annotation's properties. The runner drops columns without an end on the same line, and shows what
// stands in no file with the run.
func fields(f finding.Finding) map[string]string {
	fields := map[string]string{"title": f.Rule}
	if f.File != "" {
		fields["file"] = f.File
	}
	if f.Line > 0 {
		fields["line"] = strconv.Itoa(f.Line)
	}
	if f.Column > 0 {
		fields["col"] = strconv.Itoa(f.Column)
	}
	if f.EndLine > 0 {
		fields["endLine"] = strconv.Itoa(f.EndLine)
		fields["endColumn"] = strconv.Itoa(f.EndColumn)
	}
	return fields
}

// cut shortens a text to a number of UTF-16 code units, its end first: the end of an output says why it failed, but the
// message before it says more.
func cut(text string, units int) string {
	used, end := 0, 0
	for i, r := range text {
		if used < units { // there is room for the … before this character
			end = i
		}
		if used += utf16.RuneLen(r); used > units {
			return text[:end] + "…"
		}
	}
	return text
}
