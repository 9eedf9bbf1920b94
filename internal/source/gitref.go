package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// wanted is the commit that a source operation asks for.
type wanted struct {
	// name is the reference to fetch it by, empty if it is fetched by its hash.
	name plumbing.ReferenceName
	// hash is the commit, or an annotated tag on it.
	hash plumbing.Hash
}

// isCommit tells whether a reference is a whole hash (BuildKit's gitutil.IsCommitSHA).
func isCommit(ref string) bool { return (len(ref) == 40 || len(ref) == 64) && isHex(ref) }

// byHash is the commit of a request that needs no look at the repository's references.
func (r gitRequest) byHash() (found wanted, ok bool, err error) {
	hash := ""
	switch {
	case isCommit(r.ref):
		hash = strings.ToLower(r.ref)
		if !strings.HasPrefix(hash, r.checksum) {
			return wanted{}, false, mismatch(r.checksum, hash)
		}
	case r.fetchByCommit && !isCommit(r.checksum):
		return wanted{}, false, errors.New("fetch-by-commit needs the whole hash of the commit as checksum")
	case r.fetchByCommit:
		hash = r.checksum
	default:
		return wanted{}, false, nil
	}
	if len(hash) == 64 {
		return wanted{}, false, fmt.Errorf("%s is a SHA-256 hash, and only repositories with SHA-1 hashes are supported", hash)
	}
	return wanted{hash: plumbing.NewHash(hash)}, true, nil
}

// byName finds the commit among a repository's references as BuildKit v0.34.2's source/git does: the default branch
// without a name, else a whole reference, else a branch, else a tag.
func (r gitRequest) byName(references []*plumbing.Reference) (wanted, error) {
	hashes, ref := map[plumbing.ReferenceName]plumbing.Hash{}, r.ref
	for _, reference := range references {
		if reference.Type() == plumbing.HashReference {
			hashes[reference.Name()] = reference.Hash()
		} else if reference.Name() == plumbing.HEAD && ref == "" {
			ref = reference.Target().String()
		}
	}
	if ref == "" {
		return wanted{}, errors.New("the repository has no default branch; name a branch or a tag after #")
	}
	branch := plumbing.ReferenceName("refs/heads/" + strings.TrimPrefix(ref, "refs/heads/"))
	tag := plumbing.ReferenceName("refs/tags/" + strings.TrimPrefix(ref, "refs/tags/"))
	whole := plumbing.ReferenceName("refs/" + strings.TrimPrefix(ref, "refs/"))
	for _, name := range []plumbing.ReferenceName{whole, branch, tag} {
		if hash, ok := hashes[name]; ok {
			return wanted{name: name, hash: hash}, nil
		}
	}
	return wanted{}, fmt.Errorf("the repository has no branch or tag %q", ref)
}

// check compares what was fetched with the checksum. For an annotated tag, which is an object of its own, that may be the
// tag's hash or its commit's.
func (r gitRequest) check(want wanted, commit plumbing.Hash) error {
	if strings.HasPrefix(want.hash.String(), r.checksum) || strings.HasPrefix(commit.String(), r.checksum) {
		return nil
	}
	return mismatch(r.checksum, commit.String())
}

func mismatch(checksum, got string) error {
	return fmt.Errorf("it is at the commit %s, but the checksum wants %s: if the new commit is what you expect, change the checksum", got, checksum)
}
