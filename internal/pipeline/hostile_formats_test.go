//go:build !race

package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
)

// What GitHub and the runner keep.
const (
	mostOfMessage = 4096
	mostOfSummary = 1 << 20
	mostOfComment = 65536
	mostOfSARIF   = 25_000
	mostOfLevel   = 10
)

// said is what each format says of a report.
type said struct {
	annotations, log, summary, comment, terminal bytes.Buffer
	json, sarif                                  []byte
}

// say writes a report in every format.
func say(t *testing.T, files fs.FS, r *report.Report) *said {
	t.Helper()
	s := &said{}
	report.Annotate(githubactions.New(githubactions.WithWriter(&s.annotations)), r.Ranked())
	log := report.NewLog(&s.log, true)
	for _, b := range r.Bundles {
		section := log.Open(b.Path)
		section.Printf("%s is not published: it has findings", b.Path)
		section.Step(1, b.Version)
		section.Output([]byte(b.Path + "\n" + b.Version))
		section.Close(b.Name)
		log.Printf("%-9s %s %s", b.Status, b.Path, b.Version)
		log.Printf("%s", b.Name)
	}
	s.summary.WriteString(r.Summary())
	s.comment.WriteString(r.Comment([]report.Plan{{Bundle: "a|b\n[c](d)<e>", Image: "x\n|", Tags: []string{"`1`"}, Moves: []string{"@latest"}}}))
	report.Terminal{Out: &s.terminal, Files: files}.Print(r)
	dir := t.TempDir()
	name, err := r.WriteJSON(dir)
	if err == nil {
		s.json, err = os.ReadFile(filepath.Join(dir, name))
	}
	if err == nil {
		s.sarif, err = r.SARIF("1.2.3")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// harmless holds what each format says of a report against what was meant: nothing in it is a command, a link or HTML
// that a stranger wrote.
func harmless(t *testing.T, r *report.Report, s *said) {
	t.Helper()
	for _, f := range r.All() {
		if n := len(utf16.Encode([]rune(f.Message))); n > mostOfMessage {
			t.Errorf("%s: the message has %d characters, of which the runner keeps %d: %.200q", f.Rule, n, mostOfMessage, f.Message)
			break
		}
		if f.Line < 1 && f.File != "" {
			t.Errorf("%s stands at line %d", f.Rule, f.Line)
		}
	}
	harmlessAnnotations(t, r, s.annotations.String())
	harmlessLog(t, r, s.log.String())
	if n := s.summary.Len(); n >= mostOfSummary {
		t.Errorf("the summary has %d bytes, and the runner drops it", n)
	} else {
		inert(t, "summary", s.summary.String())
	}
	if n := s.comment.Len(); n >= mostOfComment {
		t.Errorf("the comment has %d bytes, and GitHub refuses it", n)
	}
	inert(t, "comment", s.comment.String())
	harmlessJSON(t, r, s.json)
	harmlessSARIF(t, r, s.sarif)
	for _, c := range s.terminal.String() {
		if unicode.IsControl(c) && c != '\n' && c != '\t' || unicode.Is(unicode.Bidi_Control, c) {
			t.Errorf("the terminal gets %U", c)
			break
		}
	}
}

// harmlessAnnotations asks that the runner reads the annotations that were meant, and nothing else.
func harmlessAnnotations(t *testing.T, r *report.Report, out string) {
	t.Helper()
	ranked := r.Ranked()
	var want []command
	for _, severity := range []finding.Severity{finding.Error, finding.Warning} {
		level := slices.DeleteFunc(slices.Clone(ranked), func(f finding.Finding) bool { return f.Severity != severity || f.Ignored != "" })
		more := 0
		if len(level) > mostOfLevel {
			more = len(level) - mostOfLevel + 1
			level = level[:mostOfLevel-1]
		}
		for _, f := range level {
			want = append(want, meant(f))
		}
		if more > 0 {
			want = append(want, command{string(severity), map[string]string{}, fmt.Sprintf("%d more findings of this level are in the job summary and in the report", more)})
		}
	}
	got := runnerReads(out)
	if len(got) != len(want) {
		t.Fatalf("the runner reads %d commands, and %d are meant", len(got), len(want))
	}
	for i := range want {
		if fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
			t.Errorf("the runner reads\n%.500q\nand meant is\n%.500q", fmt.Sprint(got[i]), fmt.Sprint(want[i]))
		}
	}
}

// meant is the annotation of a finding. Of its message the runner keeps as much as goes before the link.
func meant(f finding.Finding) command {
	properties := map[string]string{"title": f.Rule}
	for name, value := range map[string]int{"line": f.Line, "col": f.Column, "endLine": f.EndLine, "endColumn": f.EndColumn} {
		if value > 0 {
			properties[name] = strconv.Itoa(value)
		}
	}
	if f.File != "" {
		properties["file"] = f.File
	}
	return command{string(f.Severity), properties, keep(f.Message, mostOfMessage-len(f.Help)-1) + "\n" + f.Help}
}

// keep cuts a text to a number of UTF-16 units.
func keep(text string, units int) string {
	kept, used := "", 0
	for _, c := range text {
		if used += utf16.RuneLen(c); used > units {
			runes := []rune(kept)
			for used > units-1 {
				used -= utf16.RuneLen(c)
				c = runes[len(runes)-1]
				runes = runes[:len(runes)-1]
			}
			return string(append(runes, c)) + "…"
		}
		kept += string(c)
	}
	return text
}

// harmlessLog asks that what the log says of the bundles has no commands but the groups.
func harmlessLog(t *testing.T, r *report.Report, out string) {
	t.Helper()
	var want, got []string
	for range r.Bundles {
		want = append(want, "group", "endgroup")
	}
	for _, c := range runnerReads(out) {
		got = append(got, c.name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the runner reads %.300q in the log, and meant is %.300q", got, want)
	}
}

// harmlessJSON asks that a reader of the report has the findings as they are.
func harmlessJSON(t *testing.T, r *report.Report, data []byte) {
	t.Helper()
	var got report.Report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var all, read []string
	for _, f := range r.All() {
		all = append(all, withoutBroken(f.Rule+f.File+f.Message))
	}
	for _, f := range got.All() {
		read = append(read, withoutBroken(f.Rule+f.File+f.Message))
	}
	slices.Sort(all)
	slices.Sort(read)
	if len(all) != len(read) {
		t.Fatalf("the report has %d findings of %d", len(read), len(all))
	}
	for i := range all {
		if all[i] != read[i] {
			t.Errorf("the report says\n%.300q, and was\n%.300q", read[i], all[i])
			break
		}
	}
}

// withoutBroken leaves out bytes that are not UTF-8, and what stands for them: JSON cannot have them.
func withoutBroken(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\uFFFD", "")
}

// harmlessSARIF asks that the file has as many results as GitHub takes, each with an address that is one.
func harmlessSARIF(t *testing.T, r *report.Report, data []byte) {
	t.Helper()
	var file struct {
		Runs []struct {
			Results []struct {
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	results := file.Runs[0].Results
	if len(results) != min(mostOfSARIF, len(r.All())) {
		t.Errorf("SARIF has %d results of %d findings", len(results), len(r.All()))
	}
	for _, result := range results {
		if strings.Contains(result.Message.Text, "](") {
			t.Errorf("SARIF shows a link: %.300q", result.Message.Text)
		}
		if uri := result.Locations[0].PhysicalLocation.ArtifactLocation.URI; strings.ContainsAny(uri, " \n\r<>\"`\\^{|}") || strings.HasPrefix(uri, "..") {
			t.Errorf("the address %q is none", uri)
		}
	}
}
