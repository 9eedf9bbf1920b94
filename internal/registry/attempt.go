package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Pace says how long a registry is waited for, and how often it is asked again.
type Pace struct {
	// First is the pause before the second attempt; each pause is twice the one before, up to Most.
	First, Most time.Duration
	// Total bounds the attempts at one thing, from the beginning of the first to that of the last. A registry that asks to
	// be left alone for longer is not asked again.
	Total time.Duration
	// Answer is how long anything but a blob may take.
	Answer time.Duration
	// Commit is how long a blob may stand still: a registry copies a large one before it answers.
	Commit time.Duration
	// Grace is how long a version's tag must have named one image before a run tells of it: another run that saw none a moment
	// before may write it yet.
	Grace time.Duration
}

// DefaultPace is that of a run: a registry that is away for a minute or two fails nothing, and one that is away for longer
// does not keep a runner busy.
var DefaultPace = Pace{First: 500 * time.Millisecond, Most: 20 * time.Second, Total: 3 * time.Minute, Answer: time.Minute, Commit: 5 * time.Minute, Grace: time.Second}

// refusals is how often a token may be refused that was made for the request: the registry's clock, or that of the server
// that makes the tokens, may be seconds off, and several requests wait for one token to be old enough.
var refusals = map[verdict]int{unsaid: 5, invalid: 8, insufficient: 1}

// verdict is what a registry says of the token that it refuses.
type verdict int32

const (
	unsaid verdict = iota
	// invalid is a token that is expired, or not yet valid.
	invalid
	// insufficient is one that does not allow what was asked for: another would not either.
	insufficient
)

// attempt is what is learned of a registry while it is asked for something.
type attempt struct {
	wait  atomic.Int64
	token atomic.Int32 // a verdict
}

type attemptKey struct{}

// try does what may be done again without harm, until it is done or refused, or the pace's bound is reached. What is
// no blob is given up and tried again where it takes too long.
func (c *Client) try(ctx context.Context, repository name.Repository, do func(context.Context) error) error {
	return c.retry(ctx, repository, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, c.pace.Answer, fmt.Errorf("it has not answered for %s", c.pace.Answer))
		defer cancel()
		if err := do(ctx); err != nil {
			return withCause(ctx, err)
		}
		return nil
	})
}

func (c *Client) retry(ctx context.Context, repository name.Repository, do func(context.Context) error) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = c.pace.First, c.pace.Most, 2
	refused := 0
	total, host := c.pace.Total, repository.RegistryStr()
	if c.isDown(host, nil) {
		total = time.Nanosecond // less than any pause
	}
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		var a attempt
		if last = do(context.WithValue(ctx, attemptKey{}, &a)); last == nil {
			return struct{}{}, nil
		}
		again := passing(last)
		if tokenRefused(last) {
			refused++
			again = refused < refusals[verdict(a.token.Load())]
		}
		wait := time.Duration(a.wait.Load())
		switch {
		case !again:
			return struct{}{}, backoff.Permanent(last)
		case wait > c.pace.Total:
			last = fmt.Errorf("%w; it asks to be left alone for %s", last, wait.Round(time.Second))
			return struct{}{}, backoff.Permanent(last)
		case wait > 0:
			return struct{}{}, &backoff.RetryAfterError{Duration: wait}
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(total))
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		last = nil
	}
	c.isDown(host, func() bool { return last != nil && passing(last) })
	return last
}

// isDown reports whether a host was away for as long as the pace allows; now says how it is, where that was seen.
func (c *Client) isDown(host string, now func() bool) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if now != nil {
		c.down[host] = now()
	}
	return c.down[host]
}

// withCause says why a context ended, instead of that it did.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}

// passing reports whether the same request may fare better a little later. A registry's answer tells by its status;
// of what is no answer, all but a name that nobody has, an address at which nobody listens, a certificate that nobody
// vouches for, and our own refusal.
func passing(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) {
		// 499 and 520 to 524 are those of proxies: nginx's for a client that left, Cloudflare's for a server that is away.
		return slices.Contains([]int{408, 425, 429, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524}, answer.StatusCode) || answer.Temporary() || lostUpload(answer)
	}
	var unknown *net.DNSError
	var certificate *tls.CertificateVerificationError
	return !(errors.As(err, &unknown) && unknown.IsNotFound) && !errors.Is(err, syscall.ECONNREFUSED) && !errors.As(err, &certificate) && !keptToTLS(err)
}

// keptToTLS reports our own refusal. The library asks a host that looks private by TLS and then without, and tells of both:
// a fault of the first is not final because the second is refused.
func keptToTLS(err error) bool {
	var plain *PlainHTTPError
	if !errors.As(err, &plain) {
		return false
	}
	var first *url.Error
	return !errors.As(err, &first) || errors.As(first, &plain) || errors.Is(first, http.ErrSchemeMismatch)
}

// lostUpload reports that a registry has forgotten an upload that it let begin, or misses a blob that it has taken: both
// pass with a new upload.
func lostUpload(answer *transport.Error) bool {
	return slices.ContainsFunc(answer.Errors, func(d transport.Diagnostic) bool {
		return d.Code == transport.BlobUploadUnknownErrorCode || d.Code == transport.ManifestBlobUnknownErrorCode || d.Code == transport.DigestInvalidErrorCode || d.Code == transport.SizeInvalidErrorCode
	})
}

// tokenRefused reports that a registry did not take the token that its token server had just made.
func tokenRefused(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusUnauthorized && answer.Request != nil && strings.HasPrefix(answer.Request.Header.Get("Authorization"), "Bearer ")
}

// IsNotFound reports that a registry has no such tag, manifest or repository.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// isDenied reports that a registry wants other credentials, or more rights.
func isDenied(err error) bool {
	return hasStatus(err, http.StatusUnauthorized, http.StatusForbidden)
}

func hasStatus(err error, statuses ...int) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && slices.Contains(statuses, answer.StatusCode)
}
