package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/source/util/pathutil"
	"github.com/opencontainers/go-digest"
)

// File is what HTTP has fetched.
type File struct {
	// Name is the file's name in the directory.
	Name   string
	Digest digest.Digest
	Size   int64
}

// HTTP fetches the file that op names into dir, an empty directory. It asks again after a lost connection, a server's
// error (5xx) and 429, and waits as long as the server asks for, up to a minute.
func HTTP(ctx context.Context, op *pb.SourceOp, dir string, opt Options) (File, error) {
	request, err := parseHTTP(op)
	if err != nil {
		return File{}, fmt.Errorf("fetch %s: %w", redacted(op.GetIdentifier()), err)
	}
	file, err := request.fetch(ctx, dir, opt.withDefaults())
	if err != nil {
		return File{}, fmt.Errorf("fetch %s: %w", redacted(op.GetIdentifier()), withoutURL(err))
	}
	return file, nil
}

// withoutURL takes an address out of net/http's errors. It may have credentials, also in the address of a redirection.
func withoutURL(err error) error {
	var urlError *url.Error
	for errors.As(err, &urlError) {
		err = urlError.Err
	}
	return err
}

func (r httpRequest) fetch(ctx context.Context, dir string, opt Options) (File, error) {
	partial, err := os.CreateTemp(dir, ".partial-")
	if err != nil {
		return File{}, err
	}
	defer partial.Close()
	response, file, err := r.download(ctx, partial, opt)
	if err != nil {
		return File{}, errors.Join(err, os.Remove(partial.Name()))
	}
	if r.checksum != "" && file.Digest != r.checksum {
		return File{}, errors.Join(fmt.Errorf("it has the digest %s (%d bytes), but --checksum wants %s: if the new content is what you expect, change --checksum", file.Digest, file.Size, r.checksum), os.Remove(partial.Name()))
	}
	file.Name = r.fileName(response)
	if err := r.finish(partial, filepath.Join(dir, file.Name), response); err != nil {
		return File{}, errors.Join(err, os.Remove(partial.Name()))
	}
	return file, nil
}

// finish gives the file its owner, mode and time, and its name last.
func (r httpRequest) finish(partial *os.File, path string, response *http.Response) error {
	if r.uid != 0 || r.gid != 0 {
		if err := partial.Chown(r.uid, r.gid); err != nil {
			return fmt.Errorf("give the file to %d:%d: %w", r.uid, r.gid, err)
		}
	}
	if err := partial.Chmod(os.FileMode(r.mode).Perm()); err != nil {
		return err
	}
	// A file of which the server does not say from when it is is from 1970, as with BuildKit.
	modified, err := http.ParseTime(response.Header.Get("Last-Modified"))
	if err != nil {
		modified = time.Unix(0, 0)
	}
	if err := partial.Close(); err != nil {
		return err
	}
	if err := os.Chtimes(partial.Name(), modified, modified); err != nil {
		return err
	}
	return os.Rename(partial.Name(), path)
}

// download asks until the whole content is there.
func (r httpRequest) download(ctx context.Context, to *os.File, opt Options) (*http.Response, File, error) {
	client, release := newClient(opt)
	defer release()
	var lost error
	for try := range opt.Tries {
		if err := pause(ctx, try, opt.Wait); err != nil {
			return nil, File{}, err
		}
		response, file, err := r.once(ctx, client, to, opt.MaxBytes)
		var cut *cutError
		if !errors.As(err, &cut) {
			return response, file, err
		}
		lost = err
	}
	return nil, File{}, fmt.Errorf("tried %d times: %w", opt.Tries, lost)
}

// cutError says that the connection was lost in the middle of the content.
type cutError struct{ err error }

func (e *cutError) Error() string { return "the connection was lost: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

func (r httpRequest) once(ctx context.Context, client *http.Client, to *os.File, most int64) (*http.Response, File, error) {
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return nil, File{}, err
	}
	if err := to.Truncate(0); err != nil {
		return nil, File{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, File{}, err
	}
	for name, value := range r.header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, File{}, err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 300 {
		return nil, File{}, fmt.Errorf("the server answers %s, expected 200 OK", response.Status)
	}
	hash := sha256.New()
	body := &readErrors{r: io.LimitReader(response.Body, most+1)}
	size, err := io.Copy(io.MultiWriter(to, hash), body)
	switch {
	case ctx.Err() != nil:
		return nil, File{}, ctx.Err()
	case body.err != nil:
		return nil, File{}, &cutError{body.err}
	case err != nil:
		return nil, File{}, err
	case size > most:
		return nil, File{}, fmt.Errorf("it has more than %d bytes, which is all that a file may have", most)
	}
	return response, File{Digest: digest.NewDigest(digest.SHA256, hash), Size: size}, nil
}

// readErrors keeps apart what goes wrong with reading from what goes wrong with writing.
type readErrors struct {
	r   io.Reader
	err error
}

func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// fileName is the name that op gives, else the server's, else the last part of the URL, else "download".
func (r httpRequest) fileName(response *http.Response) string {
	name := r.filename
	if name == "" {
		name = offeredName(response)
	}
	if parsed, err := url.Parse(r.url); name == "" && err == nil {
		name = path.Base(parsed.Path)
	}
	if strings.Trim(name, "/ ") == "" {
		name = ""
	}
	return pathutil.SafeFileName(name)
}

// offeredName is the name that a server gives, without directories.
func offeredName(response *http.Response) string {
	_, params, err := mime.ParseMediaType(response.Header.Get("Content-Disposition"))
	if err != nil || strings.HasSuffix(params["filename"], "/") || params["filename"] == "" {
		return ""
	}
	return filepath.Base(params["filename"])
}
