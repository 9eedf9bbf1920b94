package ignore_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/ignore"
)

var rules = []string{"manifest/name", "manifest/kind", "version/not-bumped", "dockerfile/unsupported"}

func reader(files map[string]string) func(string) ([]byte, error) {
	return func(file string) ([]byte, error) {
		text, ok := files[file]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}
}

// summary is rule, line, and reason or message of each finding that is ignored or is about a comment.
func summary(findings []finding.Finding) []string {
	var all []string
	for _, f := range findings {
		switch {
		case f.Rule == ignore.ID:
			all = append(all, fmt.Sprintf("%d:%d %s: %s", f.Line, f.Column, f.Severity, f.Message))
		case f.Ignored != "":
			all = append(all, fmt.Sprintf("%d %s: ignored: %s", f.Line, f.Rule, f.Ignored))
		}
	}
	return all
}

func TestApplyToAManifest(t *testing.T) {
	t.Parallel()
	name := finding.New("manifest/name", finding.Error, manifestFile, finding.Range{Line: 2, Column: 7, EndLine: 2, EndColumn: 10}, "no name")
	top := finding.New("manifest/name", finding.Error, manifestFile, finding.Line(1), "no name")
	for what, c := range map[string]struct {
		text     string
		findings []finding.Finding
		want     []string
	}{
		"nothing to say":           {"# a\nname: b\n", []finding.Finding{name}, nil},
		"its line":                 {"kind: a\nname: b # hub-publish ignore=manifest/name it is old\n", []finding.Finding{name}, []string{"2 manifest/name: ignored: it is old"}},
		"the line before":          {"# hub-publish ignore=manifest/name it is old\nname: b\n", []finding.Finding{name}, []string{"2 manifest/name: ignored: it is old"}},
		"line 1, where it is":      {"# hub-publish ignore=manifest/name it is old\nkind: b\n", []finding.Finding{top}, []string{"1 manifest/name: ignored: it is old"}},
		"line 1, from further":     {"# a\n\n# hub-publish ignore=manifest/name it is old\nkind: b\n", []finding.Finding{top}, []string{"1 manifest/name: ignored: it is old"}},
		"the first of two":         {"# hub-publish ignore=manifest/name one\nname: b # hub-publish ignore=manifest/name two\n", []finding.Finding{name}, []string{"2 manifest/name: ignored: one"}},
		"all of a line and rule":   {"kind: a\nname: b # hub-publish ignore=manifest/name r\n", []finding.Finding{name, name}, []string{"2 manifest/name: ignored: r", "2 manifest/name: ignored: r"}},
		"a rule that is dependent": {"kind: a\nversion: b # hub-publish ignore=version/not-bumped only the README changed\n", []finding.Finding{name}, nil},
		"another line": {"kind: a\nname: b\n# hub-publish ignore=manifest/name it is old\ntype: c\n", []finding.Finding{name}, []string{
			"3:22 warning: manifest/name finds nothing on line 4, for which this comment counts; remove it, or move it to the line of the finding"}},
		"neither its line nor line 1": {"# hub-publish ignore=manifest/kind it is old\n\nname: b\n", []finding.Finding{name}, []string{
			"1:22 warning: manifest/kind finds nothing on line 3 and line 1, for which this comment counts; remove it, or move it to the line of the finding"}},
		"one of two rules": {"kind: a\nname: b # hub-publish ignore=manifest/name,manifest/kind r\n", []finding.Finding{name}, []string{
			"2 manifest/name: ignored: r",
			"2:44 warning: manifest/kind finds nothing on line 2, for which this comment counts; remove it, or move it to the line of the finding"}},
		"no findings at all": {"name: b # hub-publish ignore=manifest/name r\n", nil, []string{
			"1:30 warning: manifest/name finds nothing on line 1, for which this comment counts; remove it, or move it to the line of the finding"}},
		"no such rule": {"kind: a\nname: b # hub-publish ignore=manifest/nam r\n", []finding.Finding{name}, []string{
			`2:30 warning: there is no rule "manifest/nam", and so the comment lets nothing pass; the rules are manifest/name, manifest/kind, version/not-bumped, dockerfile/unsupported`}},
		"no reason": {"kind: a\nname: b # hub-publish ignore=manifest/name\n", []finding.Finding{name}, []string{
			"2:30 warning: the comment gives no reason, and lets nothing pass; write why behind it: `# hub-publish ignore=manifest/name it is …`"}},
		"no rule": {"kind: a\nname: b # hub-publish ignore manifest/name r\n", []finding.Finding{name}, []string{
			"2:9 warning: this comment is not understood, and lets nothing pass; write it as `# hub-publish ignore=RULE reason`"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(c.findings)
			got := ignore.Apply(c.findings, reader(map[string]string{manifestFile: c.text}), rules, manifestFile, dockerfile)
			if got := summary(got); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if len(got) < len(before) {
				t.Errorf("of %d findings %d are left", len(before), len(got))
			}
			if !slices.Equal(c.findings, before) {
				t.Error("the findings that were given changed")
			}
		})
	}
}

func TestApplyToADockerfile(t *testing.T) {
	t.Parallel()
	const text = "FROM a\n# hub-publish ignore=dockerfile/unsupported it is needed\nRUN --network=host \\\n  b \\\n  c\nRUN --network=host d\n"
	for line, want := range map[int][]string{
		3: {"3 dockerfile/unsupported: ignored: it is needed"},
		5: {"5 dockerfile/unsupported: ignored: it is needed"},
		6: {"2:22 warning: dockerfile/unsupported finds nothing on line 3, for which this comment counts; remove it, or move it to the line of the finding"},
	} {
		f := finding.New("dockerfile/unsupported", finding.Error, dockerfile, finding.Line(line), "not supported")
		got := summary(ignore.Apply([]finding.Finding{f}, reader(map[string]string{dockerfile: text}), rules))
		if !slices.Equal(got, want) {
			t.Errorf("line %d: got %q, want %q", line, got, want)
		}
	}
}

// TestOnlyItsFile has the same finding in two files, and a comment in one.
func TestOnlyItsFile(t *testing.T) {
	t.Parallel()
	const other = "executors/encoders/Bar/manifest.yml"
	files := reader(map[string]string{manifestFile: "# hub-publish ignore=manifest/name r\nkind: a\n", other: "kind: a\n"})
	findings := []finding.Finding{
		finding.New("manifest/name", finding.Error, other, finding.Line(1), "no name"),
		finding.New("manifest/name", finding.Error, manifestFile, finding.Line(1), "no name"),
		finding.New("manifest/name", finding.Error, "", finding.Line(1), "no file"),
		finding.New("manifest/name", finding.Error, "executors/encoders/Gone/manifest.yml", finding.Line(1), "no such file"),
	}
	for name, got := range map[string][]finding.Finding{"Apply": ignore.Apply(findings, files, rules), "Mark": ignore.Mark(findings, files)} {
		if len(got) != 4 || got[0].Ignored != "" || got[1].Ignored != "r" || got[2].Ignored != "" || got[3].Ignored != "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if findings[1].Ignored != "" {
		t.Error("the findings that were given changed")
	}
}

// TestMarkSaysNothing has comments that are wrong.
func TestMarkSaysNothing(t *testing.T) {
	t.Parallel()
	files := reader(map[string]string{dockerfile: "# hub-publish ignore=whatever\n# hub-publish ignore=manifest/kind r\nFROM a\n"})
	findings := []finding.Finding{finding.New("image/entrypoint", finding.Error, dockerfile, finding.Line(3), "none")}
	if got := ignore.Mark(findings, files); !slices.Equal(got, findings) {
		t.Errorf("got %+v", got)
	}
}
