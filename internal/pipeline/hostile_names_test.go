//go:build !race

package pipeline_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/report"
)

// names are what a stranger may call a directory or a file, or write as a value.
var names = []string{
	"new\nline", "new\r\nline", "\n::error::x", "\r::error::x", "a\n\n# heading", "a\n- item", "a\n> quote", "a\n```\nb", "a\n\n    code", "a\n|b|c|\n|-|-|",
	"per%cent", "%0A::error::x", "%0a%25", "%250A", "100%", "%s%d%!v(MISSING)",
	"::error::x", "  ::error file=a,line=1::x", "\u00a0::add-mask::a", "\u2003::stop-commands::a", "\u0085::error::x", "\t::set-env name=A::b", "::endgroup::", "a::b",
	"##[error]x", "a##[add-mask]e", "###[[error]x", "##[set-output name=a;]b", "##\u200b[error]", "a]b;c", "a,b=c:d",
	"\u202egnp.exe", "\u2066a\u2069", "\u200fa\u200e", "\u061ca", "\u2028::error::x", "\u2029b", "\u200b", "a\u0301\u0301\u0301", "\ufeffa",
	"<img src=x onerror=alert(1)>", "<script>alert(1)<", "<!-- a", "<![CDATA[a", "<?a", "&lt;b&gt;", "&#60;b&#62;", "\"a'b", "<pre>", "<summary><details>", "<code>",
	"[a](javascript:alert(1))", "![a](b)", "[a]", "[^1]", "[x](<y>)", "](b)", "[a][b]", "<https:a@b.cc>", "https:a", "www.example.com", "mailto:a@b.cc", "xmpp:a@b.cc",
	"`code`", "``", "```", "**bold**", "_it_", "~~no~~", "a|b", "|", "\\", "\\|", "\\`a`", "a\\", "$x$", "$$x$$", "$`x`$", "@everyone", "#1", "GH-1", "a#1", "a@0123456",
	"- [ ] a", "1. a", "# a", "> a", "---", "===", "***", ":tada:", "+ a",
	"\x1b[31mred", "\x1b]0;title\x07", "\x07", "\x7f", "\u009b31m", "\b\b\b", "\v", "\f",
	"caf\xe9", "\xff\xfe", "\xed\xa0\x80", "a\xc0\xafb", "\xf0\x9f\x98", "\U000e0001", "\ufffe", "😀",
	"a b", " a", "a ", "a.", "a;b", "a&b", "$(id)", "`id`", "${a}", "%{a}", "{{a}}", "{0}", "con", "~", "-", "--help", "*", "?", "!a", "'", "\"",
	strings.Repeat("x", 255), strings.Repeat("😀", 63), strings.Repeat("[", 255), strings.Repeat("<b>", 85),
}

// TestHostileNames has bundles, files, links and what they point to called by each of the names.
func TestHostileNames(t *testing.T) {
	hub := map[string]string{}
	for i, name := range names {
		dir := "executors/encoders/" + name + "/"
		hub[dir+"manifest.yml"] = "name: " + yamlText(name) + "\nkind: encoder\n"
		hub[dir+"Dockerfile"] = "FROM scratch\n"
		if i%2 == 0 {
			hub[dir+"manifest.yml"] = "- " + yamlText(name) + "\n"
		}
		inside := fmt.Sprintf("executors/indexers/%d/", i)
		hub[inside+"manifest.yml"] = strings.ReplaceAll(sound, "encoder", "indexer")
		hub[inside+"Dockerfile"] = "FROM scratch\nCOPY [" + strconv.Quote(name) + ", \"/\"]\n"
		hub[inside+name+".yml"] = "a: [\n"
		hub[inside+name+".link"] = "-> ../../" + name
		hub["lost/"+name+"/manifest.yml"] = sound
	}
	for name := range hub { // the system allows no more
		if base := name[strings.LastIndexByte(name, '/')+1:]; len(base) > 255 {
			delete(hub, name)
		}
	}
	r := inspect(t, lay(t, hub))
	if n := len(r.Bundles); n != 3*len(names) {
		t.Errorf("%d bundles", n)
	}
	if got := fmt.Sprint(rules(r)); !strings.Contains(got, "bundle/placement") || !strings.Contains(got, "bundle/symlink") || !strings.Contains(got, "config/syntax") {
		t.Errorf("the rules that find something are %s", got)
	}
}

// TestHostileName has each of the names alone, so that all of its findings are in every format.
func TestHostileName(t *testing.T) {
	for _, name := range names {
		t.Run(strconv.QuoteToASCII(name)[:min(40, len(strconv.QuoteToASCII(name)))], func(t *testing.T) {
			dir := "executors/encoders/" + name + "/"
			r := inspect(t, lay(t, map[string]string{
				dir + "manifest.yml": "name: x\n" + yamlText(name) + ": 1\n", dir + "Dockerfile": "FROM scratch\nFOO " + oneWord(name) + "\n",
				dir + "requirements.txt": oneWord(name) + " ?\n", dir + "a.yml": "a: *" + oneWord(name) + "\n", dir + "link": "-> /" + oneWord(name),
			}))
			if len(r.Bundles) != 1 || r.Bundles[0].Path != strings.TrimSuffix(dir, "/") {
				t.Errorf("the bundles are %q", r.Paths())
			}
		})
	}
}

// TestHostileValues has each of the names as each key's value.
func TestHostileValues(t *testing.T) {
	hub := map[string]string{}
	for i, name := range names {
		text := yamlText(name)
		for j, key := range []string{"name", "kind", "type", "description", "version", "license", "url", "keywords", "vendor"} {
			dir := fmt.Sprintf("executors/encoders/E%d-%d/", i, j)
			hub[dir+"manifest.yml"] = key + ": " + text + "\n" + text + "x: 1\navatar: [" + text + "]\nauthor: !" + strconv.Itoa(i) + " " + text + "\n"
			hub[dir+"Dockerfile"] = recipe
		}
	}
	inspect(t, lay(t, hub))
}

// yamlText is a text as YAML.
func yamlText(text string) string { return strconv.Quote(strings.ToValidUTF8(text, "\uFFFD")) }

// oneWord is a name without what ends a line.
func oneWord(name string) string {
	return strings.NewReplacer("\n", "\u2424", "\r", "\u240D").Replace(name)
}

// TestHostilePlaces has bundles where no bundle can be, and links that go in circles.
func TestHostilePlaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  func(*testing.T, *report.Report)
	}{
		{"a bundle called ...", map[string]string{"executors/encoders/.../manifest.yml": sound}, noBundle},
		{"a bundle called ..a", map[string]string{"executors/encoders/..a/manifest.yml": sound}, noBundle},
		{"a bundle that says it is called ..", one(map[string]string{"manifest.yml": strings.Replace(sound, "Foo0", "..", 1)}), func(t *testing.T, r *report.Report) {
			says(t, r, "manifest/name", "manifest.yml:1", `".." is not allowed`)
		}},
		{"a kind called ..", one(map[string]string{"manifest.yml": strings.Replace(sound, "encoder", "../../x", 1)}), func(t *testing.T, r *report.Report) {
			says(t, r, "manifest/kind", "manifest.yml:2", "is not allowed")
		}},
		{"a manifest that is a link to itself", one(map[string]string{"manifest.yml": "-> manifest.yml"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/missing-file", "Dockerfile:1", "manifest.yml")
		}},
		{"a manifest that is a link out of the hub", one(map[string]string{"manifest.yml": "-> ../../../../../etc/passwd"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/symlink", "manifest.yml:1", "leaves the bundle")
			says(t, r, "bundle/missing-file", "Dockerfile:1", "manifest.yml")
		}},
		{"a manifest that is a link to an absolute path", one(map[string]string{"manifest.yml": "-> /dev/zero"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/symlink", "manifest.yml:1", "leaves the bundle")
		}},
		{"a manifest that is a directory", without(one(map[string]string{"manifest.yml/a": "1"}), "manifest.yml"), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/missing-file", "Dockerfile:1", "manifest.yml")
		}},
		{"a Dockerfile that is a link to itself", one(map[string]string{"Dockerfile": "-> ./Dockerfile"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/missing-file", "manifest.yml:1", "Dockerfile")
		}},
		{"a Dockerfile that is a directory", without(one(map[string]string{"Dockerfile/a": "1"}), "Dockerfile"), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/missing-file", "manifest.yml:1", "Dockerfile")
		}},
		{"every other file is a link to a device", one(map[string]string{
			"Dockerfile": "-> /dev/zero", "requirements.txt": "-> /dev/zero", "config.yml": "-> /dev/zero", ".dockerignore": "-> /dev/zero", "README.md": "-> /dev/zero",
		}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/symlink", "requirements.txt:1", `"/dev/zero" leaves the bundle`)
		}},
		{"links in circles", one(map[string]string{"a": "-> b", "b": "-> c/d", "c": "-> a", "d": "-> .", "e": "-> d/d/d/d/d/e", "requirements.txt": "-> requirements.txt"}),
			func(t *testing.T, r *report.Report) {
				if got := fmt.Sprint(rules(r)); got != "[bundle/name-mismatch]" {
					t.Errorf("the rules that find something are %s", got)
				}
			}},
		{"a circle that leaves the bundle", one(map[string]string{"up": "-> ../Foo"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/symlink", "up:1", "leaves the bundle")
		}},
		{"a long way through links", one(map[string]string{"a": "-> " + strings.Repeat("./", 1500) + "b", "b": "-> " + strings.Repeat("x/../", 500) + "../b"}), func(t *testing.T, r *report.Report) {
			says(t, r, "bundle/symlink", "a:1", "leaves the bundle")
			says(t, r, "bundle/symlink", "b:1", "leaves the bundle")
		}},
		{"a bundle that is a link to another one", with(one(nil), "executors/encoders/Bar", "-> Foo"), func(t *testing.T, r *report.Report) {
			if len(r.Bundles) != 1 {
				t.Errorf("the bundles are %q", r.Paths())
			}
		}},
		{"a kind folder that is a link to itself", map[string]string{"executors/encoders": "-> encoders", "executors/indexers/Foo/manifest.yml": strings.Replace(sound, "encoder", "indexer", 1)},
			func(t *testing.T, r *report.Report) {
				if len(r.Bundles) != 1 {
					t.Errorf("the bundles are %q", r.Paths())
				}
			}},
		{"directories as deep as the system lets them be", with(one(nil), bundleDir+strings.Repeat("d/", 1900)+"config.yml", "a: ["), func(t *testing.T, r *report.Report) {
			says(t, r, "config/syntax", strings.Repeat("d/", 1900)+"config.yml:1", "not valid YAML")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.want(t, inspect(t, lay(t, c.files))) })
	}
}

func noBundle(t *testing.T, r *report.Report) {
	t.Helper()
	if len(r.Bundles) != 0 {
		t.Errorf("the bundles are %q", r.Paths())
	}
}

func with(files map[string]string, name, content string) map[string]string {
	files[name] = content
	return files
}

func without(files map[string]string, name string) map[string]string {
	delete(files, bundleDir+name)
	return files
}
