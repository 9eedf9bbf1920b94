package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"
)

// Checkout is what Git has fetched.
type Checkout struct {
	// Commit is the one that was checked out, in hexadecimal.
	Commit string
}

// Git checks the repository that op names out into dir, an empty directory: with its submodules, as they are, in mode 0755
// or 0644, and without .git unless op asks for it. It knows https, http and git; ssh would need a key.
//
// Unlike BuildKit it leaves no file .git in a submodule, which there names a directory that is no more.
func Git(ctx context.Context, op *pb.SourceOp, dir string, opt Options) (Checkout, error) {
	request, err := parseGit(op)
	if err != nil {
		return Checkout{}, fmt.Errorf("check out %s: %w", redacted(op.GetIdentifier()), err)
	}
	opt = opt.withDefaults()
	left := opt.MaxBytes
	job := &gitJob{opt: opt, left: &left, url: request.remote}
	checkout, err := job.run(ctx, request, dir)
	if err != nil {
		return Checkout{}, fmt.Errorf("check out %s: %w", redacted(request.remote), withoutCredentials(err, request.remote))
	}
	return checkout, nil
}

// gitRequest is what a source operation says about a Git repository.
type gitRequest struct {
	remote, ref, subdir, checksum string
	keepGitDir, skipSubmodules    bool
	commitTime, fetchByCommit     bool
}

// parseGit reads what client/llb/source.go of BuildKit v0.34.2 writes: git://host/path#ref:subdir, and the full address as
// an attribute.
func parseGit(op *pb.SourceOp) (gitRequest, error) {
	identifier, ok := strings.CutPrefix(op.GetIdentifier(), "git://")
	if !ok {
		return gitRequest{}, errors.New("it is not a Git source, expected git://")
	}
	id, err := gitutil.ParseURL("https://" + identifier)
	if err != nil {
		return gitRequest{}, err
	}
	request := gitRequest{remote: id.Remote}
	if id.Opts != nil {
		request.ref, request.subdir = id.Opts.Ref, strings.Trim(id.Opts.Subdir, "/")
	}
	for key, value := range op.GetAttrs() {
		if err := request.attribute(key, value); err != nil {
			return gitRequest{}, fmt.Errorf("attribute %s: %w", key, err)
		}
	}
	if strings.HasPrefix(request.ref, "-") {
		return gitRequest{}, fmt.Errorf("%q is not the name of a branch or a tag", request.ref)
	}
	return request, checkTransport(request.remote)
}

func (r *gitRequest) attribute(key, value string) error {
	switch key {
	case pb.AttrFullRemoteURL:
		full, err := gitutil.ParseURL(value)
		if err != nil {
			return errors.New("it is not a Git address")
		}
		r.remote = full.Remote
	case pb.AttrKeepGitDir:
		r.keepGitDir = value == "true"
	case pb.AttrGitSkipSubmodules:
		r.skipSubmodules = value == "true"
	case pb.AttrGitFetchByCommit:
		r.fetchByCommit = value == "true"
	case pb.AttrGitMTime:
		r.commitTime = value == "commit"
	case pb.AttrGitChecksum:
		if !isHex(value) {
			return fmt.Errorf("%q is not the hexadecimal name of a commit", value)
		}
		r.checksum = strings.ToLower(value)
	case pb.AttrAuthTokenSecret, pb.AttrAuthHeaderSecret, pb.AttrKnownSSHHosts, pb.AttrMountSSHSock, pb.AttrGitAdvice:
		// The secrets are optional with BuildKit too; ssh is refused by its address.
	default:
		return errors.New("it is not supported")
	}
	return nil
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func checkTransport(remote string) error {
	parsed, err := gitutil.ParseURL(remote)
	if err != nil {
		return fmt.Errorf("it is not a Git address: %w", err)
	}
	switch parsed.Scheme {
	case gitutil.HTTPSProtocol, gitutil.HTTPProtocol, gitutil.GitProtocol:
		return nil
	}
	return fmt.Errorf("Git over %s is not supported, as a build has no key; use https://%s/%s", parsed.Scheme, parsed.Host, strings.TrimPrefix(parsed.Path, "/"))
}

// hiddenError is an error without credentials in its message.
type hiddenError struct {
	message string
	cause   error
}

func (e *hiddenError) Error() string { return e.message }
func (e *hiddenError) Unwrap() error { return e.cause }

func withoutCredentials(err error, remote string) error {
	message := err.Error()
	if parsed, parseErr := url.Parse(remote); parseErr == nil && parsed.User != nil {
		message = strings.ReplaceAll(message, parsed.User.String()+"@", "")
		if password, ok := parsed.User.Password(); ok && password != "" {
			message = strings.ReplaceAll(message, password, "...")
		}
	}
	return &hiddenError{message, err}
}

// run checks the repository out to dir itself, or to a directory in it of which a part becomes dir.
func (j *gitJob) run(ctx context.Context, request gitRequest, dir string) (Checkout, error) {
	work := dir
	if request.subdir != "" {
		var err error
		if work, err = os.MkdirTemp(dir, ".checkout-"); err != nil {
			return Checkout{}, err
		}
	}
	// Where only a part is wanted, BuildKit keeps no .git.
	keep := request.keepGitDir && request.subdir == ""
	done, err := j.checkout(ctx, request, work, keep)
	if err == nil && work != dir {
		err = moveUp(work, request.subdir, dir)
	}
	if err != nil {
		if work != dir {
			err = errors.Join(err, os.RemoveAll(work))
		}
		return Checkout{}, err
	}
	when := j.opt.Created
	if request.commitTime {
		when = done.Committer.When
	}
	return Checkout{Commit: done.Hash.String()}, setTimes(dir, when)
}

// moveUp makes the part subdir of work the content of dir.
func moveUp(work, subdir, dir string) error {
	from := work
	for part := range strings.SplitSeq(subdir, "/") {
		from = filepath.Join(from, part)
		info, err := os.Lstat(from)
		if part == ".." || err != nil || !info.IsDir() {
			return fmt.Errorf("the repository has no directory %q", subdir)
		}
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(from, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}
