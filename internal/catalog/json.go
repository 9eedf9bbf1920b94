package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"

	"github.com/jina/hub-publish/internal/wording"
)

// MaxSize is the largest catalog that is written and read, in bytes. A bundle takes about one thousand.
const MaxSize = 32 << 20

// JSON is the document, indented, with a line's end behind it. The same catalog gives the same bytes. What Parse would refuse
// is not written.
func (c *Catalog) JSON() ([]byte, error) {
	data, err := c.write()
	if err != nil {
		return nil, fmt.Errorf("write the catalog: %w", err)
	}
	return data, nil
}

func (c *Catalog) write() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	last := ""
	for i := range c.Bundles {
		e := &c.Bundles[i]
		if err := e.check(last); err != nil {
			return nil, err
		}
		e.fill()
		last = e.Path
	}
	if c.Bundles == nil {
		c.Bundles = []Entry{}
	}
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false) // an author is "Jane <jane@example.com>"
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(c); err != nil {
		return nil, err
	}
	if data.Len() > MaxSize {
		return nil, tooLarge(data.Len())
	}
	return data.Bytes(), nil
}

// Parse reads a catalog, and says what is wrong with what is none. Keys that it does not know are left out.
func Parse(data []byte) (*Catalog, error) {
	c, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return c, nil
}

func parse(data []byte) (*Catalog, error) {
	if len(data) > MaxSize {
		return nil, tooLarge(len(data))
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, short(err)
	}
	if head.Version != format {
		return nil, fmt.Errorf("its version is %d; this program knows version %d", head.Version, format)
	}
	c := &Catalog{}
	document := struct {
		*Catalog
		Bundles json.RawMessage `json:"bundles"`
	}{Catalog: c}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, short(err)
	}
	c.Created = c.Created.UTC()
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, c.readBundles(document.Bundles)
}

// readBundles reads one bundle after another: what is none is refused before millions of it take the memory.
func (c *Catalog) readBundles(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('[') {
		return errors.New("it has no list of bundles")
	}
	c.Bundles = []Entry{}
	last := ""
	for decoder.More() {
		var e Entry
		if err := decoder.Decode(&e); err != nil {
			return fmt.Errorf("the bundle behind %q: %w", wording.Shorten(last), short(err))
		}
		if err := e.check(last); err != nil {
			return err
		}
		e.fill()
		c.Bundles = append(c.Bundles, e)
		last = e.Path
	}
	return nil
}

// fill makes empty lists of those that are not there: who reads a catalog need not tell the two apart. The one key that is
// left out where it is empty is as if it was read.
func (e *Entry) fill() {
	if len(e.Platform) == 0 {
		e.Platform = nil
	}
	if e.Keywords == nil {
		e.Keywords = []string{}
	}
	if e.Published == nil {
		e.Published = []Publication{}
	}
	for i := range e.Published {
		if e.Published[i].Tags == nil {
			e.Published[i].Tags = []string{}
		}
	}
}

// short is a decoder's error without the rest of a value that it quotes.
func short(err error) error { return errors.New(wording.Shorten(err.Error())) }

func tooLarge(size int) error {
	return fmt.Errorf("it has %d bytes; the limit is %d", size, MaxSize)
}

var (
	hash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	// tag is the registry protocol's, from the OCI distribution specification.
	tag = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// check holds everything but the bundles against what it must be.
func (c *Catalog) check() error {
	switch year := c.Created.Year(); {
	case c.Version != format:
		return fmt.Errorf("its version is %d, not %d", c.Version, format)
	case !hash.MatchString(c.Revision):
		return fmt.Errorf("its revision %q is not a commit's full hash", wording.Shorten(c.Revision))
	case c.Created.IsZero() || year < 1 || year > 9999: // of another year, RFC 3339 has no date
		return errors.New("it does not say when its commit was made")
	case c.Source != "" && !isAddress(c.Source):
		return fmt.Errorf("its source %q is not an absolute http or https URL", wording.Shorten(c.Source))
	}
	return nil
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// check holds an entry against what it must be, behind the entry with the path last.
func (e *Entry) check(last string) error {
	if !fs.ValidPath(e.Path) || e.Path == "." {
		return fmt.Errorf("%q is not a bundle's path", wording.Shorten(e.Path))
	}
	if e.Path <= last {
		return fmt.Errorf("the bundles are not sorted by path, each once: %q stands behind %q", wording.Shorten(e.Path), wording.Shorten(last))
	}
	if e.Image != "" {
		if _, err := name.NewRepository(e.Image); err != nil {
			return fmt.Errorf("bundle %q: its image %q is not an image's name without a tag", wording.Shorten(e.Path), wording.Shorten(e.Image))
		}
	}
	for _, p := range e.Published {
		if err := p.check(); err != nil {
			return fmt.Errorf("bundle %q: %w", wording.Shorten(e.Path), err)
		}
	}
	return nil
}

func (p *Publication) check() error {
	// A reference without a tag is one to :latest.
	if t, err := name.NewTag(p.Reference); err != nil || !strings.HasSuffix(p.Reference, ":"+t.TagStr()) {
		return fmt.Errorf("the reference %q is not an image's name with a tag", wording.Shorten(p.Reference))
	}
	if _, err := digest.Parse(p.Digest); err != nil {
		return fmt.Errorf("%q is not a digest", wording.Shorten(p.Digest))
	}
	for _, t := range p.Tags {
		if !tag.MatchString(t) {
			return fmt.Errorf("%q is not a tag", wording.Shorten(t))
		}
	}
	return nil
}
