package publish_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/jina/hub-publish/internal/publish"
)

// TestFirstPush looks for a version in a repository that is not there yet, in a registry that tells that, as Docker Hub
// does, only to who may write.
func TestFirstPush(t *testing.T) {
	t.Parallel()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	var web *httptest.Server
	web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case r.URL.Path == "/token":
			if _, password, _ := r.BasicAuth(); password != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": r.URL.Query().Get("scope")})
		case !strings.HasSuffix(token, ":push,pull"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+web.URL+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(web.Close)
	repository, err := name.NewRepository(strings.TrimPrefix(web.URL, "http://") + "/jinahub/pod.encoder.new")
	if err != nil {
		t.Fatal(err)
	}
	template, err := publish.ParseTemplate("{version}")
	if err != nil {
		t.Fatal(err)
	}
	target := publish.Target{Repository: repository, Version: semver.MustParse("0.0.1"), Tags: []publish.Template{template}}
	for password, wanted := range map[string]bool{"right": true, "wrong": false} {
		r := publisher(t, keychain{&authn.Basic{Username: "ada", Password: password}})
		state, err := r.Look(t.Context(), target)
		if (err == nil) != wanted || state.Exists {
			t.Errorf("with the %s password: %+v, %v", password, state, err)
		}
	}
}
