package faulty

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// lifetime is what tokens are said to be good for: longer than a test lasts.
const lifetime = 300 * time.Second

// tokens are the bearer tokens that a proxy has issued.
type tokens struct {
	user, password string
	issued         map[string]time.Time
	skew           time.Duration // between a token's being issued and its being valid
}

func newTokens(user, password string) *tokens {
	return &tokens{user: user, password: password, issued: map[string]time.Time{}}
}

func (t *tokens) expire() { clear(t.issued) }

// answer is the answer to a request for a token, or to one without a valid token; else nil.
func (t *tokens) answer(r *http.Request) *answer {
	switch {
	case r.URL.Path == "/token":
		return t.issue(r)
	case r.URL.Path != "/v2" && !strings.HasPrefix(r.URL.Path, "/v2/"):
		return nil
	}
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if issued, ok := t.issued[token]; ok && time.Since(issued) >= t.skew {
		return nil
	}
	challenge := fmt.Sprintf(`Bearer realm="http://%s/token",service="faulty"`, r.Host)
	if repository := repositoryPath.FindStringSubmatch(r.URL.Path); repository != nil {
		challenge += fmt.Sprintf(`,scope="repository:%s:pull,push"`, repository[1])
	}
	if sent {
		challenge += `,error="invalid_token"`
	}
	return unauthorized(challenge)
}

var repositoryPath = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)/`)

func (t *tokens) issue(r *http.Request) *answer {
	if r.Method != http.MethodGet { // what a client makes of it who has tried OAuth first: it asks again with GET
		return failure(http.StatusMethodNotAllowed, "UNSUPPORTED", "tokens are issued to GET")
	}
	if user, password, ok := r.BasicAuth(); !ok || user != t.user || password != t.password {
		return unauthorized(`Basic realm="faulty"`)
	}
	token := rand.Text()
	t.issued[token] = time.Now()
	return own(http.StatusOK, "application/json", fmt.Sprintf(`{"token":%q,"access_token":%[1]q,"expires_in":%d}`+"\n", token, int(lifetime.Seconds())))
}

func unauthorized(challenge string) *answer {
	a := failure(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	a.header.Set("WWW-Authenticate", challenge)
	return a
}
