package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// fetched is the reference that what was fetched gets for as long as we need it.
const fetched plumbing.ReferenceName = "refs/hub-publish/fetched"

// gitJob is the checkout of one repository, or of one of its submodules.
type gitJob struct {
	opt  Options
	left *int64
	url  string
	// depth counts the submodules around this repository.
	depth int
}

// openStorage is where objects are kept, of which no more than left bytes may come.
func (j *gitJob) openStorage(dir string) *boundedStorage {
	return &boundedStorage{filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault()), j.left, j.opt.MaxBytes}
}

// list is what the repository's references are.
func (j *gitJob) list(ctx context.Context, storage *boundedStorage) ([]*plumbing.Reference, error) {
	var references []*plumbing.Reference
	err := j.again(ctx, func() (err error) {
		references, err = j.remote(storage).ListContext(ctx, &git.ListOptions{})
		return err
	})
	return references, err
}

// fetch brings the commit into storage: it alone if the server can do that, else everything.
func (j *gitJob) fetch(ctx context.Context, storage *boundedStorage, want wanted) (*object.Commit, error) {
	one := config.RefSpec("+" + want.name.String() + ":" + fetched.String())
	rest := one
	if want.name == "" {
		one = config.RefSpec(want.hash.String() + ":" + fetched.String())
		rest = "+refs/*:refs/hub-publish/all/*"
	}
	err := j.again(ctx, func() error {
		err := j.fetchSpec(ctx, storage, one, 1)
		if err == nil || permanent(err) {
			return err
		}
		return j.fetchSpec(ctx, storage, rest, 0)
	})
	if err != nil {
		return nil, err
	}
	commit, err := peel(storage, want.hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("the repository does not give the commit %s: it is not in it, or %s was moved in this moment", want.hash, want.name)
	}
	return commit, err
}

func (j *gitJob) fetchSpec(ctx context.Context, storage *boundedStorage, spec config.RefSpec, depth int) error {
	err := j.remote(storage).FetchContext(ctx, &git.FetchOptions{RefSpecs: []config.RefSpec{spec}, Depth: depth, Tags: git.NoTags})
	if errors.Is(err, git.NoErrAlreadyUpToDate) {
		return nil
	}
	return err
}

func (j *gitJob) remote(storage *boundedStorage) *git.Remote {
	return git.NewRemote(storage, &config.RemoteConfig{Name: "origin", URLs: []string{j.url}})
}

// again tries until it works, or an error comes that another try does not help.
func (j *gitJob) again(ctx context.Context, do func() error) (err error) {
	for try := range j.opt.Tries {
		if err := pause(ctx, try, j.opt.Wait); err != nil {
			return err
		}
		if err = do(); err == nil || permanent(err) {
			break
		}
	}
	if errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) || errors.Is(err, transport.ErrRepositoryNotFound) {
		return fmt.Errorf("%w: there is no such repository, or it is not public", err)
	}
	return err
}

func permanent(err error) bool {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, errTooMuch, git.NoMatchingRefSpecError{}, transport.ErrAuthenticationRequired,
		transport.ErrAuthorizationFailed, transport.ErrRepositoryNotFound, transport.ErrEmptyRemoteRepository,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// peel is the commit that hash, which may be of an annotated tag, stands for.
func peel(storage *boundedStorage, hash plumbing.Hash) (*object.Commit, error) {
	for range 10 {
		tag, err := object.GetTag(storage, hash)
		if err != nil {
			break
		}
		hash = tag.Target
	}
	return object.GetCommit(storage, hash)
}

// errTooMuch says that a repository is larger than it may be.
var errTooMuch = errors.New("it is too large")

type boundedStorage struct {
	*filesystem.Storage
	left *int64
	most int64
}

// PackfileWriter is where go-git writes what a server sends.
func (s *boundedStorage) PackfileWriter() (io.WriteCloser, error) {
	w, err := s.Storage.PackfileWriter()
	return &boundedWriter{w, s}, err
}

type boundedWriter struct {
	io.WriteCloser
	storage *boundedStorage
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	if err := spend(w.storage.left, int64(len(p)), w.storage.most); err != nil {
		return 0, err
	}
	return w.WriteCloser.Write(p)
}

func spend(left *int64, bytes, most int64) error {
	if *left -= bytes; *left < 0 {
		return fmt.Errorf("%w: more than %d bytes", errTooMuch, most)
	}
	return nil
}
