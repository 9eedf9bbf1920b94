// Package historytest makes git repositories for tests, on disk and with real objects.
package historytest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/history"
)

// Files are paths and what they hold.
type Files map[string]string

// Gone instead of a content removes the file.
const Gone = "\x00gone"

// Repository is a repository in a directory of its own, which ends with the test.
type Repository struct {
	Dir string
	git *git.Repository
	// commits counts the commits, for times that differ.
	commits int
}

// New makes an empty repository with the branch main checked out.
func New(t *testing.T) *Repository {
	t.Helper()
	dir := t.TempDir()
	r, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.Main}})
	check(t, err)
	return &Repository{Dir: dir, git: r}
}

// Write changes files without a commit.
func (r *Repository) Write(t *testing.T, files Files) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(r.Dir, filepath.FromSlash(name))
		if content == Gone {
			check(t, os.Remove(file))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(file), 0o755))
		check(t, os.WriteFile(file, []byte(content), 0o644))
	}
}

// Commit changes files and commits everything that differs. The commit's parents are those given, else what is checked
// out.
func (r *Repository) Commit(t *testing.T, files Files, parents ...string) string {
	t.Helper()
	r.Write(t, files)
	worktree, err := r.git.Worktree()
	check(t, err)
	check(t, worktree.AddWithOptions(&git.AddOptions{All: true}))
	r.commits++
	author := &object.Signature{Name: "A. Author", Email: "author@example.com", When: time.Date(2024, 1, 1, 0, r.commits, 0, 0, time.UTC)}
	options := &git.CommitOptions{Author: author, AllowEmptyCommits: true}
	for _, p := range parents {
		options.Parents = append(options.Parents, plumbing.NewHash(p))
	}
	commit, err := worktree.Commit("a commit", options)
	check(t, err)
	return commit.String()
}

// Checkout checks a commit out, on no branch.
func (r *Repository) Checkout(t *testing.T, commit string) {
	t.Helper()
	worktree, err := r.git.Worktree()
	check(t, err)
	check(t, worktree.Checkout(&git.CheckoutOptions{Hash: plumbing.NewHash(commit), Force: true}))
}

// SetRef lets a ref such as refs/heads/main name a commit.
func (r *Repository) SetRef(t *testing.T, ref, commit string) {
	t.Helper()
	check(t, r.git.Storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(ref), plumbing.NewHash(commit))))
}

// Fetch is a workspace as actions/checkout makes it: the ref's commit checked out on no branch, of its history the
// newest commits as deep as told or, with 0, all of it and all branches. Objects are copied one by one: go-git's own
// transport for files runs the command git, which a machine with Go alone does not have.
func (r *Repository) Fetch(t *testing.T, ref string, depth int) *Repository {
	t.Helper()
	workspace := New(t)
	tip, err := r.git.Reference(plumbing.ReferenceName(ref), true)
	check(t, err)
	tips := []plumbing.Hash{tip.Hash()}
	if depth == 0 {
		branches, err := r.git.Branches()
		check(t, err)
		check(t, branches.ForEach(func(branch *plumbing.Reference) error {
			tips = append(tips, branch.Hash())
			remote := plumbing.NewRemoteReferenceName("origin", branch.Name().Short())
			return workspace.git.Storer.SetReference(plumbing.NewHashReference(remote, branch.Hash()))
		}))
	}
	var shallow []plumbing.Hash
	for level := 1; len(tips) > 0; level++ {
		var parents []plumbing.Hash
		for _, hash := range tips {
			commit, err := r.git.CommitObject(hash)
			check(t, err)
			r.copyCommit(t, workspace, commit)
			if level == depth && commit.NumParents() > 0 {
				shallow = append(shallow, hash)
			} else {
				parents = append(parents, commit.ParentHashes...)
			}
		}
		tips = parents
	}
	check(t, workspace.git.Storer.SetShallow(shallow))
	workspace.Checkout(t, tip.Hash().String())
	return workspace
}

// copyCommit copies a commit and its files, without its parents.
func (r *Repository) copyCommit(t *testing.T, to *Repository, commit *object.Commit) {
	t.Helper()
	tree, err := commit.Tree()
	check(t, err)
	hashes := []plumbing.Hash{commit.Hash, tree.Hash}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		_, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		hashes = append(hashes, entry.Hash)
	}
	for _, hash := range hashes {
		encoded, err := r.git.Storer.EncodedObject(plumbing.AnyObject, hash)
		check(t, err)
		_, err = to.git.Storer.SetEncodedObject(encoded)
		check(t, err)
	}
}

// Lose removes an object that a commit in this repository made, as a partial clone leaves it out.
func (r *Repository) Lose(t *testing.T, object plumbing.Hash) {
	t.Helper()
	name := object.String()
	check(t, os.Remove(filepath.Join(r.Dir, ".git", "objects", name[:2], name[2:])))
}

// Git is the repository as go-git sees it.
func (r *Repository) Git() *git.Repository { return r.git }

// Open opens the repository as the program does.
func (r *Repository) Open(t *testing.T) *history.Repository {
	t.Helper()
	opened, err := history.Open(r.Dir)
	check(t, err)
	return opened
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
