// Package history reads a repository's commits from the git objects in a workspace, as actions/checkout leaves them:
// shallow or full, detached, and owned by whom it may be. It runs no git command.
package history

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/utils/merkletrie"
)

// ErrOutOfReach says that a question needs objects that the workspace does not have: a shallow checkout has only its
// newest commits.
var ErrOutOfReach = errors.New("the checkout does not reach that far back")

// ErrNone says that there is no repository.
var ErrNone = git.ErrRepositoryNotExists

// Change is one path that differs between two commits. A renamed file is a removed and an added path.
type Change struct {
	Path string
	// Removed reports that the path is gone at the head.
	Removed bool
}

// Repository is a repository in a workspace.
type Repository struct {
	git *git.Repository
}

// Open opens the repository that dir is the top of, or stands in.
func Open(dir string) (*Repository, error) {
	r, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return nil, fmt.Errorf("open the git repository in %s: %w", dir, err)
	}
	return &Repository{r}, nil
}

// Head is the commit that is checked out.
func (r *Repository) Head() (string, error) {
	ref, err := r.git.Head()
	if err != nil {
		return "", fmt.Errorf("find the commit that is checked out: %w", err)
	}
	return ref.Hash().String(), nil
}

// Parents are the commit's parents, also those that a shallow checkout does not have.
func (r *Repository) Parents(commit string) ([]string, error) {
	c, err := r.commit(commit)
	if err != nil {
		return nil, err
	}
	parents := make([]string, len(c.ParentHashes))
	for i, p := range c.ParentHashes {
		parents[i] = p.String()
	}
	return parents, nil
}

// MergeBase is the best common ancestor of two commits. In a shallow checkout that is never certain: the walk may end
// at the edge and name an older one; there it is out of reach.
func (r *Repository) MergeBase(a, b string) (string, error) {
	if shallow, err := r.git.Storer.Shallow(); err != nil || len(shallow) > 0 {
		return "", ErrOutOfReach
	}
	first, err := r.commit(a)
	if err != nil {
		return "", err
	}
	second, err := r.commit(b)
	if err != nil {
		return "", err
	}
	bases, err := first.MergeBase(second)
	if err != nil {
		return "", outOfReach(err)
	}
	if len(bases) == 0 {
		return "", fmt.Errorf("%w: %s and %s have no common ancestor", ErrOutOfReach, a, b)
	}
	return bases[0].Hash.String(), nil
}

// Changes are the paths that differ between the trees of two commits.
func (r *Repository) Changes(base, head string) ([]Change, error) {
	from, err := r.tree(base)
	if err != nil {
		return nil, err
	}
	to, err := r.tree(head)
	if err != nil {
		return nil, err
	}
	differences, err := object.DiffTree(from, to)
	if err != nil {
		return nil, outOfReach(err)
	}
	var changes []Change
	for _, d := range differences {
		action, err := d.Action()
		if err != nil {
			return nil, fmt.Errorf("compare %s with %s: %w", base, head, err)
		}
		if action != merkletrie.Insert {
			changes = append(changes, Change{Path: d.From.Name, Removed: action == merkletrie.Delete})
		} else {
			changes = append(changes, Change{Path: d.To.Name})
		}
	}
	return changes, nil
}

// File is a file's content at a commit. Its error is fs.ErrNotExist's where the commit has no such file, and
// ErrOutOfReach where it has one whose content the checkout left behind (`filter: blob:none`).
func (r *Repository) File(commit, path string) ([]byte, error) {
	tree, err := r.tree(commit)
	if err != nil {
		return nil, err
	}
	// tree.File cannot tell the two apart.
	names := strings.Split(path, "/")
	for _, name := range names[:len(names)-1] {
		entry, err := tree.FindEntry(name)
		if err != nil || entry.Mode != filemode.Dir {
			return nil, notExist(path)
		}
		if tree, err = r.git.TreeObject(entry.Hash); err != nil {
			return nil, outOfReach(err)
		}
	}
	entry, err := tree.FindEntry(names[len(names)-1])
	if err != nil || !entry.Mode.IsFile() {
		return nil, notExist(path)
	}
	blob, err := r.git.BlobObject(entry.Hash)
	if err != nil {
		return nil, outOfReach(err)
	}
	reader, err := blob.Reader()
	if err != nil {
		return nil, outOfReach(err)
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// Upstream is the commit that a contributor's branch will be merged into, as far as the workspace knows: the remote's
// default branch, else main or master, of the remote or local.
func (r *Repository) Upstream() (string, error) {
	for _, name := range []plumbing.ReferenceName{
		"refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master", "refs/heads/main", "refs/heads/master",
	} {
		ref, err := storer.ResolveReference(r.git.Storer, name)
		if err == nil {
			return ref.Hash().String(), nil
		}
	}
	return "", fmt.Errorf("%w: there is no branch main or master to compare with", ErrOutOfReach)
}

// Branch is the commit that a branch of the remote is at, as far as the workspace knows.
func (r *Repository) Branch(name string) (string, error) {
	ref, err := storer.ResolveReference(r.git.Storer, plumbing.NewRemoteReferenceName("origin", name))
	if err != nil {
		return "", fmt.Errorf("%w: no branch origin/%s", ErrOutOfReach, name)
	}
	return ref.Hash().String(), nil
}

// Time is when the commit was made, in seconds since 1970.
func (r *Repository) Time(commit string) (int64, error) {
	c, err := r.commit(commit)
	if err != nil {
		return 0, err
	}
	return c.Committer.When.Unix(), nil
}

func (r *Repository) commit(hash string) (*object.Commit, error) {
	c, err := r.git.CommitObject(plumbing.NewHash(hash))
	return c, outOfReach(err)
}

func (r *Repository) tree(commit string) (*object.Tree, error) {
	c, err := r.commit(commit)
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	return tree, outOfReach(err)
}

// outOfReach marks a missing object: git objects end somewhere in a shallow or partial checkout.
func outOfReach(err error) error {
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return fmt.Errorf("%w: %w", ErrOutOfReach, err)
	}
	return err
}

// Dir is the top directory of the files that are checked out.
func (r *Repository) Dir() (string, error) {
	worktree, err := r.git.Worktree()
	if err != nil {
		return "", fmt.Errorf("find the repository's files: %w", err)
	}
	return worktree.Filesystem.Root(), nil
}
