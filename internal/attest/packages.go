package attest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing/fstest"
	"unicode"
	"unicode/utf8"

	"github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	"github.com/google/osv-scalibr/extractor/filesystem/simplefileapi"
	"github.com/google/osv-scalibr/log"
)

const (
	// maxPackages is how many packages an image may list.
	maxPackages = 20_000
	// maxFields is how many lines a package may have in a database of the operating system. The largest of Alpine has three a
	// file.
	maxFields = 100_000
	// maxName is the length of a package's name, and of its version, in bytes.
	maxName = 256
	// maxURL is the length of a package URL, in bytes.
	maxURL = 1024
	// maxFrom is how many of the files that list the same package are named.
	maxFrom = 3
	// maxNotes is how many files are named that could not be read.
	maxNotes = 20
)

// source is a kind of files that list packages.
type source struct {
	// required tells by the path whether a file is of this kind.
	required func(path string) bool
	// extractor reads it; nil for a file that is not read by itself.
	extractor filesystem.Extractor
	// records tells that the file has a record a package, with an empty line after each.
	records bool
	// limit is the size above which it is not read, in bytes.
	limit int64
	// unread says why files of this kind are not read; empty where they are.
	unread string
}

// newSources are the kinds of files that are known, each with the library's own reader. Some are not read: RPM's databases, as
// that would take a database's engine, and Python's and npm's archives, as what lies in those is not installed.
func newSources() ([]source, error) {
	sources := []source{
		{required: func(p string) bool { return slices.Contains(osReleases, p) }, limit: maxOSRelease},
		{required: isRPM, unread: "is a database of RPM, which is not read"},
	}
	for _, known := range []struct {
		make    func(*config_go_proto.PluginConfig) (filesystem.Extractor, error)
		records bool
		only    func(path string) bool
	}{
		{dpkg.New, true, nil},
		{apk.New, true, nil},
		{wheelegg.New, false, func(p string) bool { return path.Ext(p) != ".egg" && path.Ext(p) != ".whl" }},
		{packagejson.New, false, isInNodeModules},
	} {
		// The size is bounded here, where it can be told.
		e, err := known.make(&config_go_proto.PluginConfig{MaxFileSizeBytes: math.MaxInt64})
		if err != nil {
			return nil, err
		}
		sources = append(sources, source{extractor: e, records: known.records, limit: maxFile, required: func(p string) bool {
			return (known.only == nil || known.only(p)) && e.FileRequired(simplefileapi.New(p, anyFile))
		}})
	}
	return sources, nil
}

// anyFile is what an extractor is told of a file before it is read, beside its name.
var anyFile = (&tar.Header{}).FileInfo()

// osReleases are where os-release(5) is, of which the first one counts.
var osReleases = []string{"etc/os-release", "usr/lib/os-release"}

// loneQuote is a line of os-release with a value that is no more than a quote.
var loneQuote = regexp.MustCompile(`(?m)^[^=\n]*="\s*$`)

// isRPM tells whether a file is RPM's database, of which newer versions are in other directories.
func isRPM(p string) bool {
	dir, base := path.Split(p)
	return slices.Contains([]string{"var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"}, dir) &&
		slices.Contains([]string{"Packages", "Packages.db", "rpmdb.sqlite"}, base)
}

// isInNodeModules tells whether a package.json is that of an installed package: node_modules/name or node_modules/@scope/name.
func isInNodeModules(p string) bool {
	around := path.Dir(path.Dir(p))
	if strings.HasPrefix(path.Base(around), "@") {
		around = path.Dir(around)
	}
	return path.Base(around) == "node_modules"
}

// sourceOf is the kind of a file; nil where it lists no packages.
func (t *tree) sourceOf(name string) *source {
	for i := range t.sources {
		if t.sources[i].required(name) {
			return &t.sources[i]
		}
	}
	return nil
}

// listed is a package of the image.
type listed struct {
	kind, name, version string
	// url is its package URL (ECMA-427).
	url string
	// from are the files that list it, in the order of their names.
	from []string
}

// packages are those that the tree's files list, in the order of their URLs, and what to know of files that could not be read.
func (t *tree) packages(ctx context.Context) ([]*listed, []string, error) {
	files := map[string]*file{}
	t.root.files("", files)
	system := fstest.MapFS{}
	for _, name := range osReleases {
		if f := files[name]; f != nil && f.problem == "" {
			// The extractors take a system without /etc for none, and panic at a value that is a single quote.
			system[osReleases[0]] = &fstest.MapFile{Data: loneQuote.ReplaceAll(f.data, nil)}
			break
		}
	}
	found := map[string]*listed{}
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		problem := f.problem
		if problem == "" && f.source.extractor != nil {
			packages, err := f.extract(ctx, system, name)
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			if errors.Is(err, ErrTooMuch) {
				return nil, nil, fmt.Errorf("%s: %w", shown(name), err)
			}
			if err != nil { // not told in its own words, which hold the file's
				problem = "is damaged: it may list more packages"
			}
			strange, err := add(found, packages, name)
			if err != nil {
				return nil, nil, err
			}
			if strange > 0 && problem == "" {
				problem = fmt.Sprintf("lists %d packages that are left out, as no package has such a name or version", strange)
			}
		}
		if problem != "" {
			notes = append(notes, shown(name)+" "+problem)
		}
	}
	if more := len(notes) - maxNotes; more > 0 {
		notes = append(notes[:maxNotes], fmt.Sprintf("%d more files could not be read", more))
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *listed) int { return cmp.Compare(a.url, b.url) }), notes, nil
}

// extract are the packages that a file lists; with an error, those before the damage. A file over which the library panics is
// as damaged as others.
func (f *file) extract(ctx context.Context, system fstest.MapFS, name string) (packages []*extractor.Package, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file cannot be read: %v", p)
		}
	}()
	if f.source.records {
		if err := countRecords(f.data); err != nil {
			return nil, err
		}
	}
	inventory, err := f.source.extractor.Extract(ctx, &filesystem.ScanInput{FS: system, Path: name, Info: anyFile, Reader: bytes.NewReader(f.data)})
	return inventory.Packages, err
}

// countRecords refuses a database that would take far more memory than its size when it is read.
func countRecords(data []byte) error {
	records, fields := 1, 0
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) == 0 {
			records, fields = records+1, 0
			continue
		}
		fields++
		if records > maxPackages || fields > maxFields {
			return ErrTooMuch
		}
	}
	return nil
}

// add puts what a file lists to what is found, and counts those that are left out.
func add(found map[string]*listed, packages []*extractor.Package, from string) (strange int, err error) {
	for _, p := range packages {
		if !isName(p.Name) || !isName(p.Version) {
			strange++
			continue
		}
		purl := p.PURL()
		if purl == nil {
			strange++
			continue
		}
		if purl.Type == "npm" {
			purl.Qualifiers = nil // source=UNKNOWN
		}
		url := purl.String()
		if len(url) > maxURL {
			strange++
			continue
		}
		l := found[url]
		if l == nil {
			if len(found) == maxPackages {
				return 0, fmt.Errorf("%w: the image lists more than %d", ErrTooMuch, maxPackages)
			}
			l = &listed{kind: p.PURLType, name: p.Name, version: p.Version, url: url}
			found[url] = l
		}
		if name := shown(from); len(l.from) <= maxFrom && !slices.Contains(l.from, name) {
			l.from = append(l.from, name)
		}
	}
	return strange, nil
}

// isName tells whether a text can be a name or a version.
func isName(text string) bool { return text != "" && len(text) <= maxName && isPlain(text) }

// isPlain tells whether people can be shown a text as it is.
func isPlain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shown is a path as people can be shown it.
func shown(name string) string {
	if isPlain(name) {
		return name
	}
	return strconv.Quote(name)
}

// The library logs what it makes of the files. Standard error is the run's log, where a line of a stranger's file could become a
// command to the runner.
func init() { log.SetLogger(silent{}) }

type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Error(...any)          {}
func (silent) Warnf(string, ...any)  {}
func (silent) Warn(...any)           {}
func (silent) Infof(string, ...any)  {}
func (silent) Info(...any)           {}
func (silent) Debugf(string, ...any) {}
func (silent) Debug(...any)          {}
