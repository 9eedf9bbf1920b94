package publish_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/jina/hub-publish/internal/publish"
)

var facts = publish.Facts{
	SHA:  "0123456789abcdef0123456789abcdef01234567",
	Date: time.Date(2021, 2, 3, 23, 30, 0, 0, time.FixedZone("west of Greenwich", -3600)),
}

// templates parses templates that must be right.
func templates(t testing.TB, texts ...string) []publish.Template {
	t.Helper()
	var all []publish.Template
	for _, text := range texts {
		template, err := publish.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, template)
	}
	return all
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		template, version, want string
		fixed                   bool
	}{
		"the version":              {"{version}", "1.20.3", "1.20.3", true},
		"a pre-release":            {"{version}", "1.2.3-rc.1", "1.2.3-rc.1", true},
		"build metadata":           {"{version}", "1.2.3+gpu.1", "1.2.3_gpu.1", true},
		"a prefix and a suffix":    {"v{version}-gpu", "1.2.3", "v1.2.3-gpu", true},
		"a literal":                {"latest", "1.2.3", "latest", false},
		"a line":                   {"{major}.{minor}", "1.20.3", "1.20", false},
		"all parts are no version": {"{major}.{minor}.{patch}", "1.2.3-rc.1", "1.2.3", false},
		"the commit":               {"{sha}", "1.2.3", "0123456789abcdef0123456789abcdef01234567", false},
		"the commit, short":        {"git-{short_sha}", "1.2.3", "git-0123456", false},
		"the day, in UTC":          {"{date}", "1.2.3", "2021-02-04", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template := templates(t, c.template)[0]
			if got := template.Expand(semver.MustParse(c.version), facts); got != c.want {
				t.Errorf("got the tag %q, want %q", got, c.want)
			}
			if got := template.Fixed(); got != c.fixed {
				t.Errorf("fixed: got %t, want %t", got, c.fixed)
			}
			if got := template.String(); got != c.template {
				t.Errorf("got the text %q, want %q", got, c.template)
			}
		})
	}
}

func TestTemplatesThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ template, want string }{
		"an unknown place":         {"{branch}", `"{branch}" holds {branch}; allowed are {version}, {major}, {minor}, {patch}, {sha}, {short_sha}, {date}`},
		"a place in other letters": {"{Version}", "holds {Version}"},
		"a place without a name":   {"{}", "holds {}"},
		"a brace that is not shut": {"{version", `would make the tag "{version"`},
		"a brace too many":         {"{version}}", `would make the tag "1.2.3}"`},
		"nothing":                  {"", `would make the tag ""`},
		"a blank":                  {"a b", "a tag has letters, digits, _, . and -"},
		"a plus sign":              {"{version}+gpu", "a tag has letters, digits, _, . and -"},
		"a dot at the beginning":   {".{version}", "begins with none of . and -"},
		"a line feed at the end":   {"latest\n", "a tag has letters, digits, _, . and -"},
		"too long a tag":           {strings.Repeat("a", 129), "at most 128"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := publish.ParseTemplate(c.template); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

// FuzzParseTemplate asks that what is accepted makes a tag that registries accept.
func FuzzParseTemplate(f *testing.F) {
	for _, seed := range []string{"{version}", "v{version}-{short_sha}", "latest", "{}", "{{version}}", "{version", "\\{version\\}", "{date}{date}", ".x", "ü"} {
		f.Add(seed)
	}
	tag := regexp.MustCompile(`\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		template, err := publish.ParseTemplate(text)
		if err != nil {
			return
		}
		if template.String() != text {
			t.Errorf("%q became %q", text, template)
		}
		version := semver.MustParse("1.2.3")
		if got := template.Expand(version, facts); !tag.MatchString(got) {
			t.Errorf("%q makes %q, which is no tag", text, got)
		}
		if template.Fixed() != strings.Contains(template.Expand(semver.MustParse("4.5.6-rc.7"), facts), "4.5.6-rc.7") {
			t.Errorf("%q: fixed is %t", text, template.Fixed())
		}
	})
}
