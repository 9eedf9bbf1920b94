package source_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/solver/pb"

	"github.com/jina/hub-publish/internal/source"
)

// created is the build's time.
var created = time.Date(2022, 1, 2, 3, 4, 5, 0, time.UTC)

// project is the repository of the tests: project.git, with the submodule lib.git, which has nested.git.
type project struct {
	root        string
	first, last plumbing.Hash
	lib, tagged plumbing.Hash
}

func newProject(t testing.TB) project {
	t.Helper()
	p := project{root: t.TempDir()}
	nested := newRepository(t, p.root, "nested.git").commit("main", map[string]entry{"n": {filemode.Regular, "nested"}})
	p.lib = newRepository(t, p.root, "lib.git").commit("main", map[string]entry{
		"lib.c": {filemode.Regular, "lib"}, "in": {filemode.Submodule, nested.String()},
		".gitmodules": {filemode.Regular, "[submodule \"x\"]\n\tpath = in\n\turl = ../nested.git\n"},
	})
	r := newRepository(t, p.root, "project.git")
	p.first = r.commit("old", map[string]entry{"f": {filemode.Regular, "first"}})
	r.commit("feature/a", map[string]entry{"f": {filemode.Regular, "feature"}}, p.first)
	p.last = r.commit("main", map[string]entry{
		"f": {filemode.Regular, "last"}, "bin/run": {filemode.Executable, "#!"}, "link": {filemode.Symlink, "/etc/passwd"},
		"vendor/lib": {filemode.Submodule, p.lib.String()}, "old": {filemode.Deprecated, "g"},
		".gitmodules":    {filemode.Regular, "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ./../lib.git\n"},
		".gitattributes": {filemode.Regular, "*.bat text eol=crlf\n/bin/keep.bat -text\n*.auto text=auto eol=crlf\n"},
		"a.bat":          {filemode.Regular, "a\nb\r\n"}, "bin/keep.bat": {filemode.Regular, "a\n"},
		"m.auto": {filemode.Regular, "a\nb\r\n"}, "n.auto": {filemode.Regular, "a\n"},
	}, p.first)
	p.tagged = r.tag("v1", p.first)
	r.set(plumbing.NewHashReference("refs/tags/light", p.first))
	r.set(plumbing.NewHashReference("refs/pull/1/head", p.first))
	return p
}

const (
	mainFiles = `drwxr-xr-x 2022-01-02 .
-rw-r--r-- 2022-01-02 .gitattributes *.bat text eol=crlf\n/bin/keep.bat -text\n*.auto text=auto eol=crlf\n
-rw-r--r-- 2022-01-02 .gitmodules [submodule "lib"]\n	path = vendor/lib\n	url = ./../lib.git\n
-rw-r--r-- 2022-01-02 a.bat a\r\nb\r\n
drwxr-xr-x 2022-01-02 bin
-rw-r--r-- 2022-01-02 bin/keep.bat a\n
-rwxr-xr-x 2022-01-02 bin/run #!
-rw-r--r-- 2022-01-02 f last
Lrwxrwxrwx 2022-01-02 link /etc/passwd
-rw-r--r-- 2022-01-02 m.auto a\nb\r\n
-rw-r--r-- 2022-01-02 n.auto a\r\n
-rw-r--r-- 2022-01-02 old g
drwxr-xr-x 2022-01-02 vendor
drwxr-xr-x 2022-01-02 vendor/lib`
	libFiles = `
-rw-r--r-- 2022-01-02 vendor/lib/.gitmodules [submodule "x"]\n	path = in\n	url = ../nested.git\n
drwxr-xr-x 2022-01-02 vendor/lib/in
-rw-r--r-- 2022-01-02 vendor/lib/in/n nested
-rw-r--r-- 2022-01-02 vendor/lib/lib.c lib`
	firstFiles = "drwxr-xr-x 2022-01-02 .\n-rw-r--r-- 2022-01-02 f first"
)

// add is the source operation that the Dockerfile frontend makes of ADD with this address.
func add(t testing.TB, address string) *pb.SourceOp {
	t.Helper()
	reference, _, err := dfgitutil.ParseGitRef(address)
	if err != nil {
		t.Fatal(err)
	}
	options := []llb.GitOption{llb.GitRef(reference.Ref)}
	if reference.KeepGitDir != nil && *reference.KeepGitDir {
		options = append(options, llb.KeepGitDir())
	}
	if reference.Checksum != "" {
		options = append(options, llb.GitChecksum(reference.Checksum))
	}
	if reference.SubDir != "" {
		options = append(options, llb.GitSubDir(reference.SubDir))
	}
	if reference.Submodules != nil && !*reference.Submodules {
		options = append(options, llb.GitSkipSubmodules())
	}
	if reference.FetchByCommit {
		options = append(options, llb.GitFetchByCommit())
	}
	if reference.MTime != "" {
		options = append(options, llb.GitMTime(reference.MTime))
	}
	definition, err := llb.Git(reference.Remote, "", options...).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var op pb.Op
	if err := op.UnmarshalVT(definition.Def[0]); err != nil {
		t.Fatal(err)
	}
	return op.GetSource()
}

func gitOptions() source.Options {
	return source.Options{Created: created, Wait: time.Millisecond, Tries: 2}
}

func TestGit(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	cases := []struct{ name, fragment, want string }{
		{"the default branch, with submodules", "", mainFiles + libFiles},
		{"a submodule that is left out is an empty directory", "?submodules=false", mainFiles},
		{"a branch", "#old", firstFiles},
		{"a branch with a slash", "#feature/a", "drwxr-xr-x 2022-01-02 .\n-rw-r--r-- 2022-01-02 f feature"},
		{"a branch by its whole name", "#refs/heads/old", firstFiles},
		{"a tag", "#light", firstFiles},
		{"an annotated tag", "#v1", firstFiles},
		{"an annotated tag by its whole name and its commit", "?tag=v1&checksum=" + p.first.String(), firstFiles},
		{"an annotated tag and its own hash", "?tag=v1&checksum=" + p.tagged.String(), firstFiles},
		{"another reference", "#refs/pull/1/head", firstFiles},
		{"a commit", "#" + p.first.String(), firstFiles},
		{"a commit and the beginning of its hash", "?ref=" + p.first.String() + "&checksum=" + p.first.String()[:7], firstFiles},
		{"a branch and its commit", "?branch=old&checksum=" + p.first.String(), firstFiles},
		{"a commit that a branch need not be at", "?branch=main&fetch-by-commit=true&checksum=" + p.first.String(), firstFiles},
		{"a directory", "#main:bin", "drwxr-xr-x 2022-01-02 .\n-rw-r--r-- 2022-01-02 keep.bat a\\n\n-rwxr-xr-x 2022-01-02 run #!"},
		{"a directory of a submodule", "#main:vendor/lib/in", "drwxr-xr-x 2022-01-02 .\n-rw-r--r-- 2022-01-02 n nested"},
		{"the commit's time", "?branch=old&mtime=commit", strings.ReplaceAll(firstFiles, "2022", "2021")},
	}
	servers := map[string]func(testing.TB, string) string{"go-git": serveGit, "git": serveRealGit}
	for server, serve := range servers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			address := serve(t, p.root)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					if err := os.Chmod(dir, 0o755); err != nil {
						t.Fatal(err)
					}
					done, err := source.Git(t.Context(), add(t, address+"/project.git"+c.fragment), dir, gitOptions())
					if err != nil {
						t.Fatal(err)
					}
					if got := list(t, dir); got != c.want {
						t.Errorf("at %s, got:\n%s\nwant:\n%s", done.Commit, got, c.want)
					}
				})
			}
		})
	}
}

func TestGitKeepsItsDirectory(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	address := serveRealGit(t, p.root)
	dir := t.TempDir()
	op := add(t, strings.Replace(address, "http://", "http://user:secret@", 1)+"/project.git?keep-git-dir=true&submodules=false")
	if _, err := source.Git(t.Context(), op, dir, gitOptions()); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, command, want string }{
		{"all files are the commit's, but one whose line ends Git would change", "status --porcelain", "M a.bat"},
		{"on no branch", "rev-parse --abbrev-ref HEAD", "HEAD"},
		{"at the commit", "rev-parse HEAD", p.last.String()},
		{"with the branch and no other reference", "for-each-ref --format=%(refname)", "refs/heads/main"},
		{"without what was before", "rev-list --count HEAD", "1"},
		{"with the address, without its password", "config remote.origin.url", address + "/project.git"},
		{"in one piece", "fsck", ""},
	}
	for _, c := range cases {
		command := exec.Command("git", strings.Fields(c.command)...)
		command.Dir = dir
		command.Env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "PATH=" + os.Getenv("PATH")}
		if output, err := command.Output(); err != nil || strings.TrimSpace(string(output)) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, output, err, c.want)
		}
	}
	files := exec.Command("grep", "-r", "secret", dir)
	if output, err := files.CombinedOutput(); err == nil {
		t.Errorf("the password is in %s", output)
	}
}

func TestGitRefuses(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	bad := newRepository(t, p.root, "bad.git")
	bad.commit("ssh", map[string]entry{"s": {filemode.Submodule, p.lib.String()}, ".gitmodules": {filemode.Regular, "[submodule \"s\"]\npath=s\nurl=git@github.com:a/b.git\n"}})
	bad.commit("file", map[string]entry{"s": {filemode.Submodule, p.lib.String()}, ".gitmodules": {filemode.Regular, "[submodule \"s\"]\npath=s\nurl=file:///etc\n"}})
	bad.commit("none", map[string]entry{"s": {filemode.Submodule, p.lib.String()}})
	bad.commit("up", map[string]entry{"..": {filemode.Regular, "x"}})
	bad.commit("dotgit", map[string]entry{".GIT/config": {filemode.Regular, "x"}})
	bad.commit("ident", map[string]entry{"f": {filemode.Regular, "$Id$"}, ".gitattributes": {filemode.Regular, "f ident"}})
	bad.commit("utf16", map[string]entry{"f": {filemode.Regular, "x"}, ".gitattributes": {filemode.Regular, "* working-tree-encoding=UTF-16"}})
	twice := object.Tree{Entries: []object.TreeEntry{
		{Name: "a", Mode: filemode.Symlink, Hash: bad.blob("/tmp")}, {Name: "a", Mode: filemode.Dir, Hash: bad.tree(map[string]entry{"x": {filemode.Regular, "x"}})},
	}}
	who := object.Signature{When: commitTime}
	bad.set(plumbing.NewHashReference("refs/heads/twice", bad.store(&object.Commit{Author: who, Committer: who, TreeHash: bad.store(&twice)})))
	bad.commit("big", map[string]entry{"f": {filemode.Regular, strings.Repeat("x", 1<<20)}})
	newRepository(t, p.root, "empty.git")
	address := serveGit(t, p.root)
	cases := []struct{ name, address, want string }{
		{"no such branch", address + "/project.git#no", `no branch or tag "no"`},
		{"another commit", address + "/project.git?branch=old&checksum=" + p.last.String(), "at the commit " + p.first.String() + ", but the checksum wants " + p.last.String()},
		{"a commit that is not there", address + "/project.git#" + strings.Repeat("1", 40), "does not give the commit 1111"},
		{"a SHA-256 commit", address + "/project.git#" + strings.Repeat("1", 64), "SHA-1"},
		{"no such directory", address + "/project.git#main:no", `no directory "no"`},
		{"a directory that is a link", address + "/project.git#main:link", `no directory "link"`},
		{"no such repository", address + "/none.git", "there is no such repository, or it is not public"},
		{"an empty repository", address + "/empty.git", "empty"},
		{"no server", "http://127.0.0.1:1/a.git", "connection refused"},
		{"ssh", "git@127.0.0.1:a/b.git", "Git over ssh is not supported, as a build has no key; use https://127.0.0.1/a/b.git"},
		{"a submodule over ssh", address + "/bad.git#ssh", `submodule "s": Git over ssh is not supported`},
		{"a submodule in a file", address + "/bad.git#file", `submodule "s"`},
		{"a submodule without an address", address + "/bad.git#none", `the submodule "s" is not in .gitmodules`},
		{"a name that leads out", address + "/bad.git#up", "does not check out"},
		{"a name in .git", address + "/bad.git#dotgit", "does not check out"},
		{"a name twice", address + "/bad.git#twice", "does not check out"},
		{"keywords", address + "/bad.git#ident", "$Id$"},
		{"an encoding", address + "/bad.git#utf16", "UTF-16"},
		{"too large", address + "/bad.git#big", "it is too large: more than 100000 bytes"},
		{".git with submodules", address + "/project.git?keep-git-dir=true", "--keep-git-dir is not supported for a repository with submodules"},
		{"fetch-by-commit without a commit", address + "/project.git?fetch-by-commit=true", "needs the whole hash"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opt := gitOptions()
			opt.MaxBytes = 100_000
			parent := t.TempDir()
			dir := filepath.Join(parent, "dir")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := source.Git(t.Context(), add(t, strings.Replace(c.address, "http://", "http://user:secret@", 1)), dir, opt)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if names, err := os.ReadDir(parent); err != nil || len(names) != 1 {
				t.Errorf("outside: %v, %v", names, err)
			}
		})
	}
}

func TestGitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Git(ctx, add(t, serveGit(t, p.root)+"/project.git"), t.TempDir(), gitOptions()); err == nil {
		t.Error("no error")
	}
}

func BenchmarkGit(b *testing.B) {
	root := b.TempDir()
	files := map[string]entry{}
	for i := range 1000 {
		files[fmt.Sprintf("%d/%d", i%50, i)] = entry{filemode.Regular, fmt.Sprint(i)}
	}
	newRepository(b, root, "a.git").commit("main", files)
	op := add(b, serveGit(b, root)+"/a.git")
	for b.Loop() {
		if _, err := source.Git(b.Context(), op, b.TempDir(), gitOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
