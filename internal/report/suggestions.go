package report

import (
	"cmp"
	"io/fs"
	"slices"
	"unicode/utf8"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
)

// Suggestions are the certain fixes of the findings that count, one for each line that has any, as the lines would read.
// Files are those that the findings point into. A fix that does not fit its line, or overlaps another, is left out: it
// is not certain then.
func (r *Report) Suggestions(files fs.FS) []forge.Suggestion {
	counted, _ := split(r.All())
	counted = slices.DeleteFunc(counted, func(f finding.Finding) bool { return f.Fix == nil || f.File == "" })
	slices.SortStableFunc(counted, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Fix.Line, b.Fix.Line), cmp.Compare(a.Fix.Column, b.Fix.Column))
	})
	var all []forge.Suggestion
	lines := sources{files: files}
	for len(counted) > 0 {
		first, n := counted[0], 1
		for n < len(counted) && counted[n].File == first.File && counted[n].Fix.Line == first.Fix.Line {
			n++
		}
		if line, ok := lines.line(first.File, first.Fix.Line); ok {
			if s, ok := mend(line, counted[:n]); ok {
				all = append(all, s)
			}
		}
		counted = counted[n:]
	}
	return all
}

// mend applies the fixes of one line, which are in their order.
func mend(line string, findings []finding.Finding) (forge.Suggestion, bool) {
	first := findings[0]
	s := forge.Suggestion{Path: first.File, Line: first.Fix.Line, Old: line}
	rest, at := []rune(line), 1
	for _, f := range findings {
		from, to, ok := span(f.Fix, utf8.RuneCountInString(line))
		if !ok || from < at {
			continue
		}
		s.New += string(rest[:from-at]) + f.Fix.Text
		rest, at = rest[to-at:], to
		if s.Message != "" {
			s.Message += "\n\n"
		}
		s.Message += "[" + f.Rule + "](" + f.Help + ") " + escape(f.Message)
	}
	s.New += string(rest)
	return s, s.New != line
}

// span is what a fix replaces, from a column to the first one behind it. A fix without columns takes the whole line.
func span(fix *finding.Fix, length int) (from, to int, ok bool) {
	if fix.Column == 0 {
		return 1, length + 1, true
	}
	oneLine := fix.EndLine == 0 || fix.EndLine == fix.Line
	return fix.Column, fix.EndColumn, oneLine && fix.Column <= fix.EndColumn && fix.EndColumn <= length+1
}
