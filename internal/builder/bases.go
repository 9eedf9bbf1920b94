package builder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// refName is the annotation under which an OCI layout keeps an image's reference, from the OCI image specification.
const refName = "org.opencontainers.image.ref.name"

// bases pulls base images into an OCI layout, each once a run. The child reads them there: it has no credentials.
type bases struct {
	dir      string
	keychain authn.Keychain
	platform *v1.Platform
	layout   layout.Path
	pulled   map[string]bool
}

// has reports whether an image has been pulled.
func (b *bases) has(image string) bool {
	ref, err := name.ParseReference(image, name.WeakValidation)
	return err == nil && b.pulled[ref.Name()]
}

// pull brings an image into the layout. The name is one that a Dockerfile may write.
func (b *bases) pull(ctx context.Context, image string) error {
	ref, err := name.ParseReference(image, name.WeakValidation)
	if err != nil {
		return err
	}
	if b.pulled == nil {
		if err := os.RemoveAll(b.dir); err != nil {
			return err
		}
		if b.layout, err = layout.Write(b.dir, empty.Index); err != nil {
			return err
		}
		b.pulled = map[string]bool{}
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(b.keychain)}
	if b.platform != nil {
		options = append(options, remote.WithPlatform(*b.platform))
	}
	img, err := remote.Image(ref, options...)
	if err != nil {
		return err
	}
	if err := b.layout.AppendImage(img, layout.WithAnnotations(map[string]string{refName: ref.Name()})); err != nil {
		return err
	}
	b.pulled[ref.Name()] = true
	return nil
}

// server is a registry that serves the images of a layout, for reading only: what an instruction may ask of it, it could
// have read from the base images' files.
type server struct {
	path layout.Path
	// registries numbers the registries that the images come from; a number stands in the path instead of a name,
	// which may hold characters that a path of the protocol may not.
	registries map[string]string
	manifests  map[string]v1.Descriptor
}

func newServer(dir string) (*server, error) {
	s := &server{path: layout.Path(dir), registries: map[string]string{}, manifests: map[string]v1.Descriptor{}}
	index, err := layout.ImageIndexFromPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil // a Dockerfile that starts from scratch
	}
	if err != nil {
		return nil, err
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, descriptor := range list.Manifests {
		ref, err := name.ParseReference(descriptor.Annotations[refName], name.WeakValidation)
		if err != nil {
			return nil, err
		}
		registry := ref.Context().RegistryStr()
		if s.registries[registry] == "" {
			s.registries[registry] = fmt.Sprintf("registry-%d", len(s.registries))
		}
		repository := s.registries[registry] + "/" + ref.Context().RepositoryStr()
		s.manifests[repository+"/manifests/"+ref.Identifier()] = descriptor
		s.manifests[repository+"/manifests/"+descriptor.Digest.String()] = descriptor
	}
	return s, nil
}

// maps tells kaniko where to find each registry's images.
func (s *server) maps(address string) map[string][]string {
	maps := map[string][]string{}
	for registry, number := range s.registries {
		maps[registry] = []string{address + "/" + number}
	}
	return maps
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, _ := url.PathUnescape(strings.TrimPrefix(r.URL.Path, "/v2/"))
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if descriptor, ok := s.manifests[path]; ok {
		w.Header().Set("Content-Type", string(descriptor.MediaType))
		w.Header().Set("Docker-Content-Digest", descriptor.Digest.String())
		s.serveBlob(w, r, descriptor.Digest)
		return
	}
	if _, digest, ok := strings.Cut(path, "/blobs/"); ok {
		if hash, err := v1.NewHash(digest); err == nil {
			s.serveBlob(w, r, hash)
			return
		}
	}
	if path != "" {
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *server) serveBlob(w http.ResponseWriter, r *http.Request, digest v1.Hash) {
	http.ServeFile(w, r, filepath.Join(string(s.path), "blobs", digest.Algorithm, digest.Hex))
}
