package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
)

// maxSummary is what the summary may take, in bytes: the runner drops a step's summary of more than 1 MiB whole.
const maxSummary = 1<<20 - 4096

var icons = map[Status]string{
	Checked: "✅ checked", Built: "✅ built", Published: "🚀 published", Unchanged: "✅ unchanged", Failed: "❌ failed", Removed: "🗑️ removed",
}

// Summary is the job summary, in Markdown.
func (r *Report) Summary() string {
	var s strings.Builder
	all := r.All()
	fmt.Fprintf(&s, "### hub-publish: %s\n\n", r.verdict(all))
	if r.Error != "" {
		fmt.Fprintf(&s, "> %s\n\n", escape(r.Error))
	}
	if len(r.Bundles) > 0 {
		s.WriteString("| bundle | version | result | errors | warnings | check | build | publish |\n|---|---|---|--:|--:|--:|--:|--:|\n")
		for _, b := range r.Bundles {
			fmt.Fprintf(&s, "| %s | %s | %s | %d | %d | %s | %s | %s |\n", code(b.Path), escape(b.Version), icons[b.Status],
				finding.Count(b.Findings, finding.Error), finding.Count(b.Findings, finding.Warning), b.seconds("check"), b.seconds("build"), b.seconds("publish"))
		}
		s.WriteString("\n")
	}
	if published := r.Publications(); len(published) > 0 {
		s.WriteString("#### Images\n\n```sh\n")
		for _, p := range published {
			fmt.Fprintf(&s, "docker pull %s  # %s\n", p.Image, p.Digest)
		}
		s.WriteString("```\n\n")
	}
	if len(all) > 0 {
		s.WriteString("#### Findings\n\n")
	}
	for i, f := range all {
		entry := summaryFinding(f)
		if s.Len()+len(entry) > maxSummary {
			fmt.Fprintf(&s, "\n… and %d more: the whole list is in the report.\n", len(all)-i)
			break
		}
		s.WriteString(entry)
	}
	return s.String()
}

// verdict is the run in a few words.
func (r *Report) verdict(all []finding.Finding) string {
	switch errors := finding.Count(all, finding.Error); {
	case r.Error != "":
		return "stopped"
	case errors > 0:
		return plural(errors, "error")
	case len(r.Bundles) == 0:
		return "no bundle changed"
	default:
		return "all good"
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func summaryFinding(f finding.Finding) string {
	icon := "❌"
	if f.Severity == finding.Warning {
		icon = "⚠️"
	}
	message, rest, _ := strings.Cut(f.Message, "\n")
	entry := fmt.Sprintf("- %s %s [%s](%s) %s\n", icon, code(fmt.Sprintf("%s:%d", f.File, f.Line)), f.Rule, f.Help, escape(message))
	if rest != "" {
		entry += "  <pre>" + breaks.Replace(html.EscapeString(rest)) + "</pre>\n"
	}
	return entry
}

func (b *Bundle) seconds(part string) string {
	if took, ok := b.Seconds[part]; ok {
		return fmt.Sprintf("%.1f s", took)
	}
	return ""
}

// breaks are what ends a line in Markdown, and with it, in a list, the HTML that the line is in.
var breaks = strings.NewReplacer("\r\n", "<br>", "\n", "<br>", "\r", "<br>")

// markdown has a meaning to GitHub's Markdown in a line of text or a table.
var markdown = strings.NewReplacer(
	"\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "|", "\\|", "~", "\\~", "#", "\\#", "@", "@\u2060",
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", " ", "\n", " ",
)

// escape makes foreign text stand in Markdown as it is.
func escape(text string) string { return markdown.Replace(text) }

// code is foreign text in a fixed-width type.
func code(text string) string {
	return "<code>" + strings.NewReplacer("\\", "&#92;", "|", "&#124;", "\r", " ", "\n", " ", "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "~", "&#126;", "@", "&#64;").Replace(html.EscapeString(text)) + "</code>"
}
