package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/forge"
)

// What a comment may take. GitHub refuses one of more than 65,536 characters; these are bytes, of which a text has no
// fewer, and leave room for what marks the comment as ours.
const (
	maxComment = 65_000
	// maxPlans is the part of it that what a merge would do may take.
	maxPlans = 16_000
	// maxOpen is how many findings are shown at once; where there are more, each file's are folded.
	maxOpen = 10
)

// Plan is what a merge would do for one bundle.
type Plan struct {
	Bundle string
	// Image is the image's reference without a tag.
	Image string
	// Tags would be new in the registry; Moves are there already, and would point at the new image.
	Tags, Moves []string
}

// State is failing where an error counts or the run stopped.
func (r *Report) State() forge.State {
	if r.Error != "" || finding.Count(r.All(), finding.Error) > 0 {
		return forge.Failing
	}
	return forge.Passing
}

// Comment is the comment on the pull request, in Markdown: what to do, file by file, and what its merge would do. It
// stays below GitHub's limit: findings that do not fit are counted.
func (r *Report) Comment(plans []Plan) string {
	counted, passed := split(r.All())
	var s strings.Builder
	r.greet(&s, counted)
	end := planned(plans) + r.footer(len(passed))
	files(&s, counted, maxComment-len(end))
	return s.String() + end
}

// greet says in two lines how things stand.
func (r *Report) greet(s *strings.Builder, counted []finding.Finding) {
	errors, warnings := finding.Count(counted, finding.Error), finding.Count(counted, finding.Warning)
	switch {
	case r.Error != "":
		fmt.Fprintf(s, "### ❌ hub-publish: the run stopped\n\nIt could not do its work: %s\n\n", escape(cut(r.Error, maxMessage)))
	case errors > 0:
		title := plural(errors, "error")
		if warnings > 0 {
			title += " and " + plural(warnings, "warning")
		}
		fmt.Fprintf(s, "### ❌ hub-publish: %s\n\nThank you for this pull request! It is not there yet: each line says what was "+
			"expected and how to mend it. Push the changes, and this comment follows.\n\n", title)
	case warnings > 0:
		fmt.Fprintf(s, "### ✅ hub-publish: good to go, with %s\n\nThank you for this pull request! Nothing keeps it from a merge; "+
			"this could still be better:\n\n", plural(warnings, "warning"))
	default:
		s.WriteString("### ✅ hub-publish: all good\n\nThank you for this pull request! Nothing keeps it from a merge.\n\n")
	}
}

// files writes findings, which are sorted by file, as long as the whole stays within a number of bytes.
func files(s *strings.Builder, findings []finding.Finding, most int) {
	const more = "… and %d more: the job summary has the whole list.\n\n"
	most -= len(more) + len("1000000")
	folded := len(findings) > maxOpen
	for len(findings) > 0 {
		n := 1
		for n < len(findings) && findings[n].File == findings[0].File {
			n++
		}
		begin, end := group(findings[:n], folded)
		shown := 0
		if room := most - len(begin) - len(end); s.Len() < room {
			var entries strings.Builder
			for _, f := range findings[:n] {
				entry := commentFinding(f, true)
				if s.Len()+entries.Len()+len(entry) > room {
					entry = commentFinding(f, false)
				}
				if s.Len()+entries.Len()+len(entry) > room {
					break
				}
				entries.WriteString(entry)
				shown++
			}
			if shown > 0 {
				s.WriteString(begin + entries.String() + end)
			}
		}
		if shown < n {
			fmt.Fprintf(s, more, len(findings)-shown)
			return
		}
		findings = findings[n:]
	}
}

// group is what stands before and behind the findings of one file.
func group(findings []finding.Finding, folded bool) (begin, end string) {
	name := "In no file"
	if file := findings[0].File; file != "" {
		name = code(file)
	}
	if !folded {
		return name + "\n\n", "\n"
	}
	var counts []string
	for _, severity := range []finding.Severity{finding.Error, finding.Warning} {
		if n := finding.Count(findings, severity); n > 0 {
			counts = append(counts, plural(n, string(severity)))
		}
	}
	return fmt.Sprintf("<details><summary>%s: %s</summary>\n\n", name, strings.Join(counts, ", ")), "\n</details>\n\n"
}

// commentFinding is a finding below its file's name. What a build printed is folded, or left out.
func commentFinding(f finding.Finding, whole bool) string {
	message, rest, _ := strings.Cut(f.Message, "\n")
	line := ""
	if f.File != "" && f.Line > 0 {
		line = fmt.Sprintf(" line %d:", f.Line)
	}
	entry := fmt.Sprintf("- %s%s %s [%s](%s)\n", icon(f), line, escape(message), f.Rule, f.Help)
	if rest != "" && whole {
		entry += "  <details><summary>what it printed</summary><pre>" + breaks.Replace(html.EscapeString(rest)) + "</pre></details>\n"
	}
	return entry
}

// planned is a table of what the merge would do.
func planned(plans []Plan) string {
	if len(plans) == 0 {
		return ""
	}
	var s strings.Builder
	s.WriteString("#### After the merge\n\n| bundle | image | new tags | tags that move |\n|---|---|---|---|\n")
	for i, p := range plans {
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", code(p.Bundle), code(p.Image), codes(p.Tags), codes(p.Moves))
		if s.Len()+len(row) > maxPlans {
			fmt.Fprintf(&s, "\n… and %s more.\n", plural(len(plans)-i, "bundle"))
			break
		}
		s.WriteString(row)
	}
	return s.String() + "\n"
}

func codes(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, code(t))
	}
	return strings.Join(all, " ")
}

// footer says what was looked at.
func (r *Report) footer(passed int) string {
	parts := []string{plural(len(r.Bundles), "bundle")}
	if r.Head != "" {
		parts = append(parts, fmt.Sprintf("commit %.10s", escape(r.Head)))
	}
	if passed > 0 {
		parts = append(parts, fmt.Sprintf("%s let pass, with the reasons in the job summary", plural(passed, "finding")))
	}
	return "<sub>" + strings.Join(parts, "; ") + "</sub>\n"
}
