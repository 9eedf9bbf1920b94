package hub_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

// files are empty files, but manifests, which are those of a bundle.
func files(paths ...string) fs.FS {
	all := fstest.MapFS{}
	for _, p := range paths {
		f := &fstest.MapFile{}
		if strings.HasSuffix(p, manifest.File) {
			f.Data = []byte("name: Foo\nkind: encoder\ntype: pod\ndescription: It is a bundle.\n")
		}
		all[p] = f
	}
	return all
}

func open(t *testing.T, files fs.FS, root string) *hub.Hub {
	t.Helper()
	h, err := hub.Open(files, root, config.Default())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestOpenFindsTheRoot(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		files fs.FS
		root  string
		want  string
	}{
		{"executors comes first", files("executors/encoders/Foo/x", "hub/executors/encoders/Foo/x", "hub/encoders/Foo/x", "encoders/Foo/x"), "", "executors"},
		{"then hub/executors", files("hub/executors/encoders/Foo/x", "hub/encoders/Foo/x", "encoders/Foo/x"), "", "hub/executors"},
		{"then hub", files("hub/encoders/Foo/x", "encoders/Foo/x"), "", "hub"},
		{"then the top", files("encoders/Foo/x"), "", "."},
		{"a candidate without a kind folder is passed over", files("executors/README.md", "executors/tools/x", "hub/indexers/Foo/x"), "", "hub"},
		{"a file with a kind's name is no kind folder", files("executors/encoders", "encoders/Foo/x"), "", "."},
		{"a file with a root's name is no root", files("executors", "encoders/Foo/x"), "", "."},
		{"a kind folder may be singular", files("hub/encoder/Foo/x", "encoders/Foo/x"), "", "hub"},
		{"where there is no kind folder, the first candidate that is there", files("executors/x", "hub/x"), "", "executors"},
		{"where there is nothing, the top", files("README.md"), "", "."},
		{"a root that is named is taken without kind folders", files("a/b/x", "executors/encoders/Foo/x"), "a/b", "a/b"},
		{"a root may be written with a slash behind it", files("a/b/x"), "./a/b/", "a/b"},
		{"the top may be named", files("executors/encoders/Foo/x"), ".", "."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := open(t, c.files, c.root).Root(); got != c.want {
				t.Errorf("the root is %q, want %q", got, c.want)
			}
		})
	}
}

func TestOpenRefusesARootThatIsNone(t *testing.T) {
	t.Parallel()
	for name, root := range map[string]string{
		"absent":              "hubs",
		"a file":              "executors/README.md",
		"above the workspace": "../hub",
		"absolute":            "/executors",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hub.Open(files("executors/README.md"), root, config.Default())
			if err == nil || !strings.Contains(err.Error(), "root: there is no directory \""+root+"\"") {
				t.Errorf("the error is %v; it should name the root %q", err, root)
			}
		})
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		root, dir string
		want      hub.Place
		well      bool
	}{
		{"below the kind folder", "executors", "executors/encoders/Foo", hub.Place{Kind: "encoder", Folder: "encoders", Depth: 1}, true},
		{"in a group", "executors", "executors/encoders/image/Foo", hub.Place{Kind: "encoder", Folder: "encoders", Depth: 2}, true},
		{"in a singular kind folder", "executors", "executors/indexer/Foo", hub.Place{Kind: "indexer", Folder: "indexer", Depth: 1}, true},
		{"at the top", ".", "rankers/Foo", hub.Place{Kind: "ranker", Folder: "rankers", Depth: 1}, true},
		{"too deep", "executors", "executors/encoders/a/b/Foo", hub.Place{Kind: "encoder", Folder: "encoders", Depth: 3}, false},
		{"the kind folder itself", "executors", "executors/encoders", hub.Place{Kind: "encoder", Folder: "encoders"}, false},
		{"in a folder that is no kind's", "executors", "executors/tools/Foo", hub.Place{}, false},
		{"in a folder with a kind's name in capitals", "executors", "executors/Encoders/Foo", hub.Place{}, false},
		{"outside of the root", "executors", "encoders/Foo", hub.Place{}, false},
		{"beside the root with a longer name", "executors", "executors2/encoders/Foo", hub.Place{}, false},
		{"the root", "executors", "executors", hub.Place{}, false},
		{"the top", ".", ".", hub.Place{}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := open(t, files("executors/x"), c.root).PlaceOf(c.dir)
			if c.want.WellPlaced = c.well; got != c.want {
				t.Errorf("PlaceOf(%q) = %+v; want %+v", c.dir, got, c.want)
			}
		})
	}
}

func TestIsBundle(t *testing.T) {
	t.Parallel()
	const compose = "services:\n  web: {}\n"
	cases := []struct {
		name  string
		files map[string]string
		dir   string
		want  bool
	}{
		{"a manifest under a kind folder", map[string]string{"encoders/Foo/manifest.yml": ""}, "encoders/Foo", true},
		{"a manifest too deep under a kind folder", map[string]string{"encoders/a/b/Foo/manifest.yml": ""}, "encoders/a/b/Foo", true},
		{"a manifest in a group's bundle", map[string]string{"encoders/image/Foo/manifest.yml": ""}, "encoders/image/Foo", true},
		{"a manifest that is a directory", map[string]string{"encoders/Foo/manifest.yml/x": ""}, "encoders/Foo", false},
		{"a Dockerfile alone", map[string]string{"encoders/Foo/Dockerfile": ""}, "encoders/Foo", true},
		{"a config.yml alone", map[string]string{"encoders/Foo/config.yml": ""}, "encoders/Foo", true},
		{"a requirements.txt alone, in a group", map[string]string{"encoders/image/Foo/requirements.txt": ""}, "encoders/image/Foo", true},
		{"Python files alone", map[string]string{"encoders/Foo/__init__.py": ""}, "encoders/Foo", false},
		{"a group folder", map[string]string{"encoders/image/README.md": "", "encoders/image/Foo/Dockerfile": ""}, "encoders/image", false},
		{"a Dockerfile too deep", map[string]string{"encoders/a/b/Foo/Dockerfile": ""}, "encoders/a/b/Foo", false},
		{"the requirements of a bundle's tests", map[string]string{"encoders/Foo/manifest.yml": "", "encoders/Foo/tests/requirements.txt": ""}, "encoders/Foo/tests", false},
		{"the requirements of the tests of a bundle without a manifest", map[string]string{"encoders/Foo/Dockerfile": "", "encoders/Foo/tests/requirements.txt": ""}, "encoders/Foo/tests", false},
		{"a kind folder with a Dockerfile", map[string]string{"encoders/Dockerfile": ""}, "encoders", false},
		{"a misplaced manifest beside a Dockerfile", map[string]string{"tools/Foo/manifest.yml": compose, "tools/Foo/Dockerfile": ""}, "tools/Foo", true},
		{"a misplaced manifest with two required keys", map[string]string{"tools/Foo/manifest.yml": "name: Foo\nkind: encoder\n"}, "tools/Foo", true},
		{"a manifest.yml with one required key", map[string]string{"tools/Foo/manifest.yml": "name: Foo\nversion: 1\n"}, "tools/Foo", false},
		{"another tool's manifest.yml", map[string]string{"tools/Foo/manifest.yml": compose}, "tools/Foo", false},
		{"another tool's manifest.yml that is no YAML", map[string]string{"tools/Foo/manifest.yml": "{{ name: kind: }}\n\t"}, "tools/Foo", false},
		{"a Dockerfile outside of the kind folders", map[string]string{"tools/Foo/Dockerfile": ""}, "tools/Foo", false},
		{"a manifest in a hidden directory", map[string]string{"encoders/.Foo/manifest.yml": ""}, "encoders/.Foo", false},
		{"a manifest below a hidden directory", map[string]string{".github/encoders/Foo/manifest.yml": "name: Foo\nkind: encoder\n"}, ".github/encoders/Foo", false},
		{"the repository", map[string]string{"manifest.yml": "name: Foo\nkind: encoder\n", "Dockerfile": ""}, ".", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := fstest.MapFS{}
			for name, content := range c.files {
				all[name] = &fstest.MapFile{Data: []byte(content)}
			}
			if got := open(t, all, ".").IsBundle(c.dir); got != c.want {
				t.Errorf("IsBundle(%q) = %t, want %t", c.dir, got, c.want)
			}
		})
	}
}

func TestBundles(t *testing.T) {
	t.Parallel()
	h := open(t, files(
		"executors/indexers/Bar/manifest.yml",
		"executors/encoders/image/Foo/manifest.yml",
		"executors/encoders/image/Foo/tests/requirements.txt",
		"executors/encoders/Bare/Dockerfile",
		"executors/encoders/README.md",
		"executors/.cache/encoders/Old/manifest.yml",
		".github/template/manifest.yml",
		"executors/crafters/Outer/manifest.yml",
		"executors/crafters/Outer/Inner/manifest.yml",
		"tools/Lost/manifest.yml",
		"Dockerfile",
	), "")
	want := []string{
		"executors/crafters/Outer", "executors/crafters/Outer/Inner", "executors/encoders/Bare", "executors/encoders/image/Foo",
		"executors/indexers/Bar", "tools/Lost",
	}
	got, err := h.Bundles()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestExists(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		files fs.FS
		want  bool
	}{
		{"a file is left", files("encoders/Foo/x"), true},
		{"a file further below is left", files("encoders/Foo/a/b/x"), true},
		{"nothing is left", files("encoders/Bar/x"), false},
		{"what is left is another bundle's", files("encoders/Foo/Inner/manifest.yml", "encoders/Foo/Inner/x"), false},
		{"a file is left beside another bundle", files("encoders/Foo/Inner/manifest.yml", "encoders/Foo/x"), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := open(t, c.files, "").Exists("encoders/Foo"); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

func TestFirstFile(t *testing.T) {
	t.Parallel()
	h := open(t, files("encoders/Foo/b", "encoders/Foo/a/z", "encoders/Foo/a.txt", "encoders/Foo/B", "encoders/Bar/A"), "")
	if got := h.FirstFile("encoders/Foo"); got != "encoders/Foo/B" {
		t.Errorf("got %q, want the first in byte order, where capitals come first", got)
	}
	if got := h.FirstFile("encoders/None"); got != "" {
		t.Errorf("a directory that is not there has the first file %q", got)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	h := open(t, fstest.MapFS{
		"encoders/Good/manifest.yml":   {Data: []byte("name: Good\nkind: encoder\ntype: pod\n")},
		"encoders/Broken/manifest.yml": {Data: []byte("name: [\n")},
		"encoders/Bare/Dockerfile":     {},
	}, "")
	for _, c := range []struct {
		name                         string
		hasManifest, parses, explain bool
	}{
		{"Good", true, true, false},
		{"Broken", true, false, true},
		{"Bare", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := h.Load("encoders/" + c.name)
			if err != nil {
				t.Fatal(err)
			}
			if b.HasManifest != c.hasManifest || (b.Manifest != nil) != c.parses || (b.SyntaxError != nil) != c.explain {
				t.Errorf("manifest there %t, parsed %v, syntax error %v", b.HasManifest, b.Manifest, b.SyntaxError)
			}
			if want := (hub.Place{Kind: "encoder", Folder: "encoders", Depth: 1, WellPlaced: true}); b.Place != want {
				t.Errorf("the place is %+v, want %+v", b.Place, want)
			}
		})
	}
}

func TestRepository(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, manifest, want string }{
		{"lower case", "name: AwesomeEncoder\nkind: encoder\ntype: pod", "pod.encoder.awesomeencoder"},
		{"the kind and type as well", "name: Foo\nkind: Encoder\ntype: App", "app.encoder.foo"},
		{"a hyphen is doubled", "name: My-Encoder\nkind: encoder\ntype: pod", "pod.encoder.my--encoder"},
		{"an underscore is doubled", "name: My_Encoder\nkind: encoder\ntype: pod", "pod.encoder.my__encoder"},
		{"a space is an underscore", "name: My Encoder\nkind: encoder\ntype: pod", "pod.encoder.my_encoder"},
		{"all of them", "name: A- b_\nkind: encoder\ntype: pod", "pod.encoder.a--_b__"},
		{"no name", "kind: encoder\ntype: pod", ""},
		{"a null kind", "name: Foo\nkind:\ntype: pod", ""},
		{"a list for a type", "name: Foo\nkind: encoder\ntype: [pod]", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, err := manifest.Parse([]byte(c.manifest))
			if err != nil {
				t.Fatal(err)
			}
			if got := hub.Repository(m); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := hub.Repository(nil); got != "" {
		t.Errorf("without a manifest: got %q, want none", got)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"0.0.10": "0.0.10", "1.2.0-rc.1": "1.2.0-rc.1", "1.0.0+a.b+c": "1.0.0_a.b_c"} {
		if got := hub.Tag(version); got != want {
			t.Errorf("Tag(%q) = %q, want %q", version, got, want)
		}
	}
}
