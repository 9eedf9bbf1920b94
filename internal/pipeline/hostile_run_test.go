//go:build !race

package pipeline_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/beneath"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/frugal"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/report"
)

// inspectRun does a whole run that checks, within what it may take, and holds what each format says of it against what may
// stand there. A run that stops says so.
func (h *hub) inspectRun(e event.Event) *report.Report {
	t := h.t.(*testing.T)
	t.Helper()
	var r *report.Report
	var s *said
	frugal.Within(t, maxTook, maxHeap, func() {
		inputs, err := input.Read(map[string]string{"mode": "check", "registry": "127.0.0.1:1"}, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		repository, err := history.Open(h.dir)
		if err != nil {
			t.Fatal(err)
		}
		files, err := beneath.Open(h.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer files.Close()
		run := pipeline.Run{Inputs: inputs, Event: e, Dir: h.dir, Files: files, Repository: repository, API: compare.NoAPI{}, Log: report.NewLog(io.Discard, true)}
		r, _ = run.Do(t.Context())
		s = say(t, files, r)
	})
	harmless(t, r, s)
	return r
}

// TestHostileConfigurations has a run stop at once, and say why.
func TestHostileConfigurations(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"10 MB of comments", strings.Repeat("# x\n", many/4), "line 1: the file is larger than 1048576 bytes"},
		{"10 MB of a word, without a line end", strings.Repeat("x", many), "line 1: the file is larger than 1048576 bytes"},
		{"10 MB of NUL", strings.Repeat("\x00", many), "line 1: the file is larger than 1048576 bytes"},
		{"ten thousand keys", keys("key", 10_000), `line 1, column 1: the key "key00000" is not known`},
		{"a MiB of keys on one line", "{" + strings.ReplaceAll(keys("k", 90_000), "\n", ", ") + "}", `the key "k00000" is not known`},
		{"a MiB of rules", "rules:\n" + strings.ReplaceAll("  "+keys("r", 80_000), "\n", "\n  "), `there is no rule "r00000"`},
		{"aliases that explode", bomb(30) + "kinds: *a29\n", `the key "a0" is not known`},
		{"an alias where a value belongs", "kinds: &k [encoder]\ntypes: *k\n", "aliases such as *k are not read here"},
		{"an anchor that holds itself", "kinds: &k [*k]\n", "line 1"},
		{"lists in lists", "kinds: " + strings.Repeat("[", nearlyAll), "max depth"},
		{"mappings in mappings", strings.Repeat("{rules: ", nearlyAll/8), "max depth"},
		{"as deep as the parser goes", "kinds: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), "line 1, column 9"},
		{"a NUL", "kinds: [encoder]\ntypes: [\x00]\n", "line 2: this line holds the control character U+0000"},
		{"a NUL by an escape", "kinds: [\"a\\0b\"]\n", `"a\x00b"`},
		{"a kind of a MiB", "kinds: ['" + strings.Repeat("x", nearlyAll) + "!']\n", "line 1, column 9"},
		{"a key of a MiB", "? " + strings.Repeat("x", nearlyAll) + "\n: 1\n", `the key "xxxx`},
		{"an alias of a MiB without anchor", "kinds: *" + strings.Repeat("x", nearlyAll), "unknown anchor 'xxxx"},
		{"a tag of a MiB", "kinds: !" + strings.Repeat("x", nearlyAll) + " [a]\n", "of the type !xxxx"},
		{"a pattern that repeats repetitions", "name-pattern: '^((a{1000}){1000}){1000}$'\n", "line 1"},
		{"a pattern of a MiB", "name-pattern: '^" + strings.Repeat("(a|b)?", nearlyAll/6) + "$'\n", "longer than 1000 bytes"},
		{"a pattern of parentheses in parentheses", "name-pattern: '^" + strings.Repeat("(", nearlyAll/2) + strings.Repeat(")", nearlyAll/2) + "$'\n", "longer than 1000 bytes"},
		{"as long a pattern as may be", "name-pattern: '^" + strings.Repeat("(a|b)?", 160) + "$'\n", ""},
		{"parentheses in parentheses", "name-pattern: '^" + strings.Repeat("(", 499) + strings.Repeat(")", 499) + "$'\n", ""},
		{"a MiB of globs", "unversioned:\n" + strings.ReplaceAll("  "+strings.ReplaceAll(keys("- '**/*a*b*c", 40_000), ": 1", "'"), "\n", "\n  "), ""},
		{"a glob of a MiB", "unversioned: ['" + strings.Repeat("{a,", nearlyAll/4) + strings.Repeat("}", nearlyAll/4) + "']\n", "too many alternatives in braces"},
		{"commands for keys", "\"::error::x\": 1\n\"##[error]x\": 2\n\"\\n::error::y\": 3\n", `the key "::error::x" is not known`},
		{"Markdown for keys", "\"[a](b)\": 1\n\"<b>\": 2\n\"@everyone #1\": 3\n", `the key "[a](b)" is not known`},
		{"a root out of the hub", "layout: {root: ../..}\n", "../.."},
		{"a root that is the system's", "layout: {root: /}\n", "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t)
			base := h.commitAs(good, "feat: a bundle")
			h.commitAs("-- executors/encoders/GoodEncoder/encode --\nnew\n", "feat: a change")
			if err := os.MkdirAll(filepath.Join(h.dir, ".github"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(h.dir, ".github/hub-publish.yml"), []byte(c.config), 0o644); err != nil {
				t.Fatal(err)
			}
			r := h.inspectRun(event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main", Before: base})
			if (r.Error == "") != (c.want == "") || !strings.Contains(r.Error, c.want) || len(r.Error) > 100_000 {
				t.Errorf("it stops with %.500q, and not with %q", r.Error, c.want)
			}
		})
	}
}

// TestHostileCommits has the messages of a pull request's commits made to cost much, or to be read as something else.
func TestHostileCommits(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"10 MB of a header, without a line end", strings.Repeat("x", many), "header-max-length"},
		{"10 MB of a right header", "feat: " + strings.Repeat("x", many), "header-max-length"},
		{"10 MB of a type", strings.Repeat("x", many) + ": y", "type-enum"},
		{"10 MB of a scope of parentheses", "feat(" + strings.Repeat("(", many/2) + strings.Repeat(")", many/2) + "): x", "header-max-length"},
		{"10 MB of lines", "feat: x\n\n" + strings.Repeat("a\n", many/2), ""},
		{"10 MB of long lines", "feat: x\n\n" + strings.Repeat(strings.Repeat("a ", 60)+"\n", many/121), "lines of the body are too long"},
		{"10 MB of a line", "feat: x\n\n" + strings.Repeat("a ", many/2), "body-max-line-length"},
		{"10 MB of footers", "feat: x\n\n" + strings.Repeat("a: b\n", many/5), ""},
		{"10 MB of a footer", "feat: x\n\na: " + strings.Repeat("b", many), "footer-max-line-length"},
		{"10 MB of what is nearly a merge", strings.Repeat("Merge ", many/6), "type-empty"},
		{"10 MB of blanks in a header", "feat" + strings.Repeat(" ", many) + ": x", "type-empty"},
		{"10 MB of carriage returns", "feat: x" + strings.Repeat("\r", many) + "y", "commit/conventional"},
		{"a NUL", "feat: a\x00b\x00: c", ""},
		{"a NUL in front", "\x00feat: b", `\x00feat`},
		{"not UTF-8", "caf\xe9", `caf\xe9`},
		{"commands", "::error file=a::x\n::error::y\n##[error]z", "::error file=a::x"},
		{"old commands", "##[add-mask]e ##[error]x", "##[add-mask]e"},
		{"commands behind returns", "a\r::error::x\r##[error]y", "a\\r::error::x"},
		{"Markdown", "[a](javascript:b) <script>x</script> @everyone #1 `a` **b** www.example.com https://example.com | a", "type-empty"},
		{"Markdown in a line of its own", "a\n# b\n- [c](d)\n\n```\n</pre><script>x</script>" + strings.Repeat("x", 100), "body-max-line-length"},
		{"writing that turns", "feat: \u202eabc\u2066 D.", "subject-full-stop"},
		{"percents", "%0A::error::x %25 %s", "%0A::error::x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t)
			base := h.commitAs(good, "feat: a bundle")
			head := h.commitAs("-- README.md --\nnew\n", c.message)
			r := h.inspectRun(event.Event{Name: "pull_request", PullRequest: 1, Base: base, Head: head, SHA: head, DefaultBranch: "main"})
			if r.Error != "" || (len(r.Findings) == 0) != (c.want == "") {
				t.Fatalf("%d findings: %s %s", len(r.Findings), r.Error, told(r))
			}
			if c.want != "" && !strings.Contains(r.Findings[0].Rule+r.Findings[0].Message, c.want) {
				t.Errorf("the finding does not say %q: %.500q", c.want, r.Findings[0].Message)
			}
		})
	}
}

// TestHostileTrees has trees that no git makes, and that a server should refuse: names that lead elsewhere.
func TestHostileTrees(t *testing.T) {
	for _, c := range []struct{ name, entry string }{
		{"two dots", ".."}, {"one dot", "."}, {"no name", ""}, {"a slash", "/"}, {"an absolute path", "/etc"}, {"a way up", "../../../etc"}, {"git's own", ".git"},
		{"a line end", "a\nb"}, {"a NUL", "a\x00b"}, {"a command", "::error::x"}, {"not UTF-8", "\xff"}, {"a backslash", `..\..`},
	} {
		for _, level := range []string{"", "executors", "executors/encoders", "executors/encoders/GoodEncoder"} {
			t.Run(c.name+" in "+level, func(t *testing.T) {
				h := newHub(t)
				base := h.commit(good)
				blob := h.object(plumbing.BlobObject, func(o plumbing.EncodedObject) error {
					w, err := o.Writer()
					if err == nil {
						_, err = w.Write([]byte(sound))
					}
					return err
				})
				tree := h.tree(object.TreeEntry{Name: "manifest.yml", Mode: filemode.Regular, Hash: blob}, object.TreeEntry{Name: "x", Mode: filemode.Regular, Hash: blob})
				tree = h.tree(object.TreeEntry{Name: c.entry, Mode: filemode.Dir, Hash: tree})
				if level != "" {
					parts := strings.Split(level, "/")
					for i := len(parts) - 1; i >= 0; i-- {
						tree = h.tree(object.TreeEntry{Name: parts[i], Mode: filemode.Dir, Hash: tree})
					}
				}
				author := object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9, 0)}
				commit := &object.Commit{Author: author, Committer: author, Message: "feat: x", TreeHash: tree, ParentHashes: []plumbing.Hash{plumbing.NewHash(base)}}
				head := h.object(plumbing.CommitObject, commit.Encode)
				ref, err := h.git.Head()
				if err == nil {
					err = h.git.Storer.SetReference(plumbing.NewHashReference(ref.Name(), head))
				}
				if err != nil {
					t.Fatal(err)
				}
				r := h.inspectRun(event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main", Before: base})
				for _, b := range r.Bundles {
					if !strings.HasPrefix(b.Path, "executors/") || strings.Contains(b.Path, "..") {
						t.Errorf("it looks at the bundle %q", b.Path)
					}
				}
			})
		}
	}
}

// object stores an object in the repository.
func (h *hub) object(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) plumbing.Hash {
	h.t.Helper()
	o := h.git.Storer.NewEncodedObject()
	o.SetType(kind)
	if err := encode(o); err != nil {
		h.t.Fatal(err)
	}
	hash, err := h.git.Storer.SetEncodedObject(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return hash
}

// tree stores a tree, whatever its names are.
func (h *hub) tree(entries ...object.TreeEntry) plumbing.Hash {
	h.t.Helper()
	return h.object(plumbing.TreeObject, func(o plumbing.EncodedObject) error {
		w, err := o.Writer()
		if err != nil {
			return err
		}
		for _, e := range entries {
			mode := strings.TrimLeft(e.Mode.String(), "0")
			if _, err := io.WriteString(w, mode+" "+e.Name+"\x00"+string(e.Hash[:])); err != nil {
				return err
			}
		}
		return w.Close()
	})
}
