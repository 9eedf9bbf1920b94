package selection_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/history/historytest"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/selection"
)

type files = historytest.Files

const gone = historytest.Gone

// of is the manifest of an encoder.
func of(name, version string) string {
	return "name: " + name + "\nkind: encoder\ntype: pod\ndescription: It encodes.\nversion: " + version + "\n"
}

// with are files and more files.
func with(some, more files) files {
	all := maps.Clone(some)
	maps.Copy(all, more)
	return all
}

// workspace commits the base and then the change, and opens what is there then. Without a base there is nothing to
// compare with.
func workspace(t *testing.T, base, change files) (*hub.Hub, *compare.Comparison) {
	t.Helper()
	r := historytest.New(t)
	e := event.Event{Name: "schedule"}
	if base != nil {
		e = event.Event{Name: "push", Before: r.Commit(t, base)}
	}
	r.Commit(t, change)
	h, err := hub.Open(os.DirFS(r.Dir), "", config.Default())
	if err != nil {
		t.Fatal(err)
	}
	c, err := compare.Find(t.Context(), e, r.Open(t), compare.NoAPI{})
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

// written is a line a bundle: its path, what became of it, and what it is compared with.
func written(bundles []*hub.Bundle) []string {
	var lines []string
	for _, b := range bundles {
		line := b.Path + ":"
		if b.Removed {
			line += " removed,"
		}
		if len(b.Changed) > 0 {
			line += " changed,"
		}
		if b.Base == nil {
			line += " was nothing"
		} else {
			line += " was " + b.Base.Text("name") + " " + b.Base.Text("version")
		}
		lines = append(lines, line)
	}
	return lines
}

func wantBundles(t *testing.T, got []*hub.Bundle, want []string) {
	t.Helper()
	if lines := written(got); !slices.Equal(lines, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

const (
	foo = "executors/encoders/Foo"
	bar = "executors/encoders/image/Bar"
)

// two is a hub with a bundle of either depth.
var two = files{
	"README.md":           "A hub.",
	foo + "/manifest.yml": of("Foo", "0.0.1"), foo + "/Dockerfile": "FROM scratch", foo + "/src/deep/foo.py": "1",
	bar + "/manifest.yml": of("Bar", "0.2.0"), bar + "/Dockerfile": "FROM scratch",
}

func TestChangedBundles(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		base, change files
		want         []string
	}{
		{"nothing changed", two, nil, nil},
		{
			"a file of a bundle, far below its manifest: the manifest is the base's own", two,
			files{foo + "/src/deep/foo.py": "2"},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a manifest", two,
			files{foo + "/manifest.yml": of("Foo", "0.0.2")},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a file added to a bundle in a group, and one removed from another", two,
			files{bar + "/new.py": "1", foo + "/src/deep/foo.py": gone},
			[]string{foo + ": changed, was Foo 0.0.1", bar + ": changed, was Bar 0.2.0"},
		},
		{
			"files above every bundle", two,
			files{"README.md": "A better hub.", ".github/workflows/hub.yml": "on: push", "executors/encoders/README.md": "1", "executors/encoders/image/util.py": "1"},
			nil,
		},
		{
			"a hidden file of a bundle", two,
			files{foo + "/.dockerignore": "tests", foo + "/.cache/manifest.yml": of("Hidden", "1.0.0")},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a new bundle", two,
			files{"executors/encoders/New/manifest.yml": of("New", "0.0.0"), "executors/encoders/New/new.py": "1"},
			[]string{"executors/encoders/New: changed, was nothing"},
		},
		{
			"the nearest manifest above, of two", with(two, files{foo + "/Inner/manifest.yml": of("Inner", "1.0.0"), foo + "/Inner/a.py": "1"}),
			files{foo + "/Inner/a.py": "2"},
			[]string{foo + "/Inner: changed, was Inner 1.0.0"},
		},
		{
			"a manifest that does not parse", two,
			files{foo + "/manifest.yml": "name: [\n"},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a manifest that did not parse at the base", with(two, files{foo + "/manifest.yml": "name: [\n"}),
			files{foo + "/manifest.yml": of("Foo", "0.0.1")},
			[]string{foo + ": changed, was nothing"},
		},

		{
			"a manifest that only the base has, while the bundle is there", two,
			files{foo + "/manifest.yml": gone},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a manifest that only the base has, where no other file tells a bundle", files{foo + "/manifest.yml": of("Foo", "0.0.1"), foo + "/foo.py": "1", foo + "/lib/bar.py": "1"},
			files{foo + "/manifest.yml": gone, foo + "/lib/bar.py": "2"},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a bundle that is gone", two,
			files{foo + "/manifest.yml": gone, foo + "/Dockerfile": gone, foo + "/src/deep/foo.py": gone},
			[]string{foo + ": removed, was Foo 0.0.1"},
		},
		{
			"a bundle that is gone around another one", with(two, files{foo + "/Inner/manifest.yml": of("Inner", "1.0.0")}),
			files{foo + "/manifest.yml": gone, foo + "/Dockerfile": gone, foo + "/src/deep/foo.py": gone},
			[]string{foo + ": removed, was Foo 0.0.1"},
		},

		{
			"no manifest, but a Dockerfile one level below the kind folder", two,
			files{"executors/encoders/Bare/Dockerfile": "FROM scratch", "executors/encoders/Bare/src/a.py": "1"},
			[]string{"executors/encoders/Bare: changed, was nothing"},
		},
		{
			"no manifest, but a config.yml two levels below", two,
			files{"executors/encoders/image/Bare/config.yml": "!Bare", "executors/encoders/image/Bare/src/a.py": "1"},
			[]string{"executors/encoders/image/Bare: changed, was nothing"},
		},
		{
			"no manifest, but requirements.txt, and a change beside it only", with(two, files{"executors/encoders/Bare/requirements.txt": "numpy"}),
			files{"executors/encoders/Bare/tests/test_bare.py": "1"},
			[]string{"executors/encoders/Bare: changed, was nothing"},
		},
		{
			"no manifest, and a mark too deep", two,
			files{"executors/encoders/a/b/Bare/Dockerfile": "FROM scratch"},
			nil,
		},
		{
			"no manifest, and none of the marks", two,
			files{"executors/encoders/Bare/bare.py": "1"},
			nil,
		},

		{
			"a misplaced manifest beside a Dockerfile", two,
			files{"tools/Lost/manifest.yml": "services: {}", "tools/Lost/Dockerfile": "FROM scratch"},
			[]string{"tools/Lost: changed, was nothing"},
		},
		{
			"a misplaced manifest with two required keys", two,
			files{"encoders/Lost/manifest.yml": "name: Lost\nkind: encoder"},
			[]string{"encoders/Lost: changed, was nothing"},
		},
		{
			"a misplaced manifest that changed", with(two, files{"tools/Lost/manifest.yml": of("Lost", "1.0.0")}),
			files{"tools/Lost/manifest.yml": of("Lost", "1.0.1")},
			[]string{"tools/Lost: changed, was Lost 1.0.0"},
		},
		{
			"a misplaced manifest that is gone", with(two, files{"tools/Lost/manifest.yml": of("Lost", "1.0.0")}),
			files{"tools/Lost/manifest.yml": gone},
			[]string{"tools/Lost: removed, was Lost 1.0.0"},
		},
		{
			"another tool's manifest.yml, added", two,
			files{"deploy/manifest.yml": "apiVersion: v1\nname: web"},
			nil,
		},
		{
			"another tool's manifest.yml, changed", with(two, files{"deploy/manifest.yml": "name: web", "deploy/x": "1"}),
			files{"deploy/manifest.yml": "name: web2", "deploy/x": "2"},
			nil,
		},
		{
			"another tool's manifest.yml, removed", with(two, files{"deploy/manifest.yml": "name: web", "deploy/x": "1"}),
			files{"deploy/manifest.yml": gone, "deploy/x": "2"},
			nil,
		},
		{
			"a misplaced bundle by its Dockerfile alone, removed", with(two, files{"deploy/manifest.yml": "name: web", "deploy/Dockerfile": "FROM scratch"}),
			files{"deploy/manifest.yml": gone, "deploy/Dockerfile": gone},
			[]string{"deploy: removed, was web 0.0.0"},
		},
		{
			"another tool's manifest.yml at the top", with(two, files{"manifest.yml": of("Top", "1.0.0")}),
			files{"manifest.yml": of("Top", "1.0.1"), "setup.py": "1"},
			nil,
		},

		{
			"a manifest in a hidden directory, changed", with(two, files{".github/template/manifest.yml": of("Template", "0.0.0")}),
			files{".github/template/manifest.yml": of("Template", "0.0.1")},
			nil,
		},
		{
			"a manifest in a hidden directory, removed", with(two, files{"executors/encoders/.old/manifest.yml": of("Old", "0.0.0")}),
			files{"executors/encoders/.old/manifest.yml": gone},
			nil,
		},
		{
			"a bundle that moved out of a hidden directory is new", with(two, files{".attic/New/manifest.yml": of("New", "3.0.0")}),
			files{".attic/New/manifest.yml": gone, "executors/encoders/New/manifest.yml": of("New", "0.0.0")},
			[]string{"executors/encoders/New: changed, was nothing"},
		},

		{
			"a bundle that moved into a group", two,
			files{
				foo + "/manifest.yml": gone, foo + "/Dockerfile": gone, foo + "/src/deep/foo.py": gone,
				"executors/encoders/nlp/Foo/manifest.yml": of("Foo", "0.0.1"), "executors/encoders/nlp/Foo/Dockerfile": "FROM scratch",
			},
			[]string{foo + ": removed, was Foo 0.0.1", "executors/encoders/nlp/Foo: changed, was Foo 0.0.1"},
		},
		{
			"a bundle that moved and has a new name makes a new image", two,
			files{
				foo + "/manifest.yml": gone, foo + "/Dockerfile": gone, foo + "/src/deep/foo.py": gone,
				"executors/encoders/Fox/manifest.yml": of("Fox", "0.0.1"),
			},
			[]string{foo + ": removed, was Foo 0.0.1", "executors/encoders/Fox: changed, was nothing"},
		},
		{
			"two bundles that changed places", two,
			files{foo + "/manifest.yml": of("Bar", "0.2.1"), bar + "/manifest.yml": of("Foo", "0.0.2")},
			[]string{foo + ": changed, was Bar 0.2.0", bar + ": changed, was Foo 0.0.1"},
		},
		{
			"the same image by a name that is written otherwise", two,
			files{foo + "/manifest.yml": of("FOO", "0.0.2")},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a bundle that got a new name where it stands", two,
			files{foo + "/manifest.yml": of("Fox", "0.0.2")},
			[]string{foo + ": changed, was Foo 0.0.1"},
		},
		{
			"a new bundle whose image another one makes, which did not change", two,
			files{"executors/encoders/Twin/manifest.yml": of("Foo", "0.0.1")},
			[]string{"executors/encoders/Twin: changed, was nothing"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, comparison := workspace(t, c.base, c.change)
			got, err := selection.Select(t.Context(), h, comparison, []string{selection.Changed})
			if err != nil {
				t.Fatal(err)
			}
			wantBundles(t, got, c.want)
		})
	}
}

func TestEverythingCountsWithoutABase(t *testing.T) {
	t.Parallel()
	h, comparison := workspace(t, nil, with(two, files{"executors/encoders/Bare/Dockerfile": "FROM scratch"}))
	got, err := selection.Select(t.Context(), h, comparison, []string{selection.Changed})
	if err != nil {
		t.Fatal(err)
	}
	wantBundles(t, got, []string{"executors/encoders/Bare: was nothing", foo + ": was nothing", bar + ": was nothing"})
}

func TestBundlesByName(t *testing.T) {
	t.Parallel()
	// Foo changed and Old is gone.
	base := with(two, files{"executors/indexers/Old/manifest.yml": of("Old", "1.0.0"), "tools/Lost/manifest.yml": of("Lost", "1.0.0")})
	h, comparison := workspace(t, base, files{foo + "/manifest.yml": of("Foo", "0.0.2"), "executors/indexers/Old/manifest.yml": gone})
	const (
		isFoo  = foo + ": changed, was Foo 0.0.1"
		isBar  = bar + ": was Bar 0.2.0"
		isLost = "tools/Lost: was Lost 1.0.0"
	)
	cases := []struct {
		name   string
		wanted []string
		want   []string
	}{
		{"all, but not what is gone", []string{selection.All}, []string{isFoo, isBar, isLost}},
		{"missing, of which the registry knows the other half", []string{selection.Missing}, []string{isFoo, isBar, isLost}},
		{"a path", []string{bar}, []string{isBar}},
		{"a path as a shell completes it", []string{"./" + bar + "/"}, []string{isBar}},
		{"paths in any order, one of them twice", []string{bar, foo, bar}, []string{isFoo, isBar}},
		{"a misplaced bundle's path", []string{"tools/Lost"}, []string{isLost}},
		{"a path that names several", []string{"executors/encoders"}, []string{isFoo, isBar}},
		{"the repository", []string{"."}, []string{isFoo, isBar, isLost}},
		{"a glob for one level", []string{"executors/encoders/*"}, []string{isFoo}},
		{"a glob for every level", []string{"executors/**"}, []string{isFoo, isBar}},
		{"a glob with alternatives", []string{"**/{Bar,Lost}"}, []string{isBar, isLost}},
		{"a glob and a path", []string{"**/B?r", "tools"}, []string{isBar, isLost}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := selection.Select(t.Context(), h, comparison, c.wanted)
			if err != nil {
				t.Fatal(err)
			}
			wantBundles(t, got, c.want)
		})
	}
	for name, wanted := range map[string]string{
		"a path to nothing":               "executors/encoders/Fo",
		"a path that is a part of a name": "executors/enc",
		"a path of a bundle that is gone": "executors/indexers/Old",
		"a path below a bundle":           foo + "/src",
		"a path with other capitals":      strings.ToLower(foo),
		"a glob for nothing":              "executors/rankers/*",
		"a glob that is none":             "executors/[",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := selection.Select(t.Context(), h, comparison, []string{foo, wanted})
			if err == nil || !strings.Contains(err.Error(), `"`+wanted+`" names no bundle`) {
				t.Errorf("got %q, %v; want an error that names %q", written(got), err, wanted)
			}
		})
	}
}

func TestAllOfAnEmptyHub(t *testing.T) {
	t.Parallel()
	h, comparison := workspace(t, nil, files{"README.md": "Nothing here yet."})
	for _, word := range []string{selection.Changed, selection.All, selection.Missing} {
		if got, err := selection.Select(t.Context(), h, comparison, []string{word}); err != nil || len(got) > 0 {
			t.Errorf("%s: got %q, %v; want nothing", word, written(got), err)
		}
	}
}

// TestAManifestOutOfReachIsAnError guards against taking a bundle for new because its past could not be read.
func TestAManifestOutOfReachIsAnError(t *testing.T) {
	t.Parallel()
	r := historytest.New(t)
	before := r.Commit(t, two)
	r.Commit(t, files{foo + "/manifest.yml": of("Foo", "0.0.1") + "author: me\n"})
	r.Lose(t, plumbing.ComputeHash(plumbing.BlobObject, []byte(two[foo+"/manifest.yml"])))
	h, err := hub.Open(os.DirFS(r.Dir), "", config.Default())
	if err != nil {
		t.Fatal(err)
	}
	comparison, err := compare.Find(t.Context(), event.Event{Name: "push", Before: before}, r.Open(t), compare.NoAPI{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := selection.Select(t.Context(), h, comparison, []string{selection.Changed})
	if !errors.Is(err, history.ErrOutOfReach) || !strings.Contains(err.Error(), foo+"/manifest.yml") {
		t.Errorf("got %q, %v; want ErrOutOfReach, naming the manifest", written(got), err)
	}
}
