package builder

import (
	"bytes"
	"context"
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
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// bases pulls base images into an OCI layout, each once a run. The child reads them there: it has no credentials.
type bases struct {
	dir      string
	keychain authn.Keychain
	platform *v1.Platform
	layout   layout.Path
	// pulled has the images' descriptors by their whole names.
	pulled map[string]v1.Descriptor
}

// has reports whether an image has been pulled.
func (b *bases) has(image string) bool {
	ref, err := name.ParseReference(image, name.WeakValidation)
	if err != nil {
		return false
	}
	_, pulled := b.pulled[ref.Name()]
	return pulled
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
		b.pulled = map[string]v1.Descriptor{}
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(b.keychain)}
	if b.platform != nil {
		options = append(options, remote.WithPlatform(*b.platform))
	}
	img, err := remote.Image(ref, options...)
	if err != nil {
		return err
	}
	if err := b.layout.AppendImage(img); err != nil {
		return err
	}
	descriptor, err := partial.Descriptor(img)
	if err != nil {
		return err
	}
	b.pulled[ref.Name()] = *descriptor
	return nil
}

// server is a registry that serves images of a layout, for reading only: what an instruction may ask of it, it could have
// read from the base images' files.
type server struct {
	dir string
	// registries numbers the registries that the images come from; a number stands in the path instead of a name,
	// which may hold characters that a path of the protocol may not.
	registries map[string]string
	manifests  map[string]v1.Descriptor
}

// newServer serves the images in dir that the parent names. An earlier build in place could have changed the files
// there: what does not have its digest is refused by who reads it.
func newServer(dir string, images map[string]v1.Descriptor) (*server, error) {
	s := &server{dir: dir, registries: map[string]string{}, manifests: map[string]v1.Descriptor{}}
	for image, descriptor := range images {
		ref, err := name.ParseReference(image, name.WeakValidation)
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
		s.serveManifest(w, descriptor)
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

// serveManifest checks the manifest itself: its reader, who asked by tag, cannot.
func (s *server) serveManifest(w http.ResponseWriter, descriptor v1.Descriptor) {
	manifest, err := os.ReadFile(s.file(descriptor.Digest))
	if digest, _, hashErr := v1.SHA256(bytes.NewReader(manifest)); err != nil || hashErr != nil || digest != descriptor.Digest {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(descriptor.MediaType))
	w.Header().Set("Docker-Content-Digest", descriptor.Digest.String())
	_, _ = w.Write(manifest)
}

func (s *server) file(digest v1.Hash) string {
	return filepath.Join(s.dir, "blobs", digest.Algorithm, digest.Hex)
}

func (s *server) serveBlob(w http.ResponseWriter, r *http.Request, digest v1.Hash) {
	http.ServeFile(w, r, s.file(digest))
}
