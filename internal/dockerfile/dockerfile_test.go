package dockerfile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/graph"
)

// resolver knows every image, and that it is a Debian of one layer.
type resolver struct{}

func (resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if strings.Contains(ref, "missing") {
		return "", "", nil, &dockerfile.ResolveError{Image: ref, Err: errors.New("not found")}
	}
	const config = `{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000001"]}}`
	return ref, digest.FromString(ref), []byte(config), nil
}

// TestConvert has what each stage makes: its base and the instructions that add a layer, with their lines.
func TestConvert(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		args map[string]string
		want []string
		err  string
	}{
		"one stage":                  {text: "FROM debian\nRUN x\nENV A=b\nRUN y $A\n", want: []string{"debian: 2 RUN x, 4 RUN y b"}},
		"a stage that nobody uses":   {text: "FROM debian\nRUN test\nFROM alpine\nRUN x\n", want: []string{"debian: 2 RUN test", "alpine: 4 RUN x"}},
		"two stages of one name":     {text: "FROM debian AS a\nRUN x\nFROM debian AS a\nRUN y\nFROM a\n", want: []string{"debian: 2 RUN x", "debian: 4 RUN y", "debian: 4 RUN y"}},
		"a FROM of two lines, CRLF":  {text: "from \\\r\n debian\r\nrun x\r\nFROM debian\r\n", want: []string{"debian: 3 RUN x", "debian: "}},
		"an empty image":             {text: "FROM scratch\nCOPY a /\n", want: []string{": 2 COPY a /"}},
		"a layer of its own":         {text: "FROM debian\nRUN x\nCOPY --link a /\nRUN y\n", want: []string{"debian: 2 RUN x, 3 COPY a /, 4 RUN y"}},
		"copies from another stage":  {text: "FROM alpine AS b\nRUN x\nFROM debian\nCOPY --from=b /a /\n", want: []string{"alpine: 2 RUN x", "debian: 4 COPY /a /"}},
		"a build argument":           {text: "ARG T=1\nFROM debian:$T\nARG X\nRUN $X\n", args: map[string]string{"T": "2", "X": "y"}, want: []string{"debian:2: 4 RUN y"}},
		"the time where it is asked": {text: "FROM debian\nARG SOURCE_DATE_EPOCH\nRUN $SOURCE_DATE_EPOCH\n", want: []string{"debian: 3 RUN 1000000000"}},
		"an image that is not there": {text: "FROM debian\nFROM missing\n", err: "the image docker.io/library/missing:latest: not found"},
		"a wrong port":               {text: "FROM debian\n\nEXPOSE x\n", err: "Dockerfile line 3: "},
		"a finding of BuildKit's":    {text: "# check=error=true\nFROM debian\nrun x\nENV A b\n", err: "Dockerfile line "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets, err := parse(t, c.text).Convert(t.Context(), dockerfile.Options{BuildArgs: c.args, Created: time.Unix(1e9, 0), Resolver: resolver{}})
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Fatalf("got %v, want an error %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, target := range targets {
				got = append(got, describe(t, target))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func describe(t *testing.T, target dockerfile.Target) string {
	t.Helper()
	result, err := graph.Parse(target.Definition)
	if err != nil {
		t.Fatal(err)
	}
	base, layers := result.Chain()
	image := ""
	if base != nil {
		image, _, _ = strings.Cut(strings.TrimPrefix(base.Op.GetSource().Identifier, "docker-image://docker.io/library/"), "@")
		image = strings.TrimSuffix(image, ":latest")
	}
	var texts []string
	for _, v := range layers {
		texts = append(texts, fmt.Sprintf("%d %s", v.Line, strings.Replace(v.Name, "--from=b ", "", 1)))
	}
	return image + ": " + strings.ReplaceAll(strings.Join(texts, ", "), "--link ", "")
}

func parse(t *testing.T, text string) *dockerfile.File {
	t.Helper()
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
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
		text    string
		inPlace bool
		want    []string
	}{
		"what the builder supports": {text: "# syntax=docker/dockerfile:1.7-labs\nFROM a\nRUN <<EOT\nx\nEOT\nRUN --network=none --mount=type=cache,target=/c x\n" +
			"COPY --link --parents --exclude=y x y\nADD --checksum=sha256:" + strings.Repeat("0", 64) + " https://example.com/x /\nADD https://example.com/x.git /\n"},
		"another frontend":              {text: "# syntax=example.com/frontend\nFROM a\n", want: []string{"1: # syntax=example.com/frontend"}},
		"a frontend with Docker's name": {text: "# syntax=example.com/docker/dockerfile:1\nFROM a\n", want: []string{"1: # syntax=example.com/docker/dockerfile:1"}},
		"the machine's network":         {text: "FROM a\nRUN --network=host x\n", want: []string{"2: RUN --network=host"}},
		"further rights":                {text: "FROM a\n\nRUN --security=insecure x\n", want: []string{"3: RUN --security=insecure"}},
		"keys":                          {text: "FROM a\nRUN --mount=type=ssh x\n", want: []string{"2: RUN --mount=type=ssh"}},
		"a secret that must be there":   {text: "FROM a\nRUN --mount=type=secret,id=x,required=true x\n", want: []string{"2: RUN --mount=type=secret,required"}},
		"a secret that may be missing":  {text: "FROM a\nRUN --mount=type=secret,id=x x\n"},
		"no network":                    {text: "FROM a\nRUN --network=none x\n"},
		"no network in place":           {text: "FROM a\nRUN --network=none x\n", inPlace: true, want: []string{"2: RUN --network=none"}},
		"a bind mount in place":         {text: "FROM a\nRUN --mount=target=/x x\n", inPlace: true, want: []string{"2: RUN --mount=type=bind"}},
		"every stage is looked at":      {text: "FROM a AS b\nRUN --network=host x\nFROM b\nRUN --network=host x\n", want: []string{"2: RUN --network=host", "4: RUN --network=host"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, u := range parse(t, c.text).Unsupported(c.inPlace) {
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
		_, err = file.Convert(t.Context(), dockerfile.Options{BuildArgs: map[string]string{"ARG": buildArg}, Resolver: resolver{}})
		if err != nil {
			if !errors.As(err, &syntax) {
				t.Fatalf("%T is not a *SyntaxError: %v", err, err)
			}
			inside(syntax.Line)
		}
		for _, u := range file.Unsupported(true) {
			inside(u.Line)
		}
	})
}
