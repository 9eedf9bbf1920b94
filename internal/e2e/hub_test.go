//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// noCommit is what an event names where there was nothing before.
const noCommit = "0000000000000000000000000000000000000000"

// hub is a repository of bundles, on the branch main.
type hub struct {
	t       *testing.T
	dir     string
	commits int
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, dir: t.TempDir()}
	h.git("init", "--quiet", "--initial-branch=main")
	h.write("README.md", "# A hub\n")
	// What a test's own bundles start ends by itself.
	h.write(".github/hub-publish.yml", "usage-tests: {run: {ready: {exit: 0}}}\n")
	h.commit("docs: say what this is")
	return h
}

func (h *hub) git(args ...string) string {
	h.t.Helper()
	return git(h.t, h.dir, args...)
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return command{dir: dir, name: "git", args: args, env: []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	}}.must(t)
}

func (h *hub) write(path, content string) {
	h.t.Helper()
	file := filepath.Join(h.dir, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// commit records everything as it lies there, a minute after the commit before it.
func (h *hub) commit(message string) string {
	h.t.Helper()
	h.git("add", "--all")
	h.identified("commit", "--quiet", "--message", message)
	return h.git("rev-parse", "HEAD")
}

// merge makes the commit that GitHub offers as the merge ref of a pull request from head into main,
// and leaves main where it is.
func (h *hub) merge(head string) string {
	h.t.Helper()
	base := h.git("rev-parse", "main")
	h.git("checkout", "--quiet", "--detach", base)
	h.identified("merge", "--quiet", "--no-ff", "--message", "Merge "+head+" into "+base, head)
	merge := h.git("rev-parse", "HEAD")
	h.git("checkout", "--quiet", "main")
	return merge
}

// identified runs a git command that makes a commit: always the same author, at a known time.
func (h *hub) identified(args ...string) {
	h.t.Helper()
	h.commits++
	date := strconv.FormatInt(time.Date(2026, 1, 2, 3, h.commits, 0, 0, time.UTC).Unix(), 10) + " +0000"
	command{dir: h.dir, name: "git", args: args, env: []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=" + date,
	}}.must(h.t)
}

// checkout is a new workspace as actions/checkout leaves it; a depth of 0 is the whole history.
// On a pull request HEAD is detached, on a push it is the branch main.
func (h *hub) checkout(event, commit string, depth int) string {
	h.t.Helper()
	workspace := h.t.TempDir()
	ref := "refs/remotes/origin/main"
	if event == "pull_request" {
		ref = "refs/remotes/pull/1/merge"
	}
	git(h.t, workspace, "init", "--quiet")
	git(h.t, workspace, "remote", "add", "origin", "https://github.com/octo/hub")
	fetch := []string{"fetch", "--quiet", "--no-tags"}
	if depth > 0 {
		fetch = append(fetch, "--depth", strconv.Itoa(depth))
	}
	git(h.t, workspace, append(fetch, "file://"+h.dir, "+"+commit+":"+ref)...)
	if event == "pull_request" {
		git(h.t, workspace, "checkout", "--quiet", "--force", ref)
	} else {
		git(h.t, workspace, "checkout", "--quiet", "--force", "-B", "main", ref)
	}
	return workspace
}

// bundle is a bundle without a fault, of the kind encoder.
type bundle struct {
	name       string
	version    string
	dockerfile string
}

// newBundle is a bundle whose image holds /made-by-<name>, written by RUN, and prints it.
func newBundle(t *testing.T, name, version string) bundle {
	t.Helper()
	mark := "made-by-" + strings.ToLower(name)
	return bundle{name, version, lines(
		"FROM "+baseImage(t),
		"COPY . /workspace",
		"RUN echo 'hello from "+name+"' > /"+mark,
		`ENTRYPOINT ["cat", "/`+mark+`"]`,
	)}
}

func (b bundle) path() string { return "executors/encoders/" + b.name }

// image is the reference of the image without its tag.
func (b bundle) image(registry, namespace string) string {
	return registry + "/" + namespace + "/pod.encoder." + strings.ToLower(b.name)
}

func (b bundle) manifest() string {
	return lines(
		"manifest_version: 1",
		"name: "+b.name,
		"kind: encoder",
		"type: pod",
		"description: encodes nothing, for a test",
		"version: "+b.version,
		"license: apache-2.0",
		"keywords: [test]",
	)
}

// add writes a bundle's files.
func (h *hub) add(b bundle) {
	h.t.Helper()
	h.write(b.path()+"/manifest.yml", b.manifest())
	h.write(b.path()+"/Dockerfile", b.dockerfile)
	h.write(b.path()+"/README.md", "# "+b.name+"\n")
	h.write(b.path()+"/"+strings.ToLower(b.name)+".txt", "only in "+b.name+"\n")
	h.write(b.path()+"/tests/test_"+strings.ToLower(b.name)+".py", "def test_nothing():\n    pass\n")
	h.write(b.path()+"/requirements.txt", "# nothing\n")
}

func lines(text ...string) string { return strings.Join(text, "\n") + "\n" }

// object is a JSON object of an event's payload.
type object map[string]any

var repository = object{
	"full_name":      "octo/hub",
	"name":           "hub",
	"owner":          object{"login": "octo"},
	"default_branch": "main",
}

// pullRequest is the payload of a pull request from head into base.
func pullRequest(base, head, merge string) object {
	return object{
		"action": "opened",
		"number": 1,
		"pull_request": object{
			"number":           1,
			"title":            "feat: change a bundle",
			"base":             object{"ref": "main", "sha": base, "repo": repository},
			"head":             object{"ref": "change", "sha": head, "repo": repository},
			"merge_commit_sha": merge,
		},
		"repository": repository,
	}
}

// push is the payload of a push to main.
func push(before, after string) object {
	return object{
		"ref":         "refs/heads/main",
		"before":      before,
		"after":       after,
		"created":     before == noCommit,
		"deleted":     false,
		"forced":      false,
		"head_commit": object{"id": after, "message": "feat: change a bundle"},
		"commits":     []object{{"id": after, "message": "feat: change a bundle"}},
		"repository":  repository,
	}
}

// branch commits what edit does on a new branch from main, and returns to main.
func (h *hub) branch(message string, edit func()) (head string) {
	h.t.Helper()
	h.git("checkout", "--quiet", "-b", "change")
	edit()
	head = h.commit(message)
	h.git("checkout", "--quiet", "main")
	return head
}

// propose opens a pull request from head into main: its event, and a workspace with its merge
// commit and that one's parents.
func (h *hub) propose(head string) (payload object, workspace string) {
	h.t.Helper()
	merge := h.merge(head)
	return pullRequest(h.git("rev-parse", "main"), head, merge), h.checkout("pull_request", merge, 2)
}
