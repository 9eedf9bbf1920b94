package source

import (
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxWait is the longest time before the next try, whatever the server asks for.
const maxWait = time.Minute

// newClient asks again where that may help: go-retryablehttp's DefaultRetryPolicy (connection errors, 429, 5xx but 501).
// release ends the connections that it keeps.
func newClient(opt Options) (standard *http.Client, release func()) {
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = opt.Tries - 1
	client.RetryWaitMin, client.RetryWaitMax = opt.Wait, maxWait
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler
	client.Backoff = func(shortest, longest time.Duration, try int, response *http.Response) time.Duration {
		return min(retryablehttp.DefaultBackoff(shortest, longest, try, response), longest)
	}
	if opt.Transport != nil {
		client.HTTPClient.Transport = opt.Transport
	}
	return client.StandardClient(), client.HTTPClient.CloseIdleConnections
}

// pause waits before a try; the first one, 0, waits for nothing.
func pause(ctx context.Context, try int, wait time.Duration) error {
	if try == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(wait<<(try-1), maxWait)):
		return nil
	}
}
