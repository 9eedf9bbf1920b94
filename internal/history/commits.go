package history

import (
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Commit is what is asked about one commit.
type Commit struct {
	// Hash is the full hash.
	Hash string
	// Message is the whole message, as it was written.
	Message string
	// Author is the author's name.
	Author string
	// Parents is how many parents it has: more than one for a merge, none for the first commit of all.
	Parents int
}

// Commits are the commits that head has and base has not, each behind its parents. In a shallow checkout they are out of
// reach: what base has is not all there, so that an old commit could be taken for a new one.
func (r *Repository) Commits(base, head string) ([]Commit, error) {
	seen := map[plumbing.Hash]bool{}
	if _, err := r.ancestors(base, seen); err != nil {
		return nil, err
	}
	added, err := r.ancestors(head, seen)
	if err != nil {
		return nil, err
	}
	commits := make([]Commit, len(added))
	for i, c := range added {
		commits[i] = Commit{Hash: c.Hash.String(), Message: c.Message, Author: c.Author.Name, Parents: c.NumParents()}
	}
	return commits, nil
}

// ancestors are a commit and all that it goes back to, but for those that were seen, each behind its parents.
func (r *Repository) ancestors(commit string, seen map[plumbing.Hash]bool) ([]*object.Commit, error) {
	var all []*object.Commit
	// A commit is on the stack until all of its parents are in the list.
	stack := []plumbing.Hash{plumbing.NewHash(commit)}
	open := map[plumbing.Hash]*object.Commit{}
	for len(stack) > 0 {
		hash := stack[len(stack)-1]
		if c := open[hash]; c != nil || seen[hash] {
			stack = stack[:len(stack)-1]
			if !seen[hash] {
				seen[hash] = true
				all = append(all, c)
			}
			continue
		}
		c, err := r.git.CommitObject(hash)
		if err != nil {
			return nil, outOfReach(err)
		}
		open[hash] = c
		for _, parent := range slices.Backward(c.ParentHashes) {
			stack = append(stack, parent)
		}
	}
	return all, nil
}
