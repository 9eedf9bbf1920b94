package publish_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/registry"
)

const tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// world is a registry that anybody may write to, with what a test puts in front of it.
type world struct {
	*publish.Publisher
	repository name.Repository
	behind     http.Handler

	mutex  sync.Mutex
	writes []string
	fault  func(*http.Request) int
}

// newWorld starts a registry. The fault says with which status a request is refused; 0 lets it through.
func newWorld(t *testing.T, fault func(*http.Request) int) *world {
	t.Helper()
	w := &world{Publisher: publisher(t, nil), fault: fault, behind: memory.New(memory.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		if w.fault != nil {
			if status := w.fault(in); status != 0 {
				out.Header().Set("WWW-Authenticate", `Basic realm="the test"`)
				out.WriteHeader(status)
				return
			}
		}
		if in.Method == http.MethodPut || in.Method == http.MethodPatch || in.Method == http.MethodPost {
			w.writes = append(w.writes, in.Method+" "+in.URL.Path)
		}
		w.behind.ServeHTTP(out, in)
	}))
	t.Cleanup(server.Close)
	w.repository = repository(t, server.URL)
	return w
}

// pace has a test wait for no longer than it must.
var pace = registry.Pace{First: time.Millisecond, Most: 10 * time.Millisecond, Total: 200 * time.Millisecond, Answer: 10 * time.Second, Commit: 10 * time.Second}

func publisher(t *testing.T, keychain authn.Keychain) *publish.Publisher {
	t.Helper()
	return paced(t, keychain, pace)
}

func paced(t *testing.T, keychain authn.Keychain, pace registry.Pace) *publish.Publisher {
	t.Helper()
	client, err := registry.New(registry.Options{Keychain: keychain, Pace: pace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &publish.Publisher{Registry: client}
}

func repository(t *testing.T, server string) name.Repository {
	t.Helper()
	address, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := name.NewRepository(address.Host + "/jinahub/pod.encoder.awesome")
	if err != nil {
		t.Fatal(err)
	}
	return repository
}

// target is a version with the action's default tags.
func (w *world) target(t *testing.T, version string, tags ...string) publish.Target {
	t.Helper()
	if len(tags) == 0 {
		tags = []string{"{version}", "latest"}
	}
	return publish.Target{Repository: w.repository, Version: semver.MustParse(version), Tags: templates(t, tags...), Facts: facts}
}

// image is a small image with labels, unlike every other.
func image(t *testing.T, labels map[string]string) v1.Image {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.Config(img, v1.Config{Labels: labels}); err != nil {
		t.Fatal(err)
	}
	return img
}

func (w *world) push(t *testing.T, target publish.Target, img v1.Image) []string {
	t.Helper()
	result, err := w.Publish(t.Context(), target, publish.Release{Image: img})
	if err != nil {
		t.Fatal(err)
	}
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if result.Digest != want {
		t.Errorf("got the digest %s, want %s", result.Digest, want)
	}
	for _, tag := range result.Tags {
		if got := w.digest(t, tag); got != want {
			t.Errorf("the registry has %s at the tag %s, want %s", got, tag, want)
		}
	}
	return result.Tags
}

// digest asks the registry, and nothing of ours, what a tag names.
func (w *world) digest(t *testing.T, tag string) v1.Hash {
	t.Helper()
	descriptor, err := remote.Head(w.repository.Tag(tag))
	if err != nil {
		t.Fatal(err)
	}
	return descriptor.Digest
}

func TestLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	labelled, bare := image(t, map[string]string{publish.TreeLabel: tree}), image(t, nil)
	w.push(t, w.target(t, "1.0.0"), labelled)
	w.push(t, w.target(t, "2.0.0"), bare)
	if err := remote.WriteIndex(w.repository.Tag("3.0.0"), empty.Index); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ version, tree string }{
		"an image that says what it was made from": {"1.0.0", tree},
		"an image that does not say":               {"2.0.0", ""},
		"an index of somebody else's":              {"3.0.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := w.Look(t.Context(), w.target(t, c.version))
			if err != nil {
				t.Fatal(err)
			}
			if want := (publish.State{Exists: true, Digest: w.digest(t, c.version), Tree: c.tree}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	t.Run("a version that is not there", func(t *testing.T) {
		t.Parallel()
		if got, err := w.Look(t.Context(), w.target(t, "1.0.1")); err != nil || got != (publish.State{}) {
			t.Errorf("got %+v and %v, want nothing", got, err)
		}
	})
	t.Run("a repository that is not there", func(t *testing.T) {
		t.Parallel()
		target := w.target(t, "1.0.0")
		target.Repository = w.repository.Registry.Repo("jinahub", "none")
		if got, err := w.Look(t.Context(), target); err != nil || got != (publish.State{}) {
			t.Errorf("got %+v and %v, want nothing", got, err)
		}
	})
}

// TestTags publishes versions one after another, and looks where the tags end up.
func TestTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tags     []string
		versions []string
		// set are the tags that the last version was given.
		set []string
		// held says which version each moving tag names at the end.
		held map[string]string
	}{
		"the first version": {
			tags: []string{"{version}", "latest", "{major}.{minor}", "{major}"}, versions: []string{"1.2.3"},
			set: []string{"1.2.3", "latest", "1.2", "1"}, held: map[string]string{"latest": "1.2.3", "1.2": "1.2.3", "1": "1.2.3"},
		},
		"a higher version takes latest": {
			tags: []string{"{version}", "latest"}, versions: []string{"1.2.3", "1.10.0"},
			set: []string{"1.10.0", "latest"}, held: map[string]string{"latest": "1.10.0"},
		},
		"a patch of an older line leaves latest": {
			tags: []string{"{version}", "latest", "{major}.{minor}", "{major}"}, versions: []string{"1.2.3", "1.3.0", "2.0.0", "1.2.4"},
			set: []string{"1.2.4", "1.2"}, held: map[string]string{"latest": "2.0.0", "1": "1.3.0", "1.2": "1.2.4", "1.3": "1.3.0", "2": "2.0.0"},
		},
		"a pre-release moves nothing": {
			tags: []string{"latest", "{version}", "{major}"}, versions: []string{"1.0.0", "2.0.0-rc.1"},
			set: []string{"2.0.0-rc.1"}, held: map[string]string{"latest": "1.0.0", "1": "1.0.0"},
		},
		"a pre-release keeps nothing from moving": {
			tags: []string{"{version}", "latest"}, versions: []string{"2.0.0-rc.1", "1.0.0"},
			set: []string{"1.0.0", "latest"}, held: map[string]string{"latest": "1.0.0"},
		},
		"build metadata counts as its version": {
			tags: []string{"{version}", "latest"}, versions: []string{"1.3.0+gpu", "1.2.4"},
			set: []string{"1.2.4"}, held: map[string]string{"latest": "1.3.0_gpu"},
		},
		"versions behind a prefix": {
			tags: []string{"v{version}", "latest"}, versions: []string{"1.3.0", "1.2.4"},
			set: []string{"v1.2.4"}, held: map[string]string{"latest": "v1.3.0"},
		},
		"versions before a suffix": {
			tags: []string{"{version}-gpu", "latest-gpu"}, versions: []string{"1.3.0", "1.2.4"},
			set: []string{"1.2.4-gpu"}, held: map[string]string{"latest-gpu": "1.3.0-gpu"},
		},
		"versions beside other places": {
			tags: []string{"{version}-{major}", "{version}-{date}-{short_sha}", "latest"}, versions: []string{"1.3.0", "1.2.4"},
			set: []string{"1.2.4-1", "1.2.4-2021-02-04-0123456"}, held: map[string]string{"latest": "1.3.0-1"},
		},
		"two tags of the whole version": {
			tags: []string{"{version}", "v{version}", "latest"}, versions: []string{"1.0.0"},
			set: []string{"1.0.0", "v1.0.0", "latest"}, held: map[string]string{"latest": "1.0.0", "v1.0.0": "1.0.0"},
		},
		"no moving tag": {
			tags: []string{"{version}"}, versions: []string{"1.0.0", "2.0.0"},
			set: []string{"2.0.0"}, held: map[string]string{"1.0.0": "1.0.0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			var set []string
			for _, version := range c.versions {
				set = w.push(t, w.target(t, version, c.tags...), image(t, nil))
			}
			if !slices.Equal(set, c.set) {
				t.Errorf("the last version was given %q, want %q", set, c.set)
			}
			for moving, fixed := range c.held {
				if w.digest(t, moving) != w.digest(t, fixed) {
					t.Errorf("%s does not name the image of %s", moving, fixed)
				}
			}
			all, err := remote.List(w.repository)
			if err != nil {
				t.Fatal(err)
			}
			for _, tag := range all {
				if _, held := c.held[tag]; !held && !strings.Contains(tag, ".") {
					t.Errorf("there is a tag %s that nobody asked for", tag)
				}
			}
		})
	}
}

// TestOnce runs again after a run that ended well, and after one that died between two tags.
func TestOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	target, img := w.target(t, "1.0.0", "{version}", "latest", "{major}"), image(t, nil)
	w.push(t, w.target(t, "1.0.0", "{version}", "latest"), img)
	w.writes = nil
	state, err := w.Look(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	for run, want := range [][]string{{"PUT /v2/jinahub/pod.encoder.awesome/manifests/1"}, nil} {
		w.writes = nil
		tags, err := w.Complete(t.Context(), target, state)
		if err != nil || !slices.Equal(tags, []string{"1.0.0", "latest", "1"}) {
			t.Errorf("run %d: got %q and %v", run, tags, err)
		}
		if !slices.Equal(w.writes, want) {
			t.Errorf("run %d wrote %q, want %q", run, w.writes, want)
		}
	}
}

// TestNeverTwice has another run publish the version while this one builds it.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	theirs, ours := image(t, nil), image(t, nil)
	w.push(t, w.target(t, "1.0.0"), theirs)
	before := w.digest(t, "1.0.0")
	result, err := w.Publish(t.Context(), w.target(t, "1.0.0"), publish.Release{Image: ours, Tree: tree})
	if err == nil || !strings.Contains(err.Error(), "/jinahub/pod.encoder.awesome:1.0.0 is in the registry already ("+before.String()+"), made from it does not say what; it is not overwritten") {
		t.Errorf("got %v", err)
	}
	if len(result.Tags) > 0 {
		t.Errorf("it says that it set %q", result.Tags)
	}
	for _, tag := range []string{"1.0.0", "latest"} {
		if w.digest(t, tag) != before {
			t.Errorf("%s was overwritten", tag)
		}
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		version string
		tags    []string
		want    string
	}{
		"the version's tag":              {"1.2.3", []string{"{version}"}, "1.2.3"},
		"the first that has the version": {"1.2.3", []string{"latest", "v{version}", "{version}"}, "v1.2.3"},
		"without one, the version":       {"1.2.3+gpu", []string{"latest"}, "1.2.3_gpu"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, want := w.target(t, c.version, c.tags...).Reference(), w.repository.Tag(c.want); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestExplained has the registry refuse each of the requests, and asks that the error says what to check.
func TestExplained(t *testing.T) {
	t.Parallel()
	const credentials = "; check that the inputs username and password (a token that may write) belong to 127.0.0.1:"
	writes := func(status int) func(*http.Request) int {
		return func(r *http.Request) int {
			if r.Method == http.MethodPost || r.Method == http.MethodPut {
				return status
			}
			return 0
		}
	}
	reads := func(status int) func(*http.Request) int {
		return func(r *http.Request) int {
			if r.URL.Path != "/v2/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				return status
			}
			return 0
		}
	}
	at := func(method, end string, status int) func(*http.Request) int {
		return func(r *http.Request) int {
			if r.Method == method && strings.HasSuffix(r.URL.Path, end) {
				return status
			}
			return 0
		}
	}
	look := func(ctx context.Context, w *world, target publish.Target) error {
		_, err := w.Look(ctx, target)
		return err
	}
	permission := func(ctx context.Context, w *world, target publish.Target) error {
		return w.CheckPermission(ctx, target)
	}
	push := func(ctx context.Context, w *world, target publish.Target) error {
		_, err := w.Publish(ctx, target, publish.Release{Image: image(t, nil)})
		return err
	}
	for name, c := range map[string]struct {
		fault func(*http.Request) int
		do    func(context.Context, *world, publish.Target) error
		want  []string
	}{
		"look, with a wrong password":               {reads(401), look, []string{"ask for 127.0.0.1:", ":1.0.0: ", "401", credentials}},
		"look, where one may not":                   {reads(403), look, []string{"ask for 127.0.0.1:", "403", credentials, "and may push to jinahub/pod.encoder.awesome"}},
		"permission, with a wrong password":         {writes(401), permission, []string{"push to 127.0.0.1:", "401", credentials}},
		"permission, where one may not":             {writes(403), permission, []string{"push to 127.0.0.1:", "403", credentials}},
		"permission, asked for too often":           {writes(429), permission, []string{"429", "; the registry limits how often it answers: run this job again later, or log in"}},
		"permission, of a registry that is ill":     {writes(500), permission, []string{"push to 127.0.0.1:", "500"}},
		"permission, which is given":                {nil, permission, nil},
		"push, with a wrong password":               {writes(401), push, []string{"push a layer to 127.0.0.1:", "401", credentials}},
		"push, where one may not":                   {writes(403), push, []string{"push a layer to 127.0.0.1:", "403", credentials}},
		"push, where one may not see what is there": {at("GET", "/manifests/1.0.0", 403), push, []string{"ask for 127.0.0.1:", ":1.0.0", "403", credentials}},
		"push, where tags cannot be asked for":      {at("GET", "/manifests/1.0.0", 400), push, []string{"ask for 127.0.0.1:", ":1.0.0", "400"}},
		"push, where no tag may be set":             {at("PUT", "/manifests/latest", 403), push, []string{"set the tag 127.0.0.1:", ":latest", "403", credentials}},
		"push, where tags may not be listed":        {at("GET", "/tags/list", 403), push, []string{"list the tags of 127.0.0.1:", "403", credentials}},
		"push, where tags are not listed yet":       {at("GET", "/tags/list", 404), push, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.fault)
			err := c.do(t.Context(), w, w.target(t, "1.0.0"))
			if c.want == nil && err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestLabelsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	img := image(t, nil)
	w.push(t, w.target(t, "1.0.0"), img)
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	w.fault = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, config.String()) {
			return http.StatusForbidden
		}
		return 0
	}
	if _, err := w.Look(t.Context(), w.target(t, "1.0.0")); err == nil || !strings.Contains(err.Error(), "read the labels of 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
}

// TestPassword has a registry that lets in one user.
func TestPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(r *http.Request) int {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "right" {
			return http.StatusUnauthorized
		}
		return 0
	})
	for password, wrong := range map[string]bool{"right": false, "wrong": true} {
		r := publisher(t, keychain{&authn.Basic{Username: "me", Password: password}})
		err := r.CheckPermission(t.Context(), w.target(t, "1.0.0"))
		if (err != nil) != wrong {
			t.Errorf("%s password: %v", password, err)
		}
		_, pushErr := r.Publish(t.Context(), w.target(t, "1.0.0"), publish.Release{Image: image(t, nil)})
		if (pushErr != nil) != wrong {
			t.Errorf("%s password: %v", password, pushErr)
		}
		if wrong && (!strings.Contains(pushErr.Error(), "username and password") || strings.Contains(pushErr.Error(), `"wrong"`)) {
			t.Errorf("got %v", pushErr)
		}
	}
}

type keychain struct{ authn.Authenticator }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return k.Authenticator, nil }

// TestHiccup has the registry fail once: that is nobody's to repair.
func TestHiccup(t *testing.T) {
	t.Parallel()
	failed := false
	w := newWorld(t, func(r *http.Request) int {
		if r.Method == http.MethodPut && !failed {
			failed = true
			return http.StatusInternalServerError
		}
		return 0
	})
	if tags := w.push(t, w.target(t, "1.0.0"), image(t, nil)); !slices.Equal(tags, []string{"1.0.0", "latest"}) || !failed {
		t.Errorf("got the tags %q; the registry failed: %t", tags, failed)
	}
}

func TestRegistryOutOfReach(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	w := &world{Publisher: publisher(t, nil), repository: repository(t, server.URL)}
	want := "; check that the input registry names a registry that this runner reaches (" + w.repository.RegistryStr() + ")"
	if _, err := w.Look(t.Context(), w.target(t, "1.0.0")); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want it to say %q", err, want)
	}
}
