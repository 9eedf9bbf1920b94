package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/cli"
	"github.com/jina/hub-publish/internal/shellimage"
)

func TestMain(m *testing.M) {
	builder.RunChild()
	shellimage.RunShell()
	os.Exit(m.Run())
}

// hub is a repository on its branch main with the project's sample hub, and a bundle AwesomeEncoder that starts from
// scratch.
func hub(t *testing.T) (dir string, commit func(message string) string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/hub")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "executors/encoders/AwesomeEncoder/Dockerfile", "FROM scratch\nCOPY . /workspace\nENTRYPOINT [\"/workspace/encode\"]\n")
	write(t, dir, "executors/encoders/AwesomeEncoder/manifest.yml", "name: AwesomeEncoder\nkind: encoder\ntype: pod\ndescription: encodes awesomely\n")
	repository, err := git.PlainInit(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := repository.Storer.SetReference(headOfMain()); err != nil {
		t.Fatal(err)
	}
	worktree, err := repository.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	commit = func(message string) string {
		t.Helper()
		if err := worktree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
			t.Fatal(err)
		}
		hash, err := worktree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Unix(1e9, 0)}})
		if err != nil {
			t.Fatal(err)
		}
		return hash.String()
	}
	commit("feat: the sample")
	return dir, commit
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// call runs the program in a directory with these variables.
func call(t *testing.T, dir string, env map[string]string, args ...string) (status int, out, errors string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = cli.Run(t.Context(), args, cli.Environment{
		Dir: dir, Getenv: func(key string) string { return env[key] }, Out: &stdout, Err: &stderr, Sample: os.DirFS("../.."),
	})
	return status, stdout.String(), stderr.String()
}

// TestReadmeCommands runs what the README tells people to type.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := hub(t)
	// These three need no hub: the first is TestDemo, the second is what runs now, the third is Go's own.
	elsewhere := []string{"go run . demo", "go test ./...", "go install github.com/jina/hub-publish@latest"}
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(line)
			if strings.Contains(strings.Join(elsewhere, "\n"), line) {
				continue
			}
			args, ok := strings.CutPrefix(line, "hub-publish ")
			if !ok {
				t.Errorf("nobody runs the README's command %q", line)
				continue
			}
			if args == "check --init" { // the sample has a configuration
				if err := os.Remove(filepath.Join(dir, ".github/hub-publish.yml")); err != nil {
					t.Fatal(err)
				}
			}
			// The image of AwesomeEncoder holds a text where a program would be.
			if status, out, errors := call(t, dir, map[string]string{"INPUT_USAGE-TESTS": "off"}, strings.Fields(args)...); status != cli.OK {
				t.Errorf("%s: exit status %d\n%s%s", line, status, out, errors)
			}
			ran++
		}
	}
	if ran == 0 {
		t.Error("the README has no command")
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	status, out, errors := call(t, t.TempDir(), nil, "demo")
	if status != cli.OK {
		t.Fatalf("exit status %d\n%s%s", status, out, errors)
	}
	for _, want := range []string{
		"encode: ok", "published executors/encoders/HelloEncoder 0.0.1",
		"[manifest/name]", "[version/not-bumped]", "[build/failed]", "failed    executors/crafters/BrokenCrafter",
		"published executors/indexers/text/WordIndexer 0.1.1", "unchanged executors/encoders/HelloEncoder",
		"pod.indexer.wordindexer: 0.1.0, 0.1.1, latest",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not show %q:\n%s", want, out)
		}
	}
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, dir string)
		env    map[string]string
		args   []string
		status int
		out    string
		errors string
	}{
		"nothing changed":      {args: []string{"check"}, status: cli.OK, out: "No bundle changed"},
		"a bundle by its path": {args: []string{"check", "executors/encoders/HelloEncoder"}, status: cli.OK, out: "checked   executors/encoders/HelloEncoder"},
		"a finding": {
			change: func(t *testing.T, dir string) { write(t, dir, "executors/encoders/HelloEncoder/new.txt", "new") },
			args:   []string{"check"}, status: cli.Failed, out: "[version/not-bumped]",
		},
		"a finding that does not fail": {
			change: func(t *testing.T, dir string) { write(t, dir, "executors/encoders/HelloEncoder/new.txt", "new") },
			args:   []string{"check", "--fail-on", "never"}, status: cli.OK, out: "[version/not-bumped]",
		},
		"a warning that fails": {
			change: func(t *testing.T, dir string) {
				write(t, dir, "executors/encoders/AwesomeEncoder/manifest.yml", "name: AwesomeEncoder\nkind: encoder\ntype: pod\ndescription: encodes\nversion: 0.0.1\ncolour: blue\n")
			},
			args: []string{"check", "--fail-on=warning"}, status: cli.Failed, out: "[manifest/unknown-key]",
		},
		"flags behind the paths":  {args: []string{"plan", "executors/indexers", "--mode", "check"}, status: cli.OK, out: "WordIndexer"},
		"no command":              {args: nil, status: cli.Wrong, out: "hub-publish check"},
		"an unknown command":      {args: []string{"chekc"}, status: cli.Wrong, errors: `there is no command "chekc"`},
		"an unknown flag":         {args: []string{"check", "--nonsense"}, status: cli.Wrong, errors: "nonsense"},
		"a wrong value":           {args: []string{"check", "--fail-on", "sometimes"}, status: cli.Wrong, errors: "input fail-on"},
		"a path without a bundle": {args: []string{"check", "executors/nothing"}, status: cli.Wrong, errors: `"executors/nothing" names no bundle`},
		"a path outside":          {args: []string{"check", ".."}, status: cli.Wrong, errors: "outside of the repository"},
		"a configuration that lets pass": {
			change: func(t *testing.T, dir string) {
				write(t, dir, "executors/encoders/HelloEncoder/new.txt", "new")
				write(t, dir, ".github/hub-publish.yml", "rules:\n  version/not-bumped: warning\n")
			},
			args: []string{"check"}, status: cli.OK, out: "[version/not-bumped]",
		},
		"a wrong configuration": {
			change: func(t *testing.T, dir string) {
				write(t, dir, ".github/hub-publish.yml", "rules:\n  version/not-bumbed: warning\n")
			},
			args: []string{"check"}, status: cli.Wrong, errors: `.github/hub-publish.yml`,
		},
		"a configuration to begin with": {
			change: func(t *testing.T, dir string) {
				write(t, dir, "executors/encoders/HelloEncoder/Dockerfile", "RUM\n")
				if err := os.Remove(filepath.Join(dir, ".github/hub-publish.yml")); err != nil {
					t.Fatal(err)
				}
			},
			args: []string{"check", "--init"}, status: cli.OK, out: "2 errors and 2 warnings",
		},
		"a configuration that is there": {
			change: func(t *testing.T, dir string) { write(t, dir, ".github/hub-publish.yml", "{}\n") },
			args:   []string{"check", "--init"}, status: cli.Wrong, errors: "is there already",
		},
		"the rules": {args: []string{"rules"}, status: cli.OK, out: "manifest/name"},
		"help":      {args: []string{"help"}, status: cli.OK, out: "hub-publish demo"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := hub(t)
			if test.change != nil {
				test.change(t, dir)
			}
			status, out, errors := call(t, dir, test.env, test.args...)
			if status != test.status || !strings.Contains(out, test.out) || !strings.Contains(errors, test.errors) {
				t.Errorf("exit status %d, want %d\n%s%s\nwant %q and %q", status, test.status, out, errors, test.out, test.errors)
			}
		})
	}
}

func TestOutsideOfARepository(t *testing.T) {
	t.Parallel()
	status, _, errors := call(t, t.TempDir(), nil, "check")
	if status != cli.Wrong || !strings.Contains(errors, "open the git repository") {
		t.Errorf("exit status %d: %s", status, errors)
	}
}

// TestAction runs the program as the runner does: no arguments, all in variables.
func TestAction(t *testing.T) {
	t.Parallel()
	dir, commit := hub(t)
	write(t, dir, "executors/encoders/HelloEncoder/new.txt", "new")
	before := "0000000000000000000000000000000000000000"
	after := commit("feat: something new")
	state := t.TempDir()
	event := filepath.Join(state, "event.json")
	write(t, state, "event.json", fmt.Sprintf(`{"ref":"refs/heads/main","before":%q,"after":%q,"repository":{"full_name":"octo/hub","default_branch":"main"}}`, before, after))
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": dir, "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": event, "GITHUB_REF": "refs/heads/main",
		"GITHUB_SHA": after, "GITHUB_REPOSITORY": "octo/hub", "GITHUB_API_URL": "http://127.0.0.1:1", "GITHUB_SERVER_URL": "https://github.com",
		"GITHUB_OUTPUT": filepath.Join(state, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(state, "summary"),
		"INPUT_MODE": "check", "INPUT_FAIL-ON": "error", "INPUT_TOKEN": "secret-token",
	}
	status, out, _ := call(t, "/", env)
	if status != cli.OK {
		t.Fatalf("exit status %d:\n%s", status, out)
	}
	if !strings.Contains(out, "::add-mask::secret-token\n") {
		t.Errorf("the token is not masked:\n%s", out)
	}
	data, err := os.ReadFile(filepath.Join(dir, ".hub-publish/report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var result struct {
		Mode    string
		Head    string
		Bundles []struct{ Path, Status, Image string }
	}
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	if result.Mode != "check" || result.Head != after || len(result.Bundles) != 3 || result.Bundles[0].Image != "jinahub/pod.encoder.awesomeencoder:0.0.0" {
		t.Errorf("the report is %s", data)
	}
	output, err := os.ReadFile(env["GITHUB_OUTPUT"])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bundles", "matrix", "published", "failed", "errors", "warnings", "report"} {
		if !bytes.Contains(output, []byte(name+"<<")) {
			t.Errorf("the output %s is missing:\n%s", name, output)
		}
	}
	if summary, err := os.ReadFile(env["GITHUB_STEP_SUMMARY"]); err != nil || !bytes.Contains(summary, []byte("all good")) {
		t.Errorf("the summary is %q, %v", summary, err)
	}
}

func headOfMain() *plumbing.Reference {
	return plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName("main"))
}
