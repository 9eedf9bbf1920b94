package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/rule"
)

// readable is the example with paths that a file can have.
func readable() *report.Report {
	r := example()
	clean := strings.NewReplacer("//", "/")
	for _, b := range r.Bundles {
		b.Path = clean.Replace(b.Path)
		for i := range b.Findings {
			b.Findings[i].File = clean.Replace(b.Findings[i].File)
		}
	}
	return r
}

// TestRead has all of a report go through its JSON: that leaves out nothing. Only a text that is not UTF-8 comes back as
// another one, with U+FFFD where it was not, and a list that is nil as an empty one.
func TestRead(t *testing.T) {
	t.Parallel()
	stopped := report.New()
	stopped.Mode, stopped.Error = "publish", "no network"
	all := report.New()
	all.Mode = "check"
	for _, r := range rule.All {
		all.Findings = append(all.Findings, r.Finding("a", finding.Line(1), "wrong"))
	}
	for name, want := range map[string]*report.Report{"everything": readable(), "let pass, and fixed": special(), "a run that stopped": stopped, "each rule": all} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			workspace := t.TempDir()
			path, err := want.WriteJSON(workspace)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(workspace, path))
			if err != nil {
				t.Fatal(err)
			}
			got, err := report.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got, want := got.Summary(), want.Summary(); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestReadFills has lists that are not there, which would be null in the outputs.
func TestReadFills(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	r, err := report.Read([]byte(`{"version": 1, "mode": "check", "added": 7, "findings": [], "bundles": [{"path": "a", "status": "checked", "version": "1.0.0",
		"published": [{"bundle": "a", "image": "jinahub/a:1.0.0", "version": "1.0.0", "digest": "` + digest + `"}]}, {"path": "b", "status": "failed"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := r.Bundles[0], r.Bundles[1]; a.Published[0].Tags == nil || b.Seconds == nil || b.Findings == nil || b.Published == nil {
		t.Errorf("got %+v and %+v", a, b)
	}
}

func TestReadRefusesText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                     {"", "unexpected end of JSON input"},
		"no object":                   {"[]", "cannot unmarshal array"},
		"null":                        {"null", "its version is 0; this program knows version 1"},
		"a later version":             {`{"version": 2, "mode": 7}`, "its version is 2; this program knows version 1"},
		"something behind it":         {`{"version": 1}{}`, "after top-level value"},
		"no mode":                     {`{"version": 1, "bundles": [], "findings": []}`, `its mode "" is not one of plan, check, build, publish`},
		"no bundles":                  {`{"version": 1, "mode": "check", "findings": []}`, "it has no list of bundles"},
		"no findings":                 {`{"version": 1, "mode": "check", "bundles": []}`, "it has no list of findings"},
		"null for a bundle":           {`{"version": 1, "mode": "check", "bundles": [null], "findings": []}`, "its bundle number 1 has no path in the repository"},
		"a text for a list":           {`{"version": 1, "mode": "check", "bundles": "a", "findings": []}`, "cannot unmarshal string"},
		"a number that is none":       {`{"version": 1, "mode": "check", "bundles": [{"seconds": {"a": 1e` + strings.Repeat("9", 1<<20) + `}}], "findings": []}`, "cannot unmarshal number"},
		"much":                        {strings.Repeat(" ", report.MaxSize+1), "it has 67108865 bytes; the limit is 67108864"},
		"what takes much more memory": {`{"findings": [` + strings.Repeat("{},", 1<<20) + `{}]}`, "it has 1048578 objects; the limit is 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuses(t, []byte(c.text), c.want)
		})
	}
}

// refuses wants an error that is no longer than a log's line should be.
func refuses(t *testing.T, data []byte, want string) {
	t.Helper()
	_, err := report.Read(data)
	if err == nil || !strings.HasPrefix(err.Error(), "read a job's report: ") || !strings.Contains(err.Error(), want) || len(err.Error()) > 1024 {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestReadCountsNoText has braces in a text, as a build may print them.
func TestReadCountsNoText(t *testing.T) {
	t.Parallel()
	want := readable()
	want.Error = `\"` + strings.Repeat("{", 2<<20) + `\`
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := report.Read(data); err != nil || got.Error != want.Error {
		t.Errorf("got %v", err)
	}
}

// TestReadRefuses has a report with one thing in it that no run writes.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	place := func(line, column, endLine, endColumn int) func(*report.Report) {
		return func(r *report.Report) {
			r.Findings[0].Range = finding.Range{Line: line, Column: column, EndLine: endLine, EndColumn: endColumn}
		}
	}
	fix := func(at finding.Range) func(*report.Report) {
		return func(r *report.Report) { r.Bundles[0].Findings[0].Fix = &finding.Fix{Range: at} }
	}
	published := func(spoil func(*report.Publication)) func(*report.Report) {
		return func(r *report.Report) { spoil(&r.Bundles[0].Published[0]) }
	}
	for name, c := range map[string]struct {
		spoil func(*report.Report)
		want  string
	}{
		"a mode that auto stands for":    {func(r *report.Report) { r.Mode = "auto" }, `its mode "auto" is not one of`},
		"a branch for a base":            {func(r *report.Report) { r.Base = "main" }, `its base "main" is not a commit's full hash`},
		"a short head":                   {func(r *report.Report) { r.Head = "1234567" }, `its head "1234567" is not a commit's full hash`},
		"a bundle twice":                 {func(r *report.Report) { r.Bundles = append(r.Bundles, r.Bundles[0]) }, `bundle "encoders/nlp/Good": it is there twice`},
		"the top as a bundle":            {func(r *report.Report) { r.Bundles[1].Path = "." }, "its bundle number 2 has no path in the repository"},
		"a path that climbs":             {func(r *report.Report) { r.Bundles[1].Path = "../a" }, "its bundle number 2 has no path"},
		"an absolute path":               {func(r *report.Report) { r.Bundles[1].Path = "/a" }, "its bundle number 2 has no path"},
		"no status":                      {func(r *report.Report) { r.Bundles[0].Status = "" }, `bundle "encoders/nlp/Good": there is no status ""`},
		"a status of another program":    {func(r *report.Report) { r.Bundles[0].Status = "deployed" }, `there is no status "deployed"`},
		"an image with a command":        {func(r *report.Report) { r.Bundles[0].Image = "a.b;reboot/c:1" }, `"a.b;reboot/c:1" is not an image`},
		"a part that took less than 0 s": {func(r *report.Report) { r.Bundles[0].Seconds["build"] = -1 }, "took a time that no part can take"},
		"a part that took for ever":      {func(r *report.Report) { r.Bundles[0].Seconds["build"] = math.MaxFloat64 }, "took a time that no part can take"},
		"a test that took for ever":      {func(r *report.Report) { r.Bundles[0].Tests[0].Ready = math.MaxFloat64 }, "took a time that no part can take"},
		"a test's result":                {func(r *report.Report) { r.Bundles[0].Tests[0].Result = "maybe" }, `a usage test has no result "maybe"`},
		"another bundle's publication":   {published(func(p *report.Publication) { p.Bundle = "a" }), `it has a publication of the version "1.2.3" of "a"`},
		"another version's publication":  {published(func(p *report.Publication) { p.Version = "1.2.4" }), `it has a publication of the version "1.2.4"`},
		"a version that is none":         {func(r *report.Report) { r.Bundles[0].Version, r.Bundles[0].Published[0].Version = "1.0", "1.0" }, `a publication of "1.0", which is not a semantic version`},
		"a publication with a command":   {published(func(p *report.Publication) { p.Image = "a.b/$(reboot):1" }), `a publication of "a.b/$(reboot):1", which is not an image`},
		"a publication with an option":   {published(func(p *report.Publication) { p.Image = "-a/b:1" }), "which is not an image"},
		"a publication with a line more": {published(func(p *report.Publication) { p.Image = "a/b:1\n```" }), "which is not an image"},
		"a publication without a tag":    {published(func(p *report.Publication) { p.Image = "a/b" }), "which is not an image"},
		"a digest that is none":          {published(func(p *report.Publication) { p.Digest = "sha256:0\nreboot" }), `"sha256:0\nreboot" is not a digest`},
		"a tag that is none":             {published(func(p *report.Publication) { p.Tags = []string{"1", "a b"} }), `"a b" is not a tag`},
		"a severity that is off":         {func(r *report.Report) { r.Bundles[0].Findings[0].Severity = finding.Off }, `a finding of manifest/unknown-key: there is no severity "off"`},
		"no severity":                    {func(r *report.Report) { r.Findings[0].Severity = "" }, `a finding of bundle/placement: there is no severity ""`},
		"a rule with Markdown":           {func(r *report.Report) { r.Findings[0].Rule = "a/b](https://example.com)" }, `a finding's rule "a/b](https://example.com)" is none`},
		"another link":                   {func(r *report.Report) { r.Findings[0].Help = "https://example.com" }, `its help "https://example.com" is not the rule's`},
		"a file that climbs":             {func(r *report.Report) { r.Findings[0].File = "../../etc/passwd" }, `"../../etc/passwd" is not a path in the repository`},
		"a place before the first line":  {place(-1, 0, 0, 0), "it stands at no place"},
		"a place behind every line":      {place(math.MaxInt, 0, 0, 0), "it stands at no place"},
		"a place behind every column":    {place(1, 1, 1, math.MaxInt), "it stands at no place"},
		"a line that ends before it":     {place(2, 1, 1, 1), "it stands at no place"},
		"a column that ends before it":   {place(1, 2, 1, 1), "it stands at no place"},
		"an end column without a line":   {place(1, 1, 0, 2), "it stands at no place"},
		"a fix in no line":               {fix(finding.Range{}), "its fix stands at no place"},
		"a fix in a column before any":   {fix(finding.Range{Line: 1, Column: -1}), "its fix stands at no place"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := readable()
			c.spoil(r)
			data, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, data, c.want)
		})
	}
}

// TestMerge has one report a bundle, as a matrix's jobs write them, in another order: together they are the report of the
// whole run.
func TestMerge(t *testing.T) {
	t.Parallel()
	want := readable()
	slices.SortFunc(want.Bundles, func(a, b *report.Bundle) int { return strings.Compare(a.Path, b.Path) })
	var jobs []*report.Report
	for _, b := range slices.Backward(want.Bundles) {
		job := *want
		job.Bundles = []*report.Bundle{b}
		jobs = append(jobs, &job)
	}
	got, err := report.Merge(jobs)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	golden(t, "merged-summary.md", got.Summary())
}

// job is the report of a job that stopped with an error, if any, and has bundles, each "path status".
func job(stopped string, bundles ...string) *report.Report {
	r := report.New()
	r.Mode, r.Base, r.Head, r.Error = "publish", strings.Repeat("1", 40), strings.Repeat("2", 40), stopped
	for _, b := range bundles {
		path, status, _ := strings.Cut(b, " ")
		r.Bundles = append(r.Bundles, &report.Bundle{Path: path, Status: report.Status(status)})
	}
	return r
}

// early is the report of a job that stopped before it knew its commits.
func early(stopped string) *report.Report {
	r := report.New()
	r.Mode, r.Error = "publish", stopped
	return r
}

func TestMergeAttempts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		jobs      []*report.Report
		want      string
		wantError string
	}{
		"one job":                              {[]*report.Report{job("", "b checked", "a built")}, "a built, b checked", ""},
		"jobs without bundles":                 {[]*report.Report{job(""), job("")}, "", ""},
		"a failed bundle that is published":    {[]*report.Report{job("", "a failed", "b failed"), job("", "a published")}, "a published, b failed", ""},
		"a published bundle that fails":        {[]*report.Report{job("", "a published"), job("", "a failed")}, "a failed", ""},
		"three attempts":                       {[]*report.Report{job("one", "a failed"), job("two", "a built"), job("", "a published")}, "a published", ""},
		"a job that stopped":                   {[]*report.Report{job("no network", "a checked"), job("", "b published")}, "a checked, b published", "no network"},
		"one that stopped, and is repeated":    {[]*report.Report{job("no network", "a checked"), job("", "a published")}, "a published", ""},
		"one that is repeated in part":         {[]*report.Report{job("no network", "a checked", "b checked"), job("", "a published")}, "a published, b checked", "no network"},
		"a repeated one that stopped":          {[]*report.Report{job("", "a failed"), job("no network", "a checked")}, "a checked", "no network"},
		"one that stopped early":               {[]*report.Report{early("no checkout"), job("", "a published")}, "a published", "no checkout"},
		"one that stopped early, at the end":   {[]*report.Report{job("", "a published"), early("no checkout")}, "a published", "no checkout"},
		"all stopped early":                    {[]*report.Report{early("one"), early("two")}, "", "one; two"},
		"the same error in two jobs":           {[]*report.Report{job("one", "a checked"), job("two", "b checked"), job("one", "c checked")}, "a checked, b checked, c checked", "one; two"},
		"one without bundles that has stopped": {[]*report.Report{job("no network"), job("", "a published")}, "a published", "no network"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			merged, err := report.Merge(c.jobs)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range merged.Bundles {
				got = append(got, b.Path+" "+string(b.Status))
			}
			if strings.Join(got, ", ") != c.want || merged.Error != c.wantError {
				t.Errorf("got %s, error %q; want %s, error %q", strings.Join(got, ", "), merged.Error, c.want, c.wantError)
			}
			if want := slices.MaxFunc(c.jobs, func(a, b *report.Report) int { return len(a.Head) - len(b.Head) }); merged.Head != want.Head || merged.Base != want.Base || merged.Mode != want.Mode {
				t.Errorf("got the mode %s, base %s, head %s", merged.Mode, merged.Base, merged.Head)
			}
		})
	}
}

// TestMergeFindings has each job find the same in the commits, with fixes at different addresses in memory.
func TestMergeFindings(t *testing.T) {
	t.Parallel()
	at := func(text, fix string) finding.Finding {
		f := finding.New("commit/conventional", finding.Error, "", finding.Range{}, text)
		if fix != "" {
			f.Fix = &finding.Fix{Range: finding.Line(1), Text: fix}
		}
		return f
	}
	passed := at("one", "")
	passed.Ignored = "a reason"
	a, b := job("", "a checked"), job("", "b checked")
	a.Findings = append(a.Findings, at("two", ""), at("one", "fix"), at("one", "fix"), at("one", ""))
	b.Findings = append(b.Findings, at("one", "fix"), at("one", "another"), passed, at("two", ""))
	merged, err := report.Merge([]*report.Report{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if want := []finding.Finding{at("two", ""), at("one", "fix"), at("one", ""), at("one", "another"), passed}; !reflect.DeepEqual(merged.Findings, want) {
		t.Errorf("got %+v, want %+v", merged.Findings, want)
	}
	if len(a.Findings) != 4 || len(b.Findings) != 4 {
		t.Error("the jobs' own reports have changed")
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	other := func(change func(*report.Report)) []*report.Report {
		r := job("")
		change(r)
		return []*report.Report{early("no checkout"), job("", "a checked"), r}
	}
	const first = "merge reports: number 2 (mode publish, base 1111111111, head 2222222222) and number 3 ("
	for name, c := range map[string]struct {
		jobs []*report.Report
		want string
	}{
		"nothing":      {nil, "merge reports: there is none"},
		"another mode": {other(func(r *report.Report) { r.Mode = "check" }), first + "mode check, base 1111111111, head 2222222222) are of different runs"},
		"another base": {other(func(r *report.Report) { r.Base = strings.Repeat("3", 40) }), first + "mode publish, base 3333333333, head 2222222222) are of different runs"},
		"no base":      {other(func(r *report.Report) { r.Base = "" }), first + "mode publish, base none, head 2222222222) are of different runs"},
		"another head": {other(func(r *report.Report) { r.Head = strings.Repeat("3", 40) }), first + "mode publish, base 1111111111, head 3333333333) are of different runs"},
		"no commits, though it did not stop": {
			other(func(r *report.Report) { r.Base, r.Head = "", "" }), first + "mode publish, base none, head none) are of different runs",
		},
		"another mode, though it stopped early": {
			other(func(r *report.Report) { *r = *early("no network"); r.Mode = "check" }), first + "mode check, base none, head none) are of different runs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := report.Merge(c.jobs); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// FuzzRead shows what a hostile job's report says in every form.
func FuzzRead(f *testing.F) {
	for _, r := range []*report.Report{readable(), special(), job("no\nnetwork", "a checked"), early("")} {
		data, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{"", "{}", "[]", "null", `{"version":1,"mode":"check","bundles":[null],"findings":[{}]}`, `{"version":1,"mode":"plan","bundles":[],"findings":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := report.Read(data)
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		summary := r.Summary()
		if _, images, ok := strings.Cut(summary, "\n```sh\n"); ok {
			images, _, _ = strings.Cut(images, "```\n")
			if n := strings.Count(images, "\n"); n != len(r.Publications()) || strings.Count(images, "docker pull ") != n {
				t.Errorf("there are %d publications, and these commands:\n%s", len(r.Publications()), images)
			}
		}
		for _, show := range []func() error{
			func() error { _, err := r.Values(); return err },
			func() error { _, err := r.SARIF("1.2.3"); return err },
			func() error { r.Comment(nil); r.CheckRun(false); r.Suggestions(files); return nil },
			func() error { report.Terminal{Out: &bytes.Buffer{}, Files: files}.Print(r); return nil },
		} {
			if err := show(); err != nil {
				t.Error(err)
			}
		}
		written, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := report.Read(written)
		if err != nil || again.Summary() != summary {
			t.Errorf("%v: got:\n%s\nwant:\n%s", err, again.Summary(), summary)
		}
		merged, err := report.Merge([]*report.Report{r, again})
		if err != nil || len(merged.Bundles) != len(r.Bundles) {
			t.Errorf("merged with itself, it has other bundles: %v", err)
		}
	})
}

// BenchmarkRead reads the report of a large hub.
func BenchmarkRead(b *testing.B) {
	r := job("")
	for i := range 10_000 {
		path := fmt.Sprintf("encoders/nlp/Encoder%d", i)
		r.Bundles = append(r.Bundles, &report.Bundle{Path: path, Status: report.Checked, Findings: []finding.Finding{
			finding.New("manifest/name", finding.Error, path+"/manifest.yml", finding.Line(1), strings.Repeat("the name is wrong ", 10)),
		}})
	}
	data, err := json.Marshal(r)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := report.Read(data); err != nil {
			b.Fatal(err)
		}
	}
}
