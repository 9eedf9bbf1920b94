package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/jina/hub-publish/internal/finding"
)

// maxSummary is what the summary may take, in bytes: the runner drops a step's summary of more than 1 MiB whole.
const maxSummary = 1<<20 - 4096

// maxVersion is as long as an image's tag may be.
const maxVersion = 128

var icons = map[Status]string{
	Checked: "✅ checked", Built: "✅ built", Published: "🚀 published", Unchanged: "✅ unchanged", Failed: "❌ failed", Removed: "🗑️ removed",
}

// Summary is the job summary, in Markdown.
func (r *Report) Summary() string {
	var s strings.Builder
	all := r.All()
	fmt.Fprintf(&s, "### hub-publish: %s\n\n", r.verdict(all))
	if r.Error != "" {
		fmt.Fprintf(&s, "> %s\n\n", escape(cut(r.Error, maxMessage)))
	}
	if len(r.Bundles) > 0 {
		s.WriteString("| bundle | version | result | errors | warnings | check | build | try | publish |\n|---|---|---|--:|--:|--:|--:|--:|--:|\n")
		for _, b := range r.Bundles {
			fmt.Fprintf(&s, "| %s | %s | %s | %d | %d | %s | %s | %s | %s |\n", code(b.Path), escape(cut(b.Version, maxVersion)), icons[b.Status],
				finding.Count(b.Findings, finding.Error), finding.Count(b.Findings, finding.Warning), b.seconds("check"), b.seconds("build"), b.seconds("try"), b.seconds("publish"))
		}
		s.WriteString("\n")
	}
	r.tests(&s)
	if published := r.Publications(); len(published) > 0 {
		s.WriteString("#### Images\n\n```sh\n")
		for _, p := range published {
			fmt.Fprintf(&s, "docker pull %s  # %s\n", p.Image, p.Digest)
		}
		s.WriteString("```\n\n")
	}
	counted, passed := split(all)
	if len(counted) > 0 {
		s.WriteString("#### Findings\n\n")
		list(&s, counted, maxSummary)
	}
	if len(passed) > 0 {
		fmt.Fprintf(&s, "\n<details><summary>%s let pass</summary>\n\n", plural(len(passed), "finding"))
		list(&s, passed, maxSummary)
		s.WriteString("\n</details>\n")
	}
	return s.String()
}

var testIcons = map[TestResult]string{Passed: "✅ passed", TestFailed: "❌ failed", NotApplicable: "➖ does not apply"}

// tests writes a table with a row for each usage test.
func (r *Report) tests(s *strings.Builder) {
	const head = "#### Usage tests\n\n| bundle | test | result | time | ready after | stopped after | |\n|---|---|---|--:|--:|--:|---|\n"
	begun := false
	for _, b := range r.Bundles {
		for _, t := range b.Tests {
			if !begun {
				s.WriteString(head)
				begun = true
			}
			fmt.Fprintf(s, "| %s | %s | %s | %.1f s | %s | %s | %s |\n", code(b.Path), escape(t.Name), testIcons[t.Result], t.Seconds, orNothing(t.Ready), orNothing(t.Stop), escape(t.Note))
		}
	}
	if begun {
		s.WriteString("\n")
	}
}

func orNothing(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s", seconds)
}

// list writes findings as long as the whole stays within a number of bytes, and how many are left out.
func list(s *strings.Builder, findings []finding.Finding, most int) {
	for i, f := range findings {
		entry := summaryFinding(f)
		if s.Len()+len(entry) > most {
			fmt.Fprintf(s, "\n… and %d more: the whole list is in the report.\n", len(findings)-i)
			return
		}
		s.WriteString(entry)
	}
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
	entry := "- " + icon(f)
	if f.File != "" {
		entry += " " + code(place(f))
	}
	message, rest, _ := strings.Cut(f.Message, "\n")
	entry += fmt.Sprintf(" [%s](%s) %s", f.Rule, f.Help, escape(message))
	if f.Ignored != "" {
		return entry + "; let pass: " + escape(f.Ignored) + "\n"
	}
	entry += "\n"
	if rest != "" {
		entry += "  <pre>" + breaks.Replace(html.EscapeString(rest)) + "</pre>\n"
	}
	return entry
}

func icon(f finding.Finding) string {
	if f.Severity == finding.Warning {
		return "⚠️"
	}
	return "❌"
}

func (b *Bundle) seconds(part string) string {
	if took, ok := b.Seconds[part]; ok {
		return fmt.Sprintf("%.1f s", took)
	}
	return ""
}

// breaks are what ends a line in Markdown, and with it, in a list, the HTML that the line is in.
var breaks = strings.NewReplacer("\r\n", "<br>", "\n", "<br>", "\r", "<br>")

// markdown has a meaning to GitHub's Markdown in a line of text or a table. GitHub links addresses, people, issues and
// commits in what is rendered already: a word joiner, which nobody sees, keeps it from reading them.
var markdown = strings.NewReplacer(
	"\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "|", "\\|", "~", "\\~",
	"@", "@"+joiner, "#", "#"+joiner, "GH-", "GH"+joiner+"-", "://", ":"+joiner+"//", "www.", "www"+joiner+".",
	"$", "<span>$</span>", "&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", " ", "\n", " ",
)

// joiner is U+2060.
const joiner = "\u2060"

// escape makes foreign text stand in Markdown as it is.
func escape(text string) string { return markdown.Replace(text) }

// inCode has a meaning to GitHub's Markdown inside of a code element that is written as HTML.
var inCode = strings.NewReplacer(
	"\\", "&#92;", "|", "&#124;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "[", "&#91;", "~", "&#126;",
	"@", "&#64;"+joiner, "://", ":"+joiner+"//", "www.", "www"+joiner+".", "$", "<span>$</span>", "\r", " ", "\n", " ",
)

// code is foreign text in a fixed-width type.
func code(text string) string { return "<code>" + inCode.Replace(html.EscapeString(text)) + "</code>" }
