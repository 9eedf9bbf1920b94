//go:build !race

package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/report"
)

// copies is a Dockerfile of instructions that each bring another file.
func copies(n int, source string) string {
	var s strings.Builder
	s.WriteString("FROM scratch\n")
	for i := range n {
		fmt.Fprintf(&s, "COPY %s%d /\n", source, i)
	}
	return s.String() + "CMD x\n"
}

// doubling is a Dockerfile whose variables each hold the one before it many times.
func doubling(instruction string, levels, times int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "FROM scratch\n%s a0=%s\n", instruction, strings.Repeat("x", 1000))
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&s, "%s a%d=%s\n", instruction, i, strings.Repeat(fmt.Sprintf("$a%d", i-1), times))
	}
	return s.String() + fmt.Sprintf("COPY $a%d /\nCMD x\n", levels-1)
}

// TestHostileFiles gives the whole check the other files of a bundle, each made to cost much or to be read as something
// else.
func TestHostileFiles(t *testing.T) {
	none := func(*testing.T, *report.Report) {}
	sound := func(t *testing.T, r *report.Report) {
		t.Helper()
		if n := finding.Count(r.All(), finding.Error); n > 0 {
			t.Errorf("%d errors:\n%s", n, told(r))
		}
	}
	found := func(id, place, words string) func(*testing.T, *report.Report) {
		return func(t *testing.T, r *report.Report) { t.Helper(); says(t, r, id, place, words) }
	}
	const req, recipe, config = "requirements.txt", "Dockerfile", "config.yml"
	long := strings.Repeat("x", nearlyAll)
	for _, c := range []struct {
		name, file, content string
		want                func(*testing.T, *report.Report)
	}{
		{"10 MB of requirements", req, strings.Repeat("numpy\n", many/6), found("bundle/large-file", req+":1", "the limit is 1MiB")},
		{"a MiB of requirements that are none", req, strings.Repeat("?\n", nearlyAll/2), found("requirements/syntax", req+":25000", "is not a requirement")},
		{"a MiB of a requirement, without a line end", req, long, sound},
		{"a MiB of a requirement that is none", req, long + " ?", found("requirements/syntax", req+":1", `"xxxx`)},
		{"a MiB of extras", req, "a[" + strings.Repeat("b,", nearlyAll/2) + "b]", sound},
		{"a MiB of versions", req, "a" + strings.Repeat("==1,", nearlyAll/4) + "==1", sound},
		{"a MiB of a version", req, "a==1" + strings.Repeat(".1", nearlyAll/2) + "?", found("requirements/syntax", req+":1", "is not a version")},
		{"a MiB of a local version that may not be", req, "a>=1+" + long, found("requirements/syntax", req+":1", "may stand only behind")},
		{"a MiB of a version with a wildcard that may not be", req, "a>=1" + strings.Repeat(".1", nearlyAll/2) + ".*", found("requirements/syntax", req+":1", "may stand only behind")},
		{"parentheses in parentheses", req, "a; " + strings.Repeat("(", nearlyAll), found("requirements/syntax", req+":1", "too deep")},
		{"a MiB of conditions", req, "a; " + strings.Repeat("os_name == '' and ", nearlyAll/18) + "os_name == ''", sound},
		{"a MiB of a line that goes on", req, "a\n" + strings.Repeat("\\\n", nearlyAll/2) + "?", found("requirements/syntax", req+":2", "is not a requirement")},
		{"a MiB of a line that goes on with blanks", req, strings.Repeat("a \\\n", nearlyAll/4) + "?", found("requirements/syntax", req+":1", "is not a requirement")},
		{"a MiB of variables", req, strings.Repeat("${A}", nearlyAll/4), none},
		{"a MiB of blanks before no comment", req, "a" + strings.Repeat(" ", nearlyAll) + "?", found("requirements/syntax", req+":1", "is not a requirement")},
		{"a MiB of an option", req, "--" + long, found("requirements/syntax", req+":1", "does not know the option")},
		{"a NUL in a requirement", req, "numpy\na\x00==1\n", found("requirements/syntax", req+":2", `\x00`)},
		{"commands for requirements", req, "::error::x\n##[error]x\n", found("requirements/syntax", req+":1", "::error::x")},

		{"10 MB of instructions", recipe, "FROM scratch\n" + strings.Repeat("RUN x\n", many/6) + "CMD x\n", found("dockerfile/syntax", recipe+":1", "larger than 1048576 bytes")},
		{"10 MB of a comment", recipe, "FROM scratch\nCMD x\n#" + strings.Repeat("x", many), found("dockerfile/syntax", recipe+":1", "larger than 1048576 bytes")},
		{"10 MB of NUL", recipe, strings.Repeat("\x00", many), found("dockerfile/syntax", recipe+":1", "larger than 1048576 bytes")},
		{"a MiB of one instruction, without a line end", recipe, "FROM scratch\nRUN " + long, found("dockerfile/syntax", recipe+":1", "greater than max allowed size")},
		{"a MiB of a word", recipe, "FROM scratch\n" + long, found("dockerfile/syntax", recipe+":1", "greater than max allowed size")},
		{"as long a word as a line may be", recipe, "FROM scratch\n" + long[:60_000], found("dockerfile/syntax", recipe+":2", "xxxx")},
		{"a MiB of an instruction of many lines", recipe, "FROM scratch\nRUN x" + strings.Repeat(" \\\n  x", nearlyAll/6) + "\nCMD x\n", sound},
		{"a MiB of words of many lines", recipe, "FROM scratch\nF" + strings.Repeat("\\\nF", nearlyAll/3) + "\n", found("dockerfile/syntax", recipe+":2", "FFFF")},
		{"a MiB of stages", recipe, strings.Repeat("FROM scratch\n", nearlyAll/13) + "CMD x\n", sound},
		{"a MiB of stages that go on from the one before", recipe, "FROM scratch AS a\nCMD x\n" + strings.Repeat("FROM a AS a\n", nearlyAll/12), none},
		{"a MiB of empty lines", recipe, "FROM scratch\nCMD x" + strings.Repeat("\n", nearlyAll), sound},
		{"a MiB of files that are not there", recipe, copies(50_000, "none"), found("dockerfile/copy-source", recipe+":25001", "none24999")},
		{"a MiB of files out of the bundle", recipe, copies(40_000, "../../"), found("dockerfile/copy-source", recipe+":2", "../../0")},
		{"many sources in one instruction", recipe, "FROM scratch\nCOPY " + strings.Repeat("a ", 30_000) + "/\nCMD x\n", found("dockerfile/copy-source", recipe+":2", `"a"`)},
		{"many sources in one instruction of many lines", recipe, "FROM scratch\nCOPY" + strings.Repeat(" a \\\n", 100_000) + " /\nCMD x\n", found("dockerfile/copy-source", recipe+":2", `"a"`)},
		{"a source as long as a line may be", recipe, "FROM scratch\nCOPY " + long[:60_000] + " /\nCMD x\n", found("dockerfile/copy-source", recipe+":2", `"xxxx`)},
		{"variables that explode", recipe, doubling("ENV", 10, 50), none},
		{"variables that explode at once", recipe, doubling("ENV", 3, 15_000), none},
		{"arguments that explode", recipe, doubling("ARG", 10, 50), none},
		{"a MiB of variables", recipe, "FROM scratch\n" + strings.Repeat("ENV a=$a$a\n", nearlyAll/11) + "CMD x\n", sound},
		{"a MiB of stages with a MiB of variables", recipe, "FROM scratch AS a\n" + strings.Repeat("ENV a1=1\n", 2_000) + strings.Repeat("FROM a AS a\nENV b=1\n", 20_000) + "CMD x\n", sound},
		{"variables with defaults in defaults", recipe, "FROM scratch\nCOPY " + strings.Repeat("${a:-", 10_000) + "x" + strings.Repeat("}", 10_000) + " /\nCMD x\n", none},
		{"variables with patterns", recipe, "FROM scratch\nENV a=" + strings.Repeat("a", 2000) + "\nCOPY " + strings.Repeat("${a//a*a*a*b/x}", 100) + " /\nCMD x\n", none},
		{"lists in lists", recipe, "FROM scratch\nCMD " + strings.Repeat("[", 60_000) + "\n", sound},
		{"ONBUILD of ONBUILD", recipe, "FROM scratch\n" + strings.Repeat("ONBUILD ", 8_000) + "RUN x\n", found("dockerfile/syntax", recipe+":2", "ONBUILD")},
		{"many heredocs of one instruction", recipe, "FROM scratch\nRUN " + strings.Repeat("<<A ", 10_000) + "\n" + strings.Repeat("A\n", 10_000) + "CMD x\n", none},
		{"a heredoc without end", recipe, "FROM scratch\nRUN <<A\n" + strings.Repeat("x\n", 500_000), found("dockerfile/syntax", recipe+":2", "heredoc")},
		{"a syntax as long as a line may be", recipe, "# syntax=" + long[:60_000] + "\nFROM scratch\nCMD x\n", found("dockerfile/unsupported", recipe+":1", "# syntax=xxxx")},
		{"a NUL in an instruction", recipe, "FROM scratch\nRUN a\x00b\nCMD x\n", none},
		{"a NUL for an instruction", recipe, "FROM scratch\n\x00\x00 x\n", found("dockerfile/syntax", recipe+":2", "unknown instruction")},
		{"a NUL in a source", recipe, "FROM scratch\nCOPY a\x00b /\nCMD x\n", found("dockerfile/copy-source", recipe+":2", `a\x00b`)},
		{"commands for instructions", recipe, "FROM scratch\n::error::x y\n", found("dockerfile/syntax", recipe+":2", "unknown instruction")},
		{"old commands for instructions", recipe, "FROM scratch\n##[error]x\n[error]##[error]x y\n", found("dockerfile/syntax", recipe+":3", "unknown instruction")},
		{"a MiB of patterns to leave out", ".dockerignore", strings.Repeat("**/a*b*c\n", nearlyAll/9), none},

		{"10 MB of YAML", config, strings.Repeat("- a\n", many/4), found("bundle/large-file", config+":1", "the limit is 1MiB")},
		{"a MiB of YAML, without a line end", config, long, sound},
		{"aliases that explode", config, bomb(30), sound},
		{"an anchor that holds itself", config, "a: &a [*a]\n", none},
		{"lists in lists", config, strings.Repeat("[", nearlyAll), found("config/syntax", config+":1", "max depth")},
		{"mappings in mappings", config, strings.Repeat("{a: ", nearlyAll/4), found("config/syntax", config+":1", "max depth")},
		{"a MiB of documents", config, strings.Repeat("---\n", nearlyAll/4), sound},
		{"a MiB of anchors", config, "a: " + strings.Repeat("&a ", nearlyAll/3), found("config/syntax", config+":1", "not valid YAML")},
		{"an alias of a MiB without anchor", config, "a: *" + long, found("config/syntax", config+":1", "unknown anchor 'xxxx")},
		{"a NUL", config, "a: b\nc: \x00\n", found("config/syntax", config+":2", "control characters")},
		{"a MiB of tags", config, "!" + long + " a", sound},
	} {
		t.Run(c.file+"/"+c.name, func(t *testing.T) {
			files := map[string]string{c.file: c.content}
			if c.file == ".dockerignore" {
				files["Dockerfile"] = "FROM scratch\nCOPY README.md /\nCMD x\n"
			}
			c.want(t, inspect(t, lay(t, one(files))))
		})
	}
}

// TestTwoHundredThousandFiles has more files in a bundle than are listed. What stands behind those that are is not missing.
func TestTwoHundredThousandFiles(t *testing.T) {
	dir := lay(t, one(nil))
	for i := range 200_000 {
		f, err := os.Create(filepath.Join(dir, bundleDir, fmt.Sprintf("A%06d", i)))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.Symlink("../../../..", filepath.Join(dir, bundleDir, "zip")); err != nil {
		t.Fatal(err)
	}
	r := inspect(t, dir)
	for _, f := range r.All() {
		if f.Rule == "bundle/missing-file" || f.Rule == "bundle/recommended-file" {
			t.Errorf("it finds %s", f.Message)
		}
	}
	says(t, r, "bundle/large-file", "manifest.yml:1", "has 100000 files or more")
}

// TestManyBundles has bundles that all make one image.
func TestManyBundles(t *testing.T) {
	hub := map[string]string{}
	for i := range 3_000 {
		hub[fmt.Sprintf("executors/encoders/Foo%d/manifest.yml", i)] = sound
	}
	r := inspect(t, lay(t, hub))
	if len(r.Bundles) != 3_000 {
		t.Errorf("%d bundles", len(r.Bundles))
	}
}
