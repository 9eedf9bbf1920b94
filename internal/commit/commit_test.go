package commit_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/commit"
	"github.com/jina/hub-publish/internal/finding"
)

// answer is a message and what commitlint says of it.
type answer struct {
	Message string
	// Errors and Warnings are the names of the rules that the message breaks, sorted.
	Errors, Warnings []string
	// Parsed are the message's parts but for the header.
	Parsed commit.Message
}

// answers reads commitlint's answers. They were made with @commitlint/cli 21.2.4 on Node 22.23.3: each message became a
// commit of one branch, and `commitlint --from <its root> --to main` with @commitlint/config-conventional 21.2.4 and a
// formatter that prints the result as JSON was run on it. The parts are those of @commitlint/parse 21.2.3 with the same
// configuration. A message with a scissors line, at which the command cuts what git prints, went to @commitlint/lint
// 21.2.4 instead; blank messages the command does not look at.
func answers(tb testing.TB) []answer {
	tb.Helper()
	f, err := os.Open("../../testdata/commits/commitlint.jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var all []answer
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			tb.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		tb.Fatal("there are no answers")
	}
	return all
}

func TestLintAgreesWithCommitlint(t *testing.T) {
	t.Parallel()
	for _, a := range answers(t) {
		// Git ends a message with a line feed, GitHub's API without one.
		for _, end := range []string{"", "\n"} {
			problems := commit.Lint(a.Message + end)
			if got := names(problems, finding.Error); !slices.Equal(got, a.Errors) {
				t.Errorf("%q: the errors are %q, commitlint's are %q", a.Message+end, got, a.Errors)
			}
			if got := names(problems, finding.Warning); !slices.Equal(got, a.Warnings) {
				t.Errorf("%q: the warnings are %q, commitlint's are %q", a.Message+end, got, a.Warnings)
			}
		}
	}
}

func TestParseAgreesWithCommitlint(t *testing.T) {
	t.Parallel()
	for _, a := range answers(t) {
		got := commit.Parse(a.Message)
		if strings.TrimSpace(a.Message) == "" {
			continue // commitlint parses nothing
		}
		got.Header = ""
		if got != a.Parsed {
			t.Errorf("%q\ngot  %+v\nwant %+v", a.Message, got, a.Parsed)
		}
	}
}

// names are the rules of one severity, sorted.
func names(problems []commit.Problem, severity finding.Severity) []string {
	var names []string
	for _, p := range problems {
		if p.Severity == severity {
			names = append(names, p.Rule)
		}
	}
	slices.Sort(names)
	return names
}

// TestLintOtherwise is about the messages of which commitlint says something else: what it says is beside each.
func TestLintOtherwise(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message    string
		want       []string
		commitlint []string
	}{
		"a small letter without a capital":     {"fix: ĸra letter", nil, []string{"subject-case"}},
		"a small letter beyond U+FFFF":         {"fix: 𐐨 letter", nil, []string{"subject-case"}},
		"a micro sign alone":                   {"fix: µ", nil, []string{"subject-case"}},
		"a line of GnuPG's and then no header": {"gpg: x\n\nfix: a", []string{"subject-empty", "type-empty"}, []string{"header-max-length", "subject-empty", "type-empty"}},
		"a capital beyond U+FFFF":              {"fix: 𐐀 letter", []string{"subject-case"}, []string{"subject-case"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(commit.Lint(c.message), finding.Error); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q; commitlint says %q", got, c.want, c.commitlint)
			}
		})
	}
}

// TestWhatProblemsSay holds the words against what a contributor needs: what is wrong, what is allowed, what to do.
func TestWhatProblemsSay(t *testing.T) {
	t.Parallel()
	const types = "build, chore, ci, docs, feat, fix, perf, refactor, revert, style, test"
	long := strings.Repeat("word ", 20) + "word."
	cut := strings.Repeat("word ", 16) + "…"
	for _, c := range []struct {
		name, message string
		want          []string
	}{
		{"no type", "Added a thing", []string{
			"type-empty: the header \"Added a thing\" does not begin with a type and a colon; write `type: subject` or `type(scope): subject`, where type is one of " + types,
			"subject-empty: the header has no subject, which is what follows `type: `; write there what the commit does",
		}},
		{"no space after the colon", "feat(encoder)!:add a thing", []string{
			`type-empty: the header "feat(encoder)!:add a thing" does not have a colon and one space right behind its type; write "feat(encoder)!: add a thing"`,
			"subject-empty: the header has no subject, which is what follows `type: `; write there what the commit does",
		}},
		{"a space before the colon", " Fix (a) : add a thing", []string{
			`type-empty: the header " Fix (a) : add a thing" does not have a colon and one space right behind its type; write "fix(a): add a thing"`,
			"subject-empty: the header has no subject, which is what follows `type: `; write there what the commit does",
			`header-trim: the header " Fix (a) : add a thing" has white space at its beginning or its end; remove it`,
		}},
		{"a type that is a longer word", "feature: add a thing", []string{`type-enum: the type "feature" is not allowed; did you mean "feat"? write one of ` + types}},
		{"a type that ends with one", "bugfix: add a thing", []string{`type-enum: the type "bugfix" is not allowed; did you mean "fix"? write one of ` + types}},
		{"a type that is a shorter word", "doc: add a thing", []string{`type-enum: the type "doc" is not allowed; did you mean "docs"? write one of ` + types}},
		{"a type with a slip", "refacotr: add a thing", []string{`type-enum: the type "refacotr" is not allowed; did you mean "refactor"? write one of ` + types}},
		{"a type like no other", "wip: add a thing", []string{`type-enum: the type "wip" is not allowed; write one of ` + types}},
		{"a type in upper case", "FIX: add a thing", []string{
			`type-case: the type "FIX" is not in lower case; write "fix"`,
			`type-enum: the type "FIX" is not allowed; did you mean "fix"? write one of ` + types,
		}},
		{"no subject", "fix(encoder): ", []string{
			`subject-empty: the header "fix(encoder): " has no subject; write what the commit does after the colon and a space`,
			`header-trim: the header "fix(encoder): " has white space at its beginning or its end; remove it`,
		}},
		{"a capital and a full stop", "fix: Add README.md.", []string{
			`subject-case: the subject "Add README.md." begins with the capital A; begin it with a small letter, with another word, or put a name in quotes`,
			`subject-full-stop: the subject ends with the full stop of "README.md."; remove it`,
		}},
		{"a long header", "fix: " + long[:96], []string{
			`header-max-length: the header "fix: ` + strings.Repeat("word ", 15) + `…" has 101 characters, and at most 100 are allowed; say in the body what does not fit`,
		}},
		{"a body without a blank line before it, and a long line in it", "fix: a\n" + long, []string{
			`body-leading-blank: the second line "` + cut + `" is not blank; put a blank line between the header and the body`,
			`body-max-line-length: the body's line "` + cut + `" has 105 characters, and at most 100 are allowed in a line without a web address; break it`,
		}},
		{"long lines", "fix: a\n\n" + long + "\nshort\n" + long, []string{
			`body-max-line-length: 2 lines of the body are too long, the first of them "` + cut + `"; at most 100 characters are allowed in a line without a web address: break them`,
		}},
		{"a footer in the midst of the body", "fix: a\n\nbody\nNote: " + long, []string{
			`footer-leading-blank: the line "Note: ` + strings.Repeat("word ", 14) + `word…" begins the footer, as every line does that is a word and a colon; put a blank line before it, or write it without the colon`,
			`footer-max-line-length: the footer's line "Note: ` + strings.Repeat("word ", 14) + `word…" has 111 characters, and at most 100 are allowed in a line without a web address; break it`,
		}},
		{"what a terminal would act on", "fix: A\x1b[2K", []string{
			`subject-case: the subject "A\x1b[2K" begins with the capital A; begin it with a small letter, with another word, or put a name in quotes`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range commit.Lint(c.message) {
				got = append(got, p.Rule+": "+p.Message)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a.Message)
	}
	f.Fuzz(func(t *testing.T, message string) {
		m := commit.Parse(message)
		for name, part := range map[string]string{"header": m.Header, "body": m.Body, "footer": m.Footer} {
			for line := range strings.SplitSeq(part, "\n") {
				if !strings.Contains(message, strings.TrimRight(line, "\r")) {
					t.Errorf("the %s has the line %q, the message does not", name, line)
				}
			}
			if strings.Trim(part, "\r\n") != part && name != "header" {
				t.Errorf("the %s begins or ends with a blank line: %q", name, part)
			}
		}
		if !strings.HasPrefix(m.Header, m.Type) || !strings.Contains(m.Header, m.Scope) || !strings.HasSuffix(m.Header, m.Subject) {
			t.Errorf("the parts of the header %q are %q, %q and %q", m.Header, m.Type, m.Scope, m.Subject)
		}
		problems := commit.Lint(message)
		for _, p := range problems {
			if p.Rule == "" || p.Message == "" || strings.ContainsAny(p.Message, "\r\n") || (p.Severity != finding.Error && p.Severity != finding.Warning) {
				t.Errorf("a problem is no line with a rule and a severity: %+v", p)
			}
		}
		if strings.HasSuffix(message, "\r") {
			return // a line feed would make an end of a line of it
		}
		if again := commit.Lint(message + "\n"); !slices.Equal(problems, again) {
			t.Errorf("with a line feed at the end the problems are\n%+v\nnot\n%+v", again, problems)
		}
	})
}

func BenchmarkLint(b *testing.B) {
	const message = "feat(encoder): add an image encoder\n\n" +
		"It reads images of any size, and turns them into vectors. See https://example.com/encoder for what it is\n" +
		"good for.\n\nCloses #12\nSigned-off-by: A. Author <author@example.com>\n"
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if problems := commit.Lint(message); problems != nil {
			b.Fatal(problems)
		}
	}
}
