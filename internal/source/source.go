// Package source brings what an ADD instruction names by URL into a directory: a file over HTTP, or a Git repository.
//
// What is fetched, and the names, modes and owners it gets, are as with BuildKit v0.34.2 (source/http, source/git). What a
// Dockerfile cannot ask for is refused by name, never left out in silence.
package source

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"
)

// DefaultMaxBytes is how much one source may hold if nothing else is said: what GitHub's own runners have left of their
// disk, 14 GB (https://docs.github.com/actions/reference/runners/github-hosted-runners), is not much more.
const DefaultMaxBytes = 10 << 30

// Options are those of HTTP and Git.
type Options struct {
	// Created is the modification time of what does not say from when it is.
	Created time.Time
	// MaxBytes is how many bytes a source may hold, 0 for DefaultMaxBytes.
	MaxBytes int64
	// Tries is how often something is asked for, 0 for DefaultTries.
	Tries int
	// Wait is the time before the second try; it doubles from try to try. 0 stands for a second.
	Wait time.Duration
	// Transport carries HTTP's requests, nil for the machine's own with its proxies. Git always uses the latter.
	Transport http.RoundTripper
}

// DefaultTries is how often something is asked for.
const DefaultTries = 5

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Tries == 0 {
		o.Tries = DefaultTries
	}
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	return o
}

// Supports tells whether op is one for HTTP or Git, and which.
func Supports(op *pb.SourceOp) (scheme string, ok bool) {
	scheme, _, _ = strings.Cut(op.GetIdentifier(), "://")
	return scheme, scheme == "http" || scheme == "https" || scheme == "git"
}

// redacted is a URL that may be shown: without its user, and without the values of its query, which may be a signature.
func redacted(raw string) string {
	parsed, err := url.Parse(raw)
	if err != nil {
		return "a URL that cannot be read"
	}
	parsed.User = nil
	if parsed.RawQuery != "" {
		parsed.RawQuery = "..."
	}
	return parsed.String()
}
