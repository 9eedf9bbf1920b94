package attest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/jina/hub-publish/internal/attest"
)

var update = flag.Bool("update", false, "write the documents into testdata")

// golden holds a document against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
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
		t.Errorf("got:\n%s\nwant:\n%s\nif it is right: go test ./internal/attest -update", got, want)
	}
}

// parse reads an SBOM back, and asks whether it is one.
func parse(t testing.TB, text []byte) *spdx.Document {
	t.Helper()
	document, err := json.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := spdxlib.ValidateDocument(document); err != nil {
		t.Errorf("%v in %s", err, text)
	}
	ids := map[spdx.ElementID]bool{}
	for _, p := range document.Packages {
		if ids[p.PackageSPDXIdentifier] {
			t.Errorf("%s is there twice", p.PackageSPDXIdentifier)
		}
		ids[p.PackageSPDXIdentifier] = true
	}
	return document
}

const debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n"

func TestSBOM(t *testing.T) {
	t.Parallel()
	made := image(t,
		[]entry{
			dir("etc/"), symlink("etc/os-release", "../usr/lib/os-release"), file("usr/lib/os-release", debian),
			file("var/lib/dpkg/status", stanza("zlib1g", "1:1.2.13.dfsg-1")+stanza("base-files", "12.4+deb12u5")+
				"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36)\nVersion: 2.36-9+deb12u7\n\n"),
			python("old", "1.0"),
		},
		[]entry{
			file("usr/lib/python3/dist-packages/.wh.old-1.0.dist-info", ""),
			python("Flask_Cors", "3.0.10"), file("venv/lib/python3.9/site-packages/Flask_Cors-3.0.10.dist-info/METADATA", "Name: Flask_Cors\nVersion: 3.0.10\n"),
			file("app/node_modules/@types/node/package.json", `{"name": "@types/node", "version": "20.1.0"}`),
			python("damaged", ""),
		},
	)
	text, err := attest.SBOM(t.Context(), made, subject)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sbom.spdx.json", text)
	parse(t, text)

	same := subject
	same.Name = "index." + subject.Name
	again, err := attest.SBOM(t.Context(), made, same)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("a second run writes %s, %v", again, err)
	}
	other := subject
	other.Digest.Hex = strings.Repeat("d2", 32)
	second, err := attest.SBOM(t.Context(), made, other)
	if err != nil || parse(t, second).DocumentNamespace == parse(t, text).DocumentNamespace {
		t.Errorf("another image has the same namespace: %s, %v", second, err)
	}
}

func TestSBOMOfUnversioned(t *testing.T) {
	t.Parallel()
	bare := attest.Subject{Name: "registry.example:5000/a/b", Digest: subject.Digest}
	text, err := attest.SBOM(t.Context(), image(t), bare)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bare.spdx.json", text)
	parse(t, text)
}

func TestPackages(t *testing.T) {
	t.Parallel()
	const (
		status    = "var/lib/dpkg/status"
		installed = "lib/apk/db/installed"
		release   = "etc/os-release"
		lib       = "usr/lib/python3/dist-packages/"
		metadata  = "Name: x\nVersion: 1\n"
		alpine    = "ID=alpine\nVERSION_ID=3.19.1\n"
	)
	type layers = [][]entry
	for name, c := range map[string]struct {
		layers layers
		// want are the package URLs, and notes what is said of files that were not read.
		want, notes []string
	}{
		"no layer":                {nil, nil, nil},
		"an empty layer":          {layers{{}}, nil, nil},
		"files without a package": {layers{{dir("etc"), file("etc/passwd", "root"), file("package.json", `{"name": "app", "version": "1"}`)}}, nil, nil},

		"dpkg": {layers{{file(release, debian), file(status, stanza("a", "1")+stanza("b", "2-1"))}},
			[]string{"pkg:deb/debian/a@1?arch=amd64&distro=bookworm", "pkg:deb/debian/b@2-1?arch=amd64&distro=bookworm"}, nil},
		"dpkg without a distribution": {layers{{file(status, stanza("a", "1"))}}, []string{"pkg:deb/linux/a@1?arch=amd64"}, nil},
		"dpkg with CRLF":              {layers{{file(status, strings.ReplaceAll(stanza("a", "1")+stanza("b", "1"), "\n", "\r\n"))}}, []string{"pkg:deb/linux/a@1?arch=amd64", "pkg:deb/linux/b@1?arch=amd64"}, nil},
		"dpkg's removed package": {layers{{file(status, strings.Replace(stanza("a", "1"), "install ok installed", "deinstall ok config-files", 1)+stanza("b", "1"))}},
			[]string{"pkg:deb/linux/b@1?arch=amd64"}, nil},
		"a distroless image": {layers{{file("var/lib/dpkg/status.d/base", "Package: base\nVersion: 1\n"), file("var/lib/dpkg/status.d/base.md5sums", "0  usr/a")}},
			[]string{"pkg:deb/linux/base@1"}, nil},
		"apk": {layers{{file(release, alpine), file(installed, "P:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\nF:lib\nR:libc.so\nZ:Q1\n\nP:Zlib\nV:1\n\n")}},
			[]string{"pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=3.19.1&origin=musl", "pkg:apk/alpine/zlib@1?distro=3.19.1"}, nil},
		"apk without a distribution": {layers{{file(installed, "P:a\nV:1\n")}}, []string{"pkg:apk/alpine/a@1"}, nil},
		"opkg":                       {layers{{file("usr/lib/opkg/status", "Package: a\nVersion: 1\nStatus: install user installed\nArchitecture: all\n")}}, []string{"pkg:opkg/linux/a@1?arch=all"}, nil},
		"RPM":                        {layers{{file("var/lib/rpm/rpmdb.sqlite", "SQLite format 3"), python("x", "1")}}, []string{"pkg:pypi/x@1"}, []string{`var/lib/rpm/rpmdb.sqlite is a database of RPM, which is not read`}},

		"Python's installers": {layers{{
			file(lib+"a-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: A_a.a\nVersion: 1\nRequires-Dist: z\nDescription: text\n  Name: no\n\nVersion: 2\n"),
			file(lib+"b-1.egg-info", "Name: b\nVersion: 1\n"), file(lib+"c-1.egg-info/PKG-INFO", "Name: c\nVersion: 1\n"),
			file(lib+"d-1-py3.egg/EGG-INFO/PKG-INFO", "Name: d\nVersion: 1+local\n"),
		}}, []string{"pkg:pypi/a-a-a@1", "pkg:pypi/b@1", "pkg:pypi/c@1", "pkg:pypi/d@1%2Blocal"}, nil},
		"Python's archives": {layers{{file("w/x-1-py3-none-any.whl", "PK"), file("w/x-1-py3.egg", "PK")}}, nil, nil},
		"npm": {layers{{
			file("app/node_modules/a/package.json", `{"name": "a", "version": "1.0.0", "dependencies": {"z": "^2"}}`),
			file("app/node_modules/@s/b/package.json", `{"name": "@s/b", "version": "2.0.0"}`),
			file("app/node_modules/a/node_modules/a/package.json", `{"name": "a", "version": "0.9.0"}`),
			file("app/node_modules/a/dist/package.json", `{"name": "no", "version": "1.0.0"}`),
			file("app/node_modules/a/test/b/package.json", `{"name": "no", "version": "1.0.0"}`),
			file("app/node_modules/c/package.json", `{"type": "module"}`),
		}}, []string{"pkg:npm/%40s/b@2.0.0", "pkg:npm/a@0.9.0", "pkg:npm/a@1.0.0"}, nil},
		"the same in several places": {layers{{
			file("a/x-1.dist-info/METADATA", metadata), file("b/x-1.dist-info/METADATA", metadata), file("c/x-1.dist-info/METADATA", metadata),
			file("d/x-1.dist-info/METADATA", metadata), file("e/x-1.dist-info/METADATA", metadata), python("x", "2"),
		}}, []string{"pkg:pypi/x@1", "pkg:pypi/x@2"}, nil},

		"an upper layer's status":     {layers{{file(status, stanza("a", "1"))}, {file(status, stanza("a", "2"))}}, []string{"pkg:deb/linux/a@2?arch=amd64"}, nil},
		"twice in a layer":            {layers{{file(status, stanza("a", "1")), file(status, stanza("a", "2"))}}, []string{"pkg:deb/linux/a@2?arch=amd64"}, nil},
		"a file's whiteout":           {layers{{file(status, stanza("a", "1")), python("x", "1")}, {file("var/lib/dpkg/.wh.status", "")}}, []string{"pkg:pypi/x@1"}, nil},
		"a directory's whiteout":      {layers{{python("x", "1"), python("y", "1")}, {file(lib+".wh.x-1.dist-info", "")}}, []string{"pkg:pypi/y@1"}, nil},
		"a whiteout far above":        {layers{{python("x", "1"), file(status, stanza("a", "1"))}, {file(".wh.usr", "")}}, []string{"pkg:deb/linux/a@1?arch=amd64"}, nil},
		"a whiteout, then more":       {layers{{python("x", "1")}, {file(".wh.usr", "")}, {python("x", "2")}}, []string{"pkg:pypi/x@2"}, nil},
		"an opaque directory":         {layers{{python("x", "1"), file(status, stanza("a", "1"))}, {file(lib+".wh..wh..opq", ""), python("y", "1")}}, []string{"pkg:deb/linux/a@1?arch=amd64", "pkg:pypi/y@1"}, nil},
		"an opaque directory, later":  {layers{{python("x", "1")}, {python("y", "1"), file(lib+".wh..wh..opq", "")}}, []string{"pkg:pypi/y@1"}, nil},
		"an opaque root":              {layers{{python("x", "1"), file(status, stanza("a", "1"))}, {python("y", "1"), file("./.wh..wh..opq", "")}}, []string{"pkg:pypi/y@1"}, nil},
		"its own layer's whiteout":    {layers{{python("x", "1"), file(lib+".wh.x-1.dist-info", "")}}, []string{"pkg:pypi/x@1"}, nil},
		"whiteouts of nothing":        {layers{{python("x", "1")}, {file("usr/.wh.", ""), file("usr/.wh..", ""), file("usr/lib/.wh...", ""), file(".wh.no", ""), file("no/.wh..wh..opq", ""), file(".wh..wh.plnk/1.2", "")}}, []string{"pkg:pypi/x@1"}, nil},
		"a file for a directory":      {layers{{python("x", "1")}, {file("usr/lib", "")}}, nil, nil},
		"a link for a directory":      {layers{{python("x", "1")}, {symlink("usr", "opt")}}, nil, nil},
		"a directory for a file":      {layers{{file(lib+"b-1.egg-info", metadata)}, {dir(lib + "b-1.egg-info/"), file(lib+"b-1.egg-info/PKG-INFO", "Name: b\nVersion: 1\n")}}, []string{"pkg:pypi/b@1"}, nil},
		"a directory for a directory": {layers{{python("x", "1")}, {dir("usr/lib/python3/")}}, []string{"pkg:pypi/x@1"}, nil},
		"names with dots":             {layers{{file("./var/lib/../lib/dpkg/status", stanza("a", "1")), file("/a/../../x-1.egg-info", metadata), file("../../x-2.egg-info", "Name: x\nVersion: 2\n")}}, []string{"pkg:deb/linux/a@1?arch=amd64", "pkg:pypi/x@1", "pkg:pypi/x@2"}, nil},
		"a name too long":             {layers{{file(strings.Repeat("a/", 600)+"x.egg-info", metadata)}}, nil, nil},

		"a hard link":                    {layers{{python("x", "1"), hardlink("env/x.dist-info/METADATA", lib+"x-1.dist-info/METADATA")}, {file(".wh.usr", "")}}, []string{"pkg:pypi/x@1"}, nil},
		"a hard link to a lower layer":   {layers{{python("x", "1")}, {hardlink("env/x.dist-info/METADATA", "/"+lib+"x-1.dist-info/METADATA"), file(".wh.usr", "")}}, []string{"pkg:pypi/x@1"}, nil},
		"a hard link to an unknown file": {layers{{file("a", metadata), hardlink("x.egg-info", "a")}}, nil, []string{`x.egg-info is a hard link to a file that was not read`}},
		"a hard link out":                {layers{{hardlink("x.egg-info", "../../../../etc/passwd")}}, nil, []string{`x.egg-info is a hard link to a file that was not read`}},
		"a symbolic link":                {layers{{symlink(status, "/etc/passwd"), python("x", "1")}}, []string{"pkg:pypi/x@1"}, []string{`var/lib/dpkg/status is a symbolic link, which is not followed`}},
		"a device":                       {layers{{entry{name: status, kind: '3'}}}, nil, nil},

		"a file too large":    {layers{{file(status, stanza("a", "1")+strings.Repeat("\n", 9<<20)), python("x", "1")}}, []string{"pkg:pypi/x@1"}, []string{`var/lib/dpkg/status has more than 8192 KiB`}},
		"a long os-release":   {layers{{file(release, debian+strings.Repeat("#\n", 5000)), file(status, stanza("a", "1"))}}, []string{"pkg:deb/linux/a@1?arch=amd64"}, []string{`etc/os-release has more than 8 KiB`}},
		"a damaged status":    {layers{{file(status, stanza("a", "1")+" ::error::\x1b[31m\n"+stanza("b", "1"))}}, []string{"pkg:deb/linux/a@1?arch=amd64"}, []string{`var/lib/dpkg/status is damaged: it may list more packages`}},
		"a damaged installed": {layers{{file(installed, "P:a\nV:1\n\nno\n")}}, nil, []string{`lib/apk/db/installed is damaged: it may list more packages`}},
		"a damaged METADATA":  {layers{{file(lib+"x-1.dist-info/METADATA", "no"), python("y", "1")}}, []string{"pkg:pypi/y@1"}, []string{lib + `x-1.dist-info/METADATA is damaged: it may list more packages`}},
		"a damaged package":   {layers{{file("node_modules/a/package.json", strings.Repeat("[", 1<<20)), python("y", "1")}}, []string{"pkg:pypi/y@1"}, []string{`node_modules/a/package.json is damaged: it may list more packages`}},
		"many damaged files": {layers{func() (all []entry) {
			for i := range 30 {
				all = append(all, file(fmt.Sprintf("%02d.egg-info", i), ""))
			}
			return all
		}()}, nil, func() (all []string) {
			for i := range 20 {
				all = append(all, fmt.Sprintf("%02d.egg-info is damaged: it may list more packages", i))
			}
			return append(all, "10 more files could not be read")
		}()},
		"a name to run the log": {layers{{file("node_modules/a\n::error::b/package.json", "")}}, nil, []string{`"node_modules/a\n::error::b/package.json" is damaged: it may list more packages`}},
		"what is no name": {layers{{
			file("node_modules/a/package.json", `{"name": "a\n::error::b", "version": "1"}`),
			file(status, stanza(strings.Repeat("a", 257), "1")+stanza("a", "1\u202e")+stanza("a", "1\xff")+stanza("b", "1")),
			file("x.egg-info", "Name: x\nVersion: 1\x1b[31m\n"),
		}}, []string{"pkg:deb/linux/b@1?arch=amd64"}, []string{
			`node_modules/a/package.json lists 1 packages that are left out, as no package has such a name or version`,
			`var/lib/dpkg/status lists 3 packages that are left out, as no package has such a name or version`,
			`x.egg-info lists 1 packages that are left out, as no package has such a name or version`,
		}},
		"a distribution that is a quote": {layers{{file(release, "ID=\"\nVERSION_ID=1\n = \" \nVERSION_CODENAME=\"\""), file(status, stanza("a", "1"))}}, []string{"pkg:deb/linux/a@1?arch=amd64&distro=1"}, nil},
		// The library panics at what it takes for a single quote.
		"a distribution that is no text": {layers{{file(release, "ID=\"\u00a0"), file(status, stanza("a", "1")), python("x", "1")}}, []string{"pkg:pypi/x@1"}, []string{`var/lib/dpkg/status is damaged: it may list more packages`}},
		"a long distribution": {layers{{file(release, "ID="+strings.Repeat("a", 2000)), file(status, stanza("a", "1"))}}, nil,
			[]string{`var/lib/dpkg/status lists 1 packages that are left out, as no package has such a name or version`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := attest.SBOM(t.Context(), image(t, c.layers...), subject)
			if err != nil {
				t.Fatal(err)
			}
			urls, notes := told(t, text)
			if !slices.Equal(urls, c.want) {
				t.Errorf("got  %q\nwant %q", urls, c.want)
			}
			if !slices.Equal(notes, c.notes) {
				t.Errorf("got  %q\nwant %q", notes, c.notes)
			}
		})
	}
}

// told are the packages of an SBOM beside the image, and what it says of files that could not be read.
func told(t testing.TB, text []byte) (urls, notes []string) {
	t.Helper()
	for i, p := range parse(t, text).Packages {
		if i > 0 {
			urls = append(urls, p.PackageExternalReferences[0].Locator)
		}
		for _, a := range p.Annotations {
			notes = append(notes, a.AnnotationComment)
		}
	}
	return urls, notes
}

func TestCompression(t *testing.T) {
	t.Parallel()
	content := archive(t, python("x", "1"))
	for name, blob := range map[string][]byte{"none": content, "gzip": zipped(t, content), "zstd": zstandard(t, content)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := attest.SBOM(t.Context(), imageOf(t, blob), subject)
			if err != nil {
				t.Fatal(err)
			}
			if urls, _ := told(t, text); !slices.Equal(urls, []string{"pkg:pypi/x@1"}) {
				t.Error(urls)
			}
		})
	}
}

func TestSBOMErrors(t *testing.T) {
	t.Parallel()
	content := archive(t, python("x", "1"))
	compressed := zipped(t, content)
	ended, end := context.WithCancel(t.Context())
	end()
	bare := subject
	bare.Digest = v1.Hash{}
	for name, c := range map[string]struct {
		ctx     context.Context
		blob    []byte
		subject attest.Subject
		want    string
	}{
		"an ended context":     {ended, content, subject, "context canceled"},
		"no archive":           {t.Context(), []byte(strings.Repeat("text", 1000)), subject, "layer 1 of 1: archive/tar: invalid tar header"},
		"an archive cut short": {t.Context(), content[:530], subject, "layer 1 of 1: unexpected EOF"},
		"gzip cut short":       {t.Context(), compressed[:len(compressed)-9], subject, "layer 1 of 1: unexpected EOF"},
		"gzip with a mistake":  {t.Context(), append(compressed[:len(compressed)-8:len(compressed)-8], "12345678"...), subject, "layer 1 of 1: gzip: invalid checksum"},
		"an invalid name":      {t.Context(), content, attest.Subject{Name: "Jina Hub", Digest: subject.Digest}, `image name "Jina Hub": invalid reference format`},
		"no name":              {t.Context(), content, attest.Subject{Digest: subject.Digest}, `image name "": invalid reference format`},
		"no digest":            {t.Context(), content, bare, "has no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := attest.SBOM(c.ctx, imageOf(t, c.blob), c.subject)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "listing the packages of "+c.subject.Name) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if text != nil {
				t.Errorf("got %s", text)
			}
		})
	}
}

// FuzzSBOM reads a stranger's text in the place of every file that lists packages.
func FuzzSBOM(f *testing.F) {
	for _, text := range []string{
		stanza("a", "1"), debian, "P:a\nV:1\n\nP:b\nV:2", "Name: x\nVersion: 1\n", `{"name": "a", "version": "1", "author": "A <a@example.com>"}`,
		`{"name": "@a/b/c", "version": "", "maintainers": [null]}`, "=\"", "Package: a\nStatus: x y installed\nVersion: 1\nSource: (\n", "\x00\n\n:\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		made := image(t, []entry{
			file("etc/os-release", text), file("var/lib/dpkg/status", text), file("var/lib/dpkg/status.d/a", text), file("lib/apk/db/installed", text),
			file("a.dist-info/METADATA", text), file("node_modules/a/package.json", text),
		})
		document, err := attest.SBOM(t.Context(), made, subject)
		if errors.Is(err, attest.ErrTooMuch) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		parse(t, document)
		again, err := attest.SBOM(t.Context(), made, subject)
		if err != nil || !bytes.Equal(document, again) {
			t.Errorf("a second run writes %s, %v", again, err)
		}
	})
}
