package dockerfile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/dockerfile"
)

func parse(t *testing.T, text string) *dockerfile.File {
	t.Helper()
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestImages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		args []string
		// want has the images as line:name, or the error that they give.
		want []string
		err  string
	}{
		"one image":                       {text: "# base\nFROM debian:12\nRUN x\n", want: []string{"2:debian:12"}},
		"the same image twice":            {text: "FROM debian\nFROM debian\n", want: []string{"1:debian"}},
		"a platform":                      {text: "FROM --platform=linux/amd64 debian\n", want: []string{"1:debian"}},
		"scratch needs no image":          {text: "FROM scratch\nCOPY x /\n"},
		"a digest":                        {text: "FROM debian@sha256:" + strings.Repeat("0", 64) + "\n", want: []string{"1:debian@sha256:" + strings.Repeat("0", 64)}},
		"an argument's default":           {text: "ARG TAG=12\nFROM debian:$TAG\n", want: []string{"2:debian:12"}},
		"an argument of an argument":      {text: "ARG V=1\nARG TAG=$V.2\nFROM debian:${TAG}\n", want: []string{"3:debian:1.2"}},
		"a build argument wins":           {text: "ARG TAG=12\nFROM debian:$TAG\n", args: []string{"TAG=13", "OTHER=x"}, want: []string{"2:debian:13"}},
		"a build argument with equals":    {text: "ARG IMAGE\nFROM $IMAGE\n", args: []string{"IMAGE=a/b:x=y"}, want: []string{"2:a/b:x=y"}},
		"an empty build argument wins":    {text: "ARG TAG=12\nFROM debian${TAG:+:}$TAG\n", args: []string{"TAG="}, want: []string{"2:debian"}},
		"build arguments need an ARG":     {text: "FROM debian:${TAG:-12}\n", args: []string{"TAG=13"}, want: []string{"1:debian:12"}},
		"a default in the FROM":           {text: "ARG TAG\nFROM debian:${TAG-12}\n", want: []string{"2:debian:12"}},
		"quotes":                          {text: "ARG IMAGE=\"debian:12\"\nFROM $IMAGE\nFROM \"alpine\"\n", want: []string{"2:debian:12", "3:alpine"}},
		"two arguments on a line":         {text: "ARG A=x B=y\nFROM $A/$B\n", want: []string{"2:x/y"}},
		"an argument without value":       {text: "ARG IMAGE\n\nFROM $IMAGE\n", err: "Dockerfile line 3: FROM $IMAGE names no image: its argument has no value"},
		"an argument that nobody named":   {text: "FROM ${IMAGE}\n", err: "Dockerfile line 1: FROM ${IMAGE} names no image: its argument has no value"},
		"an argument that must be there":  {text: "ARG IMAGE\nFROM ${IMAGE:?unset}\n", err: `Dockerfile line 2: failed to process "${IMAGE:?unset}": IMAGE: unset`},
		"a broken substitution":           {text: "FROM a\nFROM ${IMAGE\n", err: "Dockerfile line 2: "},
		"a broken argument":               {text: "ARG B=${A\nFROM a$B\n", err: "Dockerfile line 1: "},
		"a stage by name":                 {text: "FROM debian AS build\nFROM build\nCOPY --from=build /a /a\n", want: []string{"1:debian"}},
		"a stage in other letters":        {text: "FROM debian AS build\nFROM BUILD\n", want: []string{"1:debian"}},
		"a stage's name before the stage": {text: "FROM build\nFROM debian AS build\n", want: []string{"1:build", "2:debian"}},
		"a stage by index":                {text: "FROM debian\nFROM alpine\nCOPY --from=0 /a /a\n", want: []string{"1:debian", "2:alpine"}},
		"a stage's own index":             {text: "FROM debian\nCOPY --from=0 /a /a\n", want: []string{"1:debian", "2:0"}},
		"a copy from an image":            {text: "FROM debian\nCOPY \\\n  --from=alpine:3 /a /a\nCOPY b /b\n", want: []string{"1:debian", "2:alpine:3"}},
		"another escape character":        {text: "# escape=`\nARG A=x\nFROM `\n  debian:$A`$A\n", want: []string{"3:debian:x$A"}},
		"windows line ends":               {text: "ARG T=12\r\nFROM debian:$T\r\n", want: []string{"2:debian:12"}},
		"a FROM in other letters":         {text: "from debian as b\nfrom b\n", want: []string{"1:debian"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			images, err := parse(t, c.text).Images(c.args)
			if c.err != "" {
				var syntax *dockerfile.SyntaxError
				if !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), c.err) {
					t.Fatalf("got %v, want a SyntaxError %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range images {
				got = append(got, fmt.Sprintf("%d:%s", i.Line, i.Name))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		line    int
		message string
	}{
		"empty":                          {"", 1, "the Dockerfile is empty; begin it with FROM"},
		"blanks only":                    {"\n \t\n", 1, "the Dockerfile is empty; begin it with FROM"},
		"comments only":                  {"# nothing\n", 1, "file with no instructions"},
		"only an argument":               {"ARG A=1\n", 1, "the Dockerfile has no FROM; begin it with one"},
		"an unknown instruction":         {"FROM a\n\nINSTALL x\n", 3, "unknown instruction: INSTALL"},
		"an instruction before FROM":     {"# c\nRUN x\nFROM a\n", 2, "this stands before the first FROM, where only ARG may stand; begin the Dockerfile with FROM"},
		"a FROM without image":           {"ARG A=1\nFROM\n", 2, "FROM requires either one or three arguments"},
		"an unknown flag":                {"FROM a\nCOPY --frm=b x y\n", 2, "unknown flag: --frm (did you mean from?)"},
		"a copy without destination":     {"FROM a\nRUN x \\\n  y\nCOPY a\n", 4, "COPY requires at least two arguments"},
		"an error behind a continuation": {"FROM a\nEXPOSE \\\n  \n", 2, "EXPOSE requires at least one argument"},
		"a heredoc that does not end":    {"FROM a\nRUN <<EOT\nx\n", 2, "unterminated heredoc"},
		"an escape that is unknown":      {"# escape=x\nFROM a\n", 1, "invalid escape token 'x' does not match ` or \\"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dockerfile.Parse([]byte(c.text))
			var syntax *dockerfile.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a SyntaxError", err)
			}
			if syntax.Line != c.line || !strings.HasPrefix(syntax.Message, c.message) {
				t.Errorf("got line %d: %q\nwant line %d: %q", syntax.Line, syntax.Message, c.line, c.message)
			}
		})
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"what the builder supports": {text: "FROM a\nRUN x\nCOPY --chown=1:1 --chmod=644 x y\nADD https://example.com/x.tar.gz /\nADD x y\n"},
		"a RUN with a heredoc":      {"FROM a\nRUN <<EOT\nx\nEOT\n", []string{"2: RUN with a heredoc (<<)"}},
		"a RUN with flags":          {"FROM a\nRUN --network=none --mount=type=cache,target=/c x\nRUN --network=host x\n", []string{"2: RUN --mount", "2: RUN --network", "3: RUN --network"}},
		"a COPY with a heredoc":     {"FROM a\nCOPY <<x /y\nx\n", []string{"2: COPY with a heredoc (<<)"}},
		"an ADD with a heredoc":     {"FROM a\nADD <<x /y\nx\n", []string{"2: ADD with a heredoc (<<)"}},
		"a checksum":                {"FROM a\nADD --checksum=sha256:" + strings.Repeat("0", 64) + " https://example.com/x /\n", []string{"2: ADD --checksum"}},
		"git repositories":          {"FROM a\nADD https://example.com/x.git /\nADD git@example.com:x /\n", []string{"2: ADD of a git repository", "3: ADD of a git repository"}},
		"every stage is looked at":  {"FROM a AS b\nRUN --network=none x\nFROM b\nRUN --network=none x\n", []string{"2: RUN --network", "4: RUN --network"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, u := range parse(t, c.text).Unsupported() {
				got = append(got, fmt.Sprintf("%d: %s", u.Line, u.What))
				if u.Instead == "" {
					t.Errorf("%s: it does not say what to write instead", u.What)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "FROM debian\n", "ARG A=1\nFROM a:$A AS b\nCOPY --from=b x y\nENTRYPOINT x\n", "# escape=`\nFROM a\nRUN x `\n y\n", "FROM a\nRUN <<E\nx\nE\nCOPY <<E /x\nE\n",
		"FROM ${A:-b}\nONBUILD RUN x\n", "FROM a\nHEALTHCHECK --interval=1s CMD x\nSHELL [\"x\"]\n", "FROM a\nADD --checksum=sha256:0 x y\n", "# syntax=x\n# check=error=true\nFROM a\nRUN --mount=type=bind,from=x y\n",
	} {
		f.Add([]byte(seed), "A=b")
	}
	f.Fuzz(func(t *testing.T, data []byte, buildArg string) {
		lines := 1 + strings.Count(string(data), "\n")
		inside := func(line int) {
			if line < 1 || line > lines {
				t.Errorf("line %d is outside of the %d lines", line, lines)
			}
		}
		var syntax *dockerfile.SyntaxError
		file, err := dockerfile.Parse(data)
		if err != nil {
			if !errors.As(err, &syntax) {
				t.Fatalf("%T is not a *SyntaxError: %v", err, err)
			}
			inside(syntax.Line)
			return
		}
		images, err := file.Images([]string{buildArg})
		if err != nil {
			if !errors.As(err, &syntax) {
				t.Fatalf("%T is not a *SyntaxError: %v", err, err)
			}
			inside(syntax.Line)
		}
		for _, i := range images {
			inside(i.Line)
		}
		for _, u := range file.Unsupported() {
			inside(u.Line)
		}
	})
}
