package registry_test

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/registry"
)

// TestCA trusts a registry whose certificate's authority is given, and no other.
func TestCA(t *testing.T) {
	t.Parallel()
	inner := inMemory()
	secure := httptest.NewUnstartedServer(inner)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are broken off
	secure.StartTLS()
	t.Cleanup(secure.Close)
	at := repository(t, strings.TrimPrefix(secure.URL, "https://")+"/hub/pod")
	image := imageOf(t, "some")
	write(t, inner, at.Tag("1"), image)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})

	t.Run("given", func(t *testing.T) {
		t.Parallel()
		c := client(t, registry.Options{CA: certificate})
		if got, err := c.Head(t.Context(), at.Tag("1")); err != nil || got != digestOf(t, image) {
			t.Errorf("got %s, %v", got, err)
		}
		if err := c.Upload(t.Context(), at, layerOf("new")); err != nil {
			t.Error(err)
		}
		if err := c.CheckPush(t.Context(), at); err != nil {
			t.Error(err)
		}
	})
	t.Run("not given", func(t *testing.T) {
		t.Parallel()
		_, err := client(t, registry.Options{}).Head(t.Context(), at.Tag("1"))
		if err == nil || !strings.Contains(registry.Explain("reading", at, err).Error(), "into the input registry-ca") {
			t.Errorf("got %v", err)
		}
	})
	for title, ca := range map[string]string{
		"no PEM":         "garbage",
		"another's":      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"not whole":      string(certificate[:len(certificate)/2]),
		"no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if _, err := registry.New(registry.Options{CA: []byte(ca)}); err == nil || !strings.Contains(err.Error(), "there is no certificate in it") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestForeignPlainHTTP does not follow a registry to where a password, or what is read, would go over the wire in the clear.
func TestForeignPlainHTTP(t *testing.T) {
	t.Parallel()
	for title, web := range map[string]http.HandlerFunc{
		"token server": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://elsewhere.example/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				http.Redirect(w, r, "http://elsewhere.example/some", http.StatusTemporaryRedirect)
			}
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			at := repository(t, serve(t, web)+"/hub/pod")
			_, err := client(t, registry.Options{Keychain: user("right")}).Head(t.Context(), at.Tag("1"))
			var plain *registry.PlainHTTPError
			if !errors.As(err, &plain) || plain.Host != "elsewhere.example" {
				t.Errorf("got %v", err)
			}
		})
	}
}
