package catalog_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/jina/hub-publish/internal/catalog"
	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/hub"
	"github.com/jina/hub-publish/internal/manifest"
)

var update = flag.Bool("update", false, "write the catalog into testdata")

const (
	directory = "../../testdata/catalog"
	revision  = "0123456789abcdef0123456789abcdef01234567"
	source    = "https://github.com/jina/hub"
)

var (
	created = time.Date(2021, 2, 3, 4, 5, 6, 789, time.FixedZone("", 3600))
	digest  = "sha256:" + strings.Repeat("a", 64)
)

// bundles are those of the hub in testdata, and one that is removed.
func bundles(t testing.TB) []*hub.Bundle {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join(directory, "hub.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	h, err := hub.Open(files, "", config.Default())
	if err != nil {
		t.Fatal(err)
	}
	paths, err := h.Bundles()
	if err != nil {
		t.Fatal(err)
	}
	var all []*hub.Bundle
	for _, p := range paths {
		b, err := h.Load(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return append(all, &hub.Bundle{Path: "executors/encoders/Gone", Removed: true})
}

// example is the catalog of the hub in testdata; a registry has one of its bundles, and another has it too.
func example(t testing.TB) *catalog.Catalog {
	t.Helper()
	c := catalog.New(bundles(t), revision, created, source)
	c.Find("executors/encoders/nlp/Defaults").Image = "jinahub/pod.encoder.defaults"
	e := c.Find("executors/encoders/AwesomeEncoder")
	e.Image = "jinahub/pod.encoder.awesomeencoder"
	e.Published = append(e.Published,
		catalog.Publication{Reference: e.Image + ":1.2.3_gpu", Digest: digest, Tags: []string{"1.2.3_gpu", "latest"}},
		catalog.Publication{Reference: "localhost:5000/" + e.Image + ":1.2.3_gpu", Digest: digest},
	)
	return c
}

func encode(t testing.TB, c *catalog.Catalog) []byte {
	t.Helper()
	data, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestJSON(t *testing.T) {
	t.Parallel()
	got := encode(t, example(t))
	path := filepath.Join(directory, "catalog.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNewSorts has the bundles in another order.
func TestNewSorts(t *testing.T) {
	t.Parallel()
	all := bundles(t)
	want := encode(t, catalog.New(all, revision, created, source))
	slices.Reverse(all)
	if got := encode(t, catalog.New(all, revision, created, source)); !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestNewOfNothing(t *testing.T) {
	t.Parallel()
	c := catalog.New(nil, revision, created, "")
	want := `{
  "version": 1,
  "revision": "` + revision + `",
  "created": "2021-02-03T03:05:06Z",
  "bundles": []
}
`
	if got := encode(t, c); string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if e := c.Find("encoders/None"); e != nil {
		t.Errorf("found %+v", e)
	}
}

func TestNewLeavesOut(t *testing.T) {
	t.Parallel()
	m := &manifest.Manifest{}
	for name, b := range map[string]*hub.Bundle{
		"a removed bundle":                {Path: "encoders/A", Removed: true, Base: m},
		"one without a manifest":          {Path: "encoders/A"},
		"one whose manifest is no YAML":   {Path: "encoders/A", HasManifest: true, SyntaxError: &manifest.SyntaxError{}},
		"one whose path JSON cannot hold": {Path: "encoders/\xff", HasManifest: true, Manifest: m},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c := catalog.New([]*hub.Bundle{b}, revision, created, ""); len(c.Bundles) != 0 {
				t.Errorf("got %+v", c.Bundles)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	want := example(t)
	data := encode(t, want)
	got, err := catalog.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if again := encode(t, got); !bytes.Equal(again, data) {
		t.Errorf("got:\n%s\nwant:\n%s", again, data)
	}
}

// document is a catalog with some of its keys, one that a later version may add, and one bundle.
const document = `{"version": 1, "added": {}, "revision": "` + revision + `", "created": "2021-02-03T04:05:06+01:00", "bundles": [{"path": "encoders/A"}]}`

func TestParseFillsLists(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Bundles[0]; e.Keywords == nil || e.Published == nil || c.Created.Format(time.RFC3339) != "2021-02-03T03:05:06Z" {
		t.Errorf("got %+v, created %s", e, c.Created)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	published := func(reference, digest, tags string) string {
		return fmt.Sprintf(`{"path": "encoders/A", "published": [{"reference": %q, "digest": %q, "tags": %s}]}`, reference, digest, tags)
	}
	const bundle = `{"path": "encoders/A"}`
	for name, c := range map[string]struct{ old, new, want string }{
		"nothing":                  {document, "", "unexpected end of JSON input"},
		"no object":                {document, "[]", "cannot unmarshal array"},
		"null":                     {document, "null", "its version is 0; this program knows version 1"},
		"something behind it":      {document, document + document, "invalid character '{' after top-level value"},
		"a later version":          {`"version": 1`, `"version": 2, "created": 7`, "its version is 2; this program knows version 1"},
		"no version":               {`"version": 1, `, "", "its version is 0"},
		"a version that is a text": {`"version": 1`, `"version": "1"`, "cannot unmarshal string"},
		"no revision":              {revision, "", `its revision "" is not a commit's full hash`},
		"a short revision":         {revision, "0123456", `its revision "0123456" is not a commit's full hash`},
		"a branch":                 {revision, "main", `its revision "main" is not`},
		"no time":                  {`"created": "2021-02-03T04:05:06+01:00", `, "", "it does not say when its commit was made"},
		"a time that is none":      {"2021-02-03T04:05:06+01:00", "yesterday", "parsing time"},
		"a long time":              {"2021-02-03T04:05:06+01:00", strings.Repeat("9", 1<<20), "999…"},
		"a time before year 1":     {"2021-02-03T04:05:06+01:00", "0000-01-01T00:00:00+23:59", "it does not say when"},
		"a source that is no URL":  {`"added": {}`, `"source": "javascript:alert(1)"`, `its source "javascript:alert(1)" is not an absolute http or https URL`},
		"no list":                  {"[" + bundle + "]", "{}", "it has no list of bundles"},
		"null for a list":          {"[" + bundle + "]", "null", "it has no list of bundles"},
		"no bundles":               {`, "bundles": [` + bundle + `]`, "", "it has no list of bundles"},
		"a bundle of another kind": {bundle, bundle + ", 7", `the bundle behind "encoders/A": json: cannot unmarshal number`},
		"a bundle without a path":  {bundle, "{}", `"" is not a bundle's path`},
		"the top":                  {"encoders/A", ".", `"." is not a bundle's path`},
		"a path that climbs":       {"encoders/A", "../A", `"../A" is not a bundle's path`},
		"an absolute path":         {"encoders/A", "/A", `"/A" is not a bundle's path`},
		"a bundle twice":           {bundle, bundle + "," + bundle, `"encoders/A" stands behind "encoders/A"`},
		"bundles out of order":     {bundle, bundle + `, {"path": "crafters/B"}`, `"crafters/B" stands behind "encoders/A"`},
		"an image with a tag":      {bundle, `{"path": "encoders/A", "image": "jinahub/a:1"}`, `bundle "encoders/A": its image "jinahub/a:1" is not`},
		"a reference without one":  {bundle, published("jinahub/a", digest, "[]"), `bundle "encoders/A": the reference "jinahub/a" is not`},
		"a digest that is none":    {bundle, published("jinahub/a:1", "sha256:0", "[]"), `"sha256:0" is not a digest`},
		"a tag that is none":       {bundle, published("jinahub/a:1", digest, `["1", "a b"]`), `"a b" is not a tag`},
		"tags that are no list":    {bundle, published("jinahub/a:1", digest, `"1"`), "cannot unmarshal string"},
		"much":                     {document, strings.Repeat(" ", catalog.MaxSize+1), "it has 33554433 bytes; the limit is 33554432"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := strings.Replace(document, c.old, c.new, 1)
			if data == document {
				t.Fatalf("the document has no %q", c.old)
			}
			_, err := catalog.Parse([]byte(data))
			if err == nil || !strings.HasPrefix(err.Error(), "read the catalog: ") || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1024 {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestJSONRefuses has what Parse would refuse.
func TestJSONRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*catalog.Catalog)
		want  string
	}{
		"a revision that is none": {func(c *catalog.Catalog) { c.Revision = "main" }, "its revision"},
		"no version":              {func(c *catalog.Catalog) { c.Version = 0 }, "its version is 0, not 1"},
		"a digest that is none":   {func(c *catalog.Catalog) { c.Bundles[0].Published[0].Digest = "" }, `"" is not a digest`},
		"bundles out of order":    {func(c *catalog.Catalog) { slices.Reverse(c.Bundles) }, "are not sorted by path"},
		"much":                    {func(c *catalog.Catalog) { c.Bundles[0].Description = strings.Repeat("a", catalog.MaxSize) }, "the limit is 33554432"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spoilt := example(t)
			c.spoil(spoilt)
			_, err := spoilt.JSON()
			if err == nil || !strings.HasPrefix(err.Error(), "write the catalog: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestSize has a hub of ten thousand bundles like those that there are.
func TestSize(t *testing.T) {
	t.Parallel()
	const n = 10_000
	m, err := manifest.Parse([]byte("name: Awesome\nkind: encoder\ntype: pod\ndescription: " + strings.Repeat("encodes awesomely ", 10) + "\nkeywords: [one, two, three, four]\nurl: https://jina.ai\n"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*hub.Bundle
	for i := range n {
		all = append(all, &hub.Bundle{Path: fmt.Sprintf("executors/encoders/nlp/Awesome%d", i), Manifest: m})
	}
	c := catalog.New(all, revision, created, source)
	for i := range c.Bundles {
		e := &c.Bundles[i]
		e.Image = fmt.Sprintf("jinahub/pod.encoder.awesome%d", i)
		e.Published = append(e.Published, catalog.Publication{Reference: e.Image + ":0.0.0", Digest: digest, Tags: []string{"0.0.0", "latest"}})
	}
	data := encode(t, c)
	t.Logf("a bundle takes %d bytes", len(data)/n)
	if got, err := catalog.Parse(data); err != nil || len(got.Bundles) != n {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		string(encode(f, example(f))), document, "", "{}", "[]", "null", `{"version":1,"bundles":[{}]}`,
		strings.Replace(document, "{}", "[[[[]]]]", 1), strings.Replace(document, `"path"`, `"PATH"`, 1), strings.Replace(document, "encoders/A", `\ud800\u0000\n`, 1),
		strings.Replace(document, "06+01:00", "06.000000001-23:59", 1), strings.Replace(document, "2021", "9999", 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := catalog.Parse(data)
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		written, err := c.JSON()
		if err != nil {
			if len(data) > catalog.MaxSize/16 { // indented, it may be too large
				return
			}
			t.Fatal(err)
		}
		again, err := catalog.Parse(written)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%v: got %+v, want %+v", err, again, c)
		}
	})
}
