//go:build e2e

package e2e

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// jinaBase is what the bundles of a Jina hub start from.
const jinaBase = "jinaai/jina:1.3.1"

// addJinaHub writes the bundles below a directory of testdata/jina, each from the registry's Jina.
func (h *hub) addJinaHub(part string) {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.dir, ".github/hub-publish.yml")); err != nil { // these executors do listen
		h.t.Fatal(err)
	}
	sample := os.DirFS(filepath.Join("../../testdata/jina", part))
	err := fs.WalkDir(sample, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(sample, path)
		if err != nil {
			return err
		}
		h.write(path, strings.ReplaceAll(string(data), "FROM "+jinaBase, "FROM "+registry(h.t)+"/"+jinaBase))
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// The executors of a Jina hub pass the three usage tests, and what is published is what was tested.
func TestJinaHub(t *testing.T) {
	t.Parallel()
	inEachPlace(t, func(t *testing.T, p place) {
		h := newHub(t)
		h.addJinaHub("good")
		commit := h.commit("feat: a hub")
		got := pushTo(t, newNamespace(), noCommit, commit, h.checkout("push", commit, 1)).in(p).run(t)
		got.expectExit(t, 0)
		expectIsolation(t, got.log, p)
		if len(got.report.Bundles) < 8 {
			t.Errorf("there are %d bundles", len(got.report.Bundles))
		}
		published := publications(t, got)
		for _, b := range got.report.Bundles {
			want := "run passed, cli passed, flow passed"
			if b.Type == "app" {
				want = "run passed"
			}
			if tests := b.tests(); tests != want {
				t.Errorf("%s: %s; want %s\n%+v", b.Path, tests, want, b.Findings)
			}
			if reference := published[b.Path].Image; digest(t, reference) != published[b.Path].Digest {
				t.Errorf("%s is not what was published", reference)
			}
			t.Logf("%s: %+v", b.Path, b.Tests)
		}
		if !strings.Contains(got.summary, "#### Usage tests") {
			t.Errorf("the summary has no usage tests:\n%s", got.summary)
		}
	})
}

// Each of these executors fails for a reason of its own, at its entry point's line.
func TestBrokenJinaHub(t *testing.T) {
	t.Parallel()
	wants := map[string]map[string]string{
		"NoEntryPoint": {"usage/run": "executable file not found in $PATH", "usage/cli": "executable file not found in $PATH"},
		"ImportFails":  {"usage/run": "can not import module", "usage/cli": "can not import module", "usage/flow": "it ended after"},
		"CrashesLate":  {"usage/run": "it ended after", "usage/cli": "it ended after", "usage/flow": "it ended after"},
		"NeverReady": {
			"usage/run": "does not answer: the executor has not loaded", "usage/cli": "does not answer: the executor has not loaded", "usage/flow": "the flow is still not ready",
		},
		"IgnoresTerm": {"usage/run": "did not stop within 10s after the signal SIGTERM", "usage/cli": "did not stop within 10s after the signal SIGTERM"},
		"WrongClass":  {"usage/run": "it ended after", "usage/cli": "it ended after", "usage/flow": "it ended after"},
		"NoPython": {
			"usage/run": "which is not in the image", "usage/cli": "which is not in the image", "usage/flow": "cannot be started",
		},
	}
	inEachPlace(t, func(t *testing.T, p place) {
		h := newHub(t)
		h.addJinaHub("broken")
		commit := h.commit("feat: a hub")
		step := pushTo(t, newNamespace(), noCommit, commit, h.checkout("push", commit, 1)).in(p)
		step.inputs["ready-timeout"] = "20s"
		got := step.run(t)
		got.expectExit(t, 1)
		if len(got.report.Bundles) != len(wants) {
			t.Errorf("there are %d bundles, want %d", len(got.report.Bundles), len(wants))
		}
		if published := publications(t, got); len(published) > 0 {
			t.Errorf("published are %v", published)
		}
		for _, b := range got.report.Bundles {
			want := wants[filepath.Base(b.Path)]
			var rules []string
			for _, f := range b.Findings {
				if f.Severity != "error" {
					continue
				}
				rules = append(rules, f.Rule)
				if !strings.Contains(f.Message, want[f.Rule]) {
					t.Errorf("%s: %s says %q, want %q", b.Path, f.Rule, f.Message, want[f.Rule])
				}
				line := 1 + strings.Count(strings.Split(h.git("show", "HEAD:"+f.File), "ENTRYPOINT")[0], "\n")
				if f.Line != line {
					t.Errorf("%s: %s is at line %d, want %d", b.Path, f.Rule, f.Line, line)
				}
			}
			slices.Sort(rules)
			if wanted := slices.Sorted(maps.Keys(want)); !slices.Equal(rules, wanted) {
				t.Errorf("%s: the findings are %v, want %v\n%+v", b.Path, rules, wanted, b.Findings)
			}
		}
	})
}

// A hostile image leaves the next bundle's image as it was.
func TestHostileImage(t *testing.T) {
	inEachPlaceInTurn(t, func(t *testing.T, p place) {
		good, hostile := newBundle(t, "ZGoodEncoder", "0.0.1"), newBundle(t, "AHostileEncoder", "0.0.1")
		good.dockerfile = lines("FROM "+baseImage(t), "COPY . /workspace", `ENTRYPOINT ["cat", "/workspace/zgoodencoder.txt"]`)
		hostile.dockerfile = lines(
			"FROM "+baseImage(t),
			"COPY . /workspace",
			`ENTRYPOINT ["sh", "-c", "trap '' TERM INT HUP; echo bad > /workspace/x; rm -f /bin/cat /etc/passwd; while :; do setsid sleep 1000 & done"]`,
		)
		publish := func(bundles ...bundle) (outcome, string) {
			h := newHub(t)
			for _, b := range bundles {
				h.add(b)
			}
			commit := h.commit("feat: encoders")
			step := pushTo(t, newNamespace(), noCommit, commit, h.checkout("push", commit, 1)).in(p)
			step.inputs["jobs"] = "1"
			got := step.run(t)
			return got, layers(t, publications(t, got)[good.path()].Image)
		}
		_, alone := publish(good)
		got, after := publish(hostile, good)
		got.expectExit(t, 1)
		if !got.report.has("usage/run") || got.report.status(hostile.path()) != "failed" {
			t.Errorf("findings: %+v", got.report.all())
		}
		for _, f := range got.report.all() {
			t.Logf("%s: %.300s", f.Rule, f.Message)
		}
		// The commit is another one, and so the configuration's labels are.
		if alone != after {
			t.Errorf("the layers are %s, after the hostile image %s", alone, after)
		}
	})
}

// layers are the digests of an image's layers.
func layers(t *testing.T, reference string) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, l := range m.Layers {
		digests = append(digests, l.Digest.String())
	}
	return strings.Join(digests, " ")
}
