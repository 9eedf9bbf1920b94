package rule_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/example"
	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/rule"
)

var update = flag.Bool("update", false, "write what the rules say into testdata")

const cases = "../../testdata/rules"

// want is the file of a case that holds the findings.
const want = "want"

// TestRules runs each rule on its case: a hub as a txtar archive, and the findings that it must give, one a line.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, r := range rule.All {
		if r.Check == nil {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(cases, r.ID+".txtar")
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatalf("each rule has a case: %v", err)
			}
			got := check(t, archive, "", r.ID)
			if !strings.Contains(got, "["+r.ID+"]") {
				t.Errorf("the case does not break the rule")
			}
			hold(t, path, archive, got)
		})
	}
}

// TestExamples holds what the README shows of each rule against the rules: the bad bundle breaks it, and the good one
// breaks none.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, r := range rule.All {
		if r.Check == nil {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(filepath.Join("../../testdata/examples", r.ID+".txtar"))
			if err != nil {
				t.Fatalf("each rule has an example: %v", err)
			}
			if got := check(t, archive, "bad/", r.ID); got == "" {
				t.Error("the bad bundle does not break the rule")
			}
			if got := check(t, archive, "good/", ""); got != "" {
				t.Errorf("the good bundle has findings:\n%s", got)
			}
		})
	}
}

// TestExamplesTogether checks all bad bundles in one hub: each rule finds there what it finds alone.
func TestExamplesTogether(t *testing.T) {
	t.Parallel()
	const group = "executors/encoders/"
	hub := &txtar.Archive{Files: []txtar.File{{Name: config.File, Data: []byte("limits:\n  large-file: 1KiB\n")}}}
	for i, r := range rule.All {
		archive, err := txtar.ParseFile(filepath.Join("../../testdata/examples", r.ID+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if name, ok := strings.CutPrefix(f.Name, "bad/"); ok && name != config.File {
				f.Name = strings.Replace(name, group, fmt.Sprintf("%sg%d/", group, i), 1)
				hub.Files = append(hub.Files, f)
			}
		}
	}
	files, base := example.Hub(hub, "")
	findings, err := example.Check(files, base)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rule.All {
		found := slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Rule == r.ID && strings.HasPrefix(f.File, fmt.Sprintf("%sg%d/", group, i))
		})
		if r.Check != nil && !found {
			t.Errorf("%s finds nothing among the others", r.ID)
		}
	}
}

// TestCasesHaveRules fails for a case whose rule is gone or misnamed.
func TestCasesHaveRules(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(os.DirFS(cases), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		id := strings.TrimSuffix(path, ".txtar")
		if !slices.ContainsFunc(rule.All, func(r *rule.Rule) bool { return r.ID == id && r.Check != nil }) {
			t.Errorf("%s: there is no rule %q", path, id)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCorpus runs the rules on manifests of a real hub, each beside a Dockerfile.
func TestCorpus(t *testing.T) {
	t.Parallel()
	const path = "../../testdata/corpus.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := *archive
	for _, f := range archive.Files {
		if dir, ok := strings.CutSuffix(f.Name, "manifest.yml"); ok {
			files.Files = append(files.Files, txtar.File{Name: dir + "Dockerfile", Data: []byte("FROM scratch\nENTRYPOINT [\"/run\"]\n")},
				txtar.File{Name: dir + "README.md"}, txtar.File{Name: dir + "tests/test_it.py"})
		}
	}
	hold(t, path, archive, check(t, &files, "", ""))
}

// hold compares the findings with the archive's last file, or writes them there.
func hold(t *testing.T, path string, archive *txtar.Archive, got string) {
	t.Helper()
	last := &archive.Files[len(archive.Files)-1]
	if last.Name != want {
		t.Fatalf("the last file is %q, not %q", last.Name, want)
	}
	if *update {
		last.Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got != string(last.Data) {
		t.Errorf("got:\n%s\nwant:\n%s", got, last.Data)
	}
}

// check runs the rules on every bundle of a hub in an archive, and shows the findings of one of them, or of all.
func check(t *testing.T, archive *txtar.Archive, dir, id string) string {
	t.Helper()
	files, base := example.Hub(archive, dir)
	findings, err := example.Check(files, base)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range findings {
		if id == "" || f.Rule == id {
			fmt.Fprintf(&out, "%s:%s: %s: %s [%s]\n", f.File, place(f.Range), f.Severity, f.Message, f.Rule)
		}
	}
	return out.String()
}

// place is line, line:column or line:column-end.
func place(r finding.Range) string {
	switch {
	case r.Column == 0:
		return fmt.Sprint(r.Line)
	case r.EndColumn == 0:
		return fmt.Sprintf("%d:%d", r.Line, r.Column)
	}
	return fmt.Sprintf("%d:%d-%d", r.Line, r.Column, r.EndColumn)
}
