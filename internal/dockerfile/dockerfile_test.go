package dockerfile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jina/hub-publish/internal/dockerfile"
	"github.com/jina/hub-publish/internal/graph"
)

// resolver knows images by their names: of most, that they are a Debian of one layer.
type resolver struct {
	// asked is told the platform of each image that is asked for; nil is told nothing.
	asked func(platform string)
}

func (r resolver) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if r.asked != nil {
		platform := "any"
		if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
			platform = opt.ImageOpt.Platform.OS + "/" + opt.ImageOpt.Platform.Architecture
		}
		r.asked(platform)
	}
	more := ""
	switch {
	case strings.Contains(ref, "missing"):
		return "", "", nil, &dockerfile.ResolveError{Image: ref, Err: errNotFound}
	case strings.Contains(ref, "broken"):
		return ref, digest.FromString(ref), []byte("not JSON"), nil
	case strings.Contains(ref, "triggers"):
		more = `,"OnBuild":["RUN trigger","LABEL triggered=yes"]`
	case strings.Contains(ref, "badtrigger"):
		more = `,"OnBuild":["EXPOSE x"]`
	case strings.Contains(ref, "commented"):
		more = `,"OnBuild":["# check=skip=all\nRUN trigger"]`
	case strings.Contains(ref, "labelled"):
		more = `,"Labels":{"base":"1","both":"1"}`
	}
	const config = `{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]%s},"rootfs":{"type":"layers","diff_ids":["sha256:%064d"]}}`
	return ref, digest.FromString(ref), fmt.Appendf(nil, config, more, 1), nil
}

var errNotFound = errors.New("not found")

// created is the commit's time in these tests: SOURCE_DATE_EPOCH is 1000000000.
var created = time.Unix(1e9, 0)

// TestConvert has what each stage makes: its base and the instructions that add a layer, with their lines.
func TestConvert(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		args map[string]string
		want []string
	}{
		"one stage":                        {text: "FROM debian\nRUN x\nENV A=b\nRUN y $A\n", want: []string{"debian: 2 RUN x, 4 RUN y b"}},
		"no newline at the end":            {text: "FROM debian\nFROM debian\nRUN x", want: []string{"debian: ", "debian: 3 RUN x"}},
		"a stage that nobody uses":         {text: "FROM debian\nRUN test\nFROM alpine\nRUN x\n", want: []string{"debian: 2 RUN test", "alpine: 4 RUN x"}},
		"a name in capitals":               {text: "FROM debian AS Test\nRUN x\nFROM test\nRUN y\n", want: []string{"debian: 2 RUN x", "debian: 2 RUN x, 4 RUN y"}},
		"the last stage has a name":        {text: "FROM debian AS a\nRUN x\nFROM a AS b\nRUN y\n", want: []string{"debian: 2 RUN x", "debian: 2 RUN x, 4 RUN y"}},
		"two stages of one name":           {text: "FROM debian AS a\nRUN x\nFROM debian AS a\nRUN y\nFROM a\n", want: []string{"debian: 2 RUN x", "debian: 4 RUN y", "debian: 4 RUN y"}},
		"three stages of one name":         {text: "FROM a AS s\nRUN x\nFROM b as S\nRUN y\nFROM c AS s\nRUN z\n", want: []string{"a: 2 RUN x", "b: 4 RUN y", "c: 6 RUN z"}},
		"one name, one on the other":       {text: "FROM debian AS a\nRUN x\nFROM a AS a\nRUN y\nFROM a\nRUN z\n", want: []string{"debian: 2 RUN x", "debian: 2 RUN x, 4 RUN y", "debian: 2 RUN x, 4 RUN y, 6 RUN z"}},
		"an image of a later stage's name": {text: "FROM debian\nRUN x\nFROM alpine AS debian\nRUN y\n", want: []string{"debian: 2 RUN x", "alpine: 4 RUN y"}},
		"a FROM of two lines, CRLF":        {text: "from \\\r\n debian\r\nrun x\r\nFROM debian\r\n", want: []string{"debian: 3 RUN x", "debian: "}},
		"a FROM with a comment in it":      {text: "FROM debian \\\n# AS b\n\n  AS a\nRUN x\nFROM debian AS a\nRUN y\n", want: []string{"debian: 5 RUN x", "debian: 7 RUN y"}},
		"a name of two lines":              {text: "FROM debian AS na\\\nme\nRUN x\nFROM debian AS name\nRUN y\n", want: []string{"debian: 3 RUN x", "debian: 5 RUN y"}},
		"another escape":                   {text: "# escape=`\nFROM `\n debian\nRUN x `\n y\nFROM debian\nRUN z\n", want: []string{"debian: 4 RUN x  y", "debian: 7 RUN z"}},
		"a byte order mark":                {text: "\uFEFFFROM debian\nRUN x\nFROM debian\nRUN y\n", want: []string{"debian: 2 RUN x", "debian: 4 RUN y"}},
		"a heredoc with a FROM":            {text: "FROM debian\nRUN <<EOT\nFROM a AS b\nEOT\nCOPY <<a <<b /\nFROM c\na\nb\nFROM debian\nRUN x\n", want: []string{"debian: 2 RUN <<EOT (FROM a AS b), 5 COPY <<a <<b /", "debian: 10 RUN x"}},
		"lower case":                       {text: "from debian\nrun x\nfrom debian as a\nrun y\nfrom debian as a\n", want: []string{"debian: 2 RUN x", "debian: 4 RUN y", "debian: "}},
		"stages by their numbers":          {text: "FROM alpine\nRUN x\nFROM debian\nCOPY --from=0 /a /\nFROM debian AS a\nCOPY --from=1 /b /\n", want: []string{"alpine: 2 RUN x", "debian: 4 COPY --from=0 /a /", "debian: 6 COPY --from=1 /b /"}},
		"an empty image":                   {text: "FROM scratch\nCOPY a /\n", want: []string{": 2 COPY a /"}},
		"nothing at all":                   {text: "FROM scratch\n", want: []string{": "}},
		"a layer of its own":               {text: "FROM debian\nRUN x\nCOPY --link a /\nRUN y\n", want: []string{"debian: 2 RUN x, 3 COPY --link a /, 4 RUN y"}},
		"copies from another stage":        {text: "FROM alpine AS b\nRUN x\nFROM debian\nCOPY --from=b /a /\n", want: []string{"alpine: 2 RUN x", "debian: 4 COPY --from=b /a /"}},
		"a build argument":                 {text: "ARG T=1\nFROM debian:$T\nARG X\nRUN $X\n", args: map[string]string{"T": "2", "X": "y"}, want: []string{"debian:2: 4 RUN y"}},
		"a build argument's default":       {text: "ARG T=1\nFROM debian:$T\nARG T\nARG X=z\nRUN $T $X\n", want: []string{"debian:1: 5 RUN 1 z"}},
		"a build argument of no use":       {text: "FROM debian\nRUN ${X:-none}\n", args: map[string]string{"X": "y"}, want: []string{"debian: 2 RUN ${X:-none}"}},
		"the time, where a stage asks":     {text: "FROM debian\nARG SOURCE_DATE_EPOCH\nRUN $SOURCE_DATE_EPOCH\nFROM debian\nRUN ${SOURCE_DATE_EPOCH}\n", want: []string{"debian: 3 RUN 1000000000", "debian: 5 RUN ${SOURCE_DATE_EPOCH}"}},
		"the time, before the first FROM":  {text: "ARG SOURCE_DATE_EPOCH\nFROM debian:$SOURCE_DATE_EPOCH\nRUN x\n", want: []string{"debian:1000000000: 3 RUN x"}},
		"the time, in both":                {text: "ARG SOURCE_DATE_EPOCH=5\nFROM debian\nARG SOURCE_DATE_EPOCH\nRUN $SOURCE_DATE_EPOCH\n", want: []string{"debian: 4 RUN 1000000000"}},
		"the time, beside other ARGs":      {text: "FROM debian\nARG A=1 SOURCE_DATE_EPOCH\nRUN $SOURCE_DATE_EPOCH\n", want: []string{"debian: 3 RUN 1000000000"}},
		"the time that is given":           {text: "FROM debian\nARG SOURCE_DATE_EPOCH\nRUN $SOURCE_DATE_EPOCH\n", args: map[string]string{"SOURCE_DATE_EPOCH": "7"}, want: []string{"debian: 3 RUN 7"}},
		"what the base wants done":         {text: "FROM debian\nFROM triggers\nRUN x\n", want: []string{"debian: ", "triggers: 2 ONBUILD RUN trigger, 3 RUN x"}},
		"what it wants, with a comment":    {text: "FROM commented\nRUN x\n", want: []string{"commented: 1 ONBUILD RUN trigger, 2 RUN x"}},
		"what a stage wants done":          {text: "FROM debian AS a\nONBUILD RUN x\nFROM a\nRUN y\n", want: []string{"debian: ", "debian: 3 ONBUILD RUN x, 4 RUN y"}},
		"findings that nobody asks for":    {text: "FROM debian\nrun x\nENV A b\nFROM alpine AS B\n", want: []string{"debian: 2 RUN x", "alpine: "}},
		"no finding on a name of ours":     {text: "# check=error=true\nfrom debian\nrun x\nfrom debian\n", want: []string{"debian: 3 RUN x", "debian: "}},
		"a finding that is not to be one":  {text: "# check=error=true\nFROM debian\n# check=skip=LegacyKeyValueFormat\nENV A b\nRUN x\n", want: []string{"debian: 5 RUN x"}},
		"nor on one in capitals":           {text: "# check=error=true\nFROM debian\nRUN x\nFROM debian\n", want: []string{"debian: 3 RUN x", "debian: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets, err := parse(t, c.text).Convert(t.Context(), dockerfile.Options{BuildArgs: c.args, Created: created, Resolver: resolver{}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, target := range targets {
				got = append(got, describe(t, target))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// describe is a target's base and its layers.
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
		texts = append(texts, fmt.Sprintf("%d %s", v.Line, v.Name))
	}
	return image + ": " + strings.Join(texts, ", ")
}

// TestSharedWork asks that an operation is the same one in each target that depends on it, and in each conversion: the
// worker does it once.
func TestSharedWork(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the context":       "FROM debian AS a\nCOPY . /src\nRUN x\nFROM debian\nCOPY --from=a /y /\nCOPY . /src\n",
		"a mounted context": "FROM debian AS a\nRUN --mount=target=/src x\nFROM a\nRUN y\n",
		"stages of no name": "FROM debian\nADD . /src\nWORKDIR /w\nFROM debian\nCOPY --from=0 /src /\nFROM debian\nCOPY --from=1 / /\n",
		"stages of a name":  "FROM debian AS a\nADD . /src\nFROM a AS a\nRUN x\nFROM a AS a\nRUN y\n",
		"downloads":         "FROM debian AS a\nADD https://example.com/x /x\nADD https://example.com/y.git /y\nFROM a\nRUN x\n",
		"heredocs":          "FROM debian AS a\nCOPY <<x <<y /\na\nx\nb\ny\nRUN <<EOT\nx\nEOT\nFROM a\nRUN y\n",
		"mounts":            "FROM debian AS a\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s x\nFROM a\nRUN y\n",
		"layers of its own": "FROM debian AS a\nCOPY --link a /\nCOPY --link b /\nFROM a\nRUN y\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			convert := func(i int) (all []string) {
				targets, err := parse(t, text).Convert(t.Context(), dockerfile.Options{Created: created, Labels: map[string]string{"a": "b"}, Resolver: resolver{}})
				if err != nil {
					t.Fatal(err)
				}
				result, err := graph.Parse(targets[(i+len(targets))%len(targets)].Definition)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range result.Vertices() {
					all = append(all, v.Digest)
				}
				return all
			}
			first, last := convert(0), convert(-1)
			for _, digest := range first {
				if !slices.Contains(last, digest) {
					t.Errorf("the last target does %s otherwise than the first", digest)
				}
			}
		})
	}
}

// TestConvertErrors has Dockerfiles that are parsed, and do not stand for anything to do.
func TestConvertErrors(t *testing.T) {
	t.Parallel()
	const missing = "the image docker.io/library/missing:latest: not found"
	for name, c := range map[string]struct {
		text       string
		line       int
		message    string
		unresolved bool
	}{
		"an image that is not there":           {text: "FROM debian\nFROM missing\n", line: 2, message: missing, unresolved: true},
		"its FROM has two lines":               {text: "FROM debian\n\nFROM \\\n  missing AS a\nFROM debian AS a\n", line: 3, message: missing, unresolved: true},
		"an image to copy from":                {text: "FROM debian\nRUN x\nCOPY --from=missing a /\n", line: 3, message: missing, unresolved: true},
		"an image to mount":                    {text: "FROM debian\nRUN --mount=from=debian,target=/d x\nRUN --mount=target=/x --mount=from=missing,target=/m,uid=$U x\n", line: 3, message: missing, unresolved: true},
		"an image to mount, of a cache":        {text: "FROM debian AS a\nFROM a\nRUN --mount=type=cache,from=docker.io/library/missing:latest,target=/m x\n", line: 3, message: missing, unresolved: true},
		"an image to mount, by an ONBUILD":     {text: "FROM debian AS a\nONBUILD RUN --mount=from=missing,target=/m x\nFROM a\n", line: 1, message: missing, unresolved: true},
		"an image of another build's argument": {text: "ARG V\nFROM debian\nFROM $V\n", line: 3, message: "base name ($V) should not be blank"},
		"a configuration that is none":         {text: "FROM debian\nFROM broken\n", line: 2, message: "failed to parse image config"},
		"a wrong port":                         {text: "FROM debian\n\nEXPOSE x\n", line: 3, message: "invalid containerPort: x"},
		"an unused stage's wrong port":         {text: "FROM debian\nEXPOSE x\nFROM debian\n", line: 2, message: "invalid containerPort: x"},
		"what the base wants is wrong":         {text: "FROM debian\nFROM badtrigger\n", line: 2, message: "invalid containerPort: x"},
		"a variable that is none":              {text: "FROM debian\nRUN x\nENV A=${B:x}\n", line: 3, message: "failed to process"},
		"a stage of a number that is none":     {text: "FROM debian\nRUN x\nCOPY --from=7 a /\n", line: 3, message: "invalid stage index 7"},
		"a stage by a variable":                {text: "FROM debian\nARG S=0\nCOPY --from=$S a /\n", line: 3, message: "variable expansion is not supported for --from"},
		"a stage whose name a later one takes": {text: "FROM a AS s\nFROM b\nCOPY --from=s / /\nFROM c AS s\n", line: 3, message: "cannot copy from stage \"s\""},
		"stages that need each other":          {text: "FROM debian AS a\nCOPY --from=b x /\nFROM debian AS b\nCOPY --from=a x /\n", line: 2, message: "circular dependency detected on stage: "},
		"a platform that is none":              {text: "FROM debian\nFROM --platform=a/b/c/d debian\n", line: 2, message: "failed to parse platform a/b/c/d"},
		"a finding, where it is to fail":       {text: "# check=error=true\nFROM debian\nrun x\n", line: 3, message: "lint violation found for rules: ConsistentInstructionCasing"},
		"a finding in an unused stage":         {text: "# check=error=true\nFROM debian\nENV A b\nFROM debian\n", line: 3, message: "lint violation found for rules: LegacyKeyValueFormat"},
		"a check that is none":                 {text: "# check=error=maybe\nFROM debian\n", line: 1, message: "failed to parse check options"},
		"a mount that is none":                 {text: "FROM debian\nARG T=x\nRUN --mount=type=$T x\n", line: 3, message: "unsupported mount type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets, err := parse(t, c.text).Convert(t.Context(), dockerfile.Options{Created: created, Resolver: resolver{}})
			if err == nil || targets != nil {
				t.Fatalf("got %v and the error %v", targets, err)
			}
			var syntax *dockerfile.SyntaxError
			var image *dockerfile.ResolveError
			switch {
			case c.unresolved && errors.As(err, &image):
				if image.Line != c.line || err.Error() != c.message || !errors.Is(err, errNotFound) {
					t.Errorf("got line %d: %q\nwant line %d: %q", image.Line, err, c.line, c.message)
				}
			case !c.unresolved && errors.As(err, &syntax):
				if syntax.Line != c.line || !strings.HasPrefix(syntax.Message, c.message) {
					t.Errorf("got line %d: %q\nwant line %d: %q", syntax.Line, syntax.Message, c.line, c.message)
				}
				if want := fmt.Sprintf("Dockerfile line %d: %s", c.line, syntax.Message); err.Error() != want {
					t.Errorf("got %q, want %q", err, want)
				}
			default:
				t.Errorf("got a %T: %v", err, err)
			}
		})
	}
}

// TestLabels asks that those which are given are over all others, and are the image's alone: what a test in another stage
// is built from does not change with them.
func TestLabels(t *testing.T) {
	t.Parallel()
	targets, err := parse(t, "FROM labelled\nLABEL a=1\nFROM labelled\nLABEL both=2 own=2 \"with blank\"=2\n").
		Convert(t.Context(), dockerfile.Options{Labels: map[string]string{"both": "3", "given": "3"}, Resolver: resolver{}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{{"base": "1", "both": "1", "a": "1"}, {"base": "1", "both": "3", "own": "2", "with blank": "2", "given": "3"}} {
		if got := targets[i].Image.Config.Labels; !maps.Equal(got, want) {
			t.Errorf("target %d has the labels %q, want %q", i, got, want)
		}
	}
}

// TestConfiguration has what the last stage and its base make of an image's configuration.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	targets, err := parse(t, "FROM triggers AS a\nENV A=b\nUSER c:d\nFROM a\nWORKDIR /w\nENTRYPOINT [\"e\"]\nCMD f\nEXPOSE 80\nSTOPSIGNAL 9\n").
		Convert(t.Context(), dockerfile.Options{Resolver: resolver{}})
	if err != nil {
		t.Fatal(err)
	}
	c := targets[1].Image.Config
	got := fmt.Sprint(c.Env, c.User, c.WorkingDir, c.Entrypoint, c.Cmd, c.ExposedPorts, c.StopSignal, c.Labels, c.OnBuild)
	if want := "[PATH=/bin A=b]c:d/w[e] [/bin/sh -c f] map[80/tcp:{}]9map[triggered:yes] []"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(targets[0].Image.History); n == 0 {
		t.Error("the image does not tell its history")
	}
}

// TestTimes asks that an image tells the commit's time only where its Dockerfile asks for it, as `docker build` does.
func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"FROM debian\nWORKDIR /w\n":                                              "none",
		"FROM debian\nENV SOURCE_DATE_EPOCH=1\nWORKDIR /w\n":                     "none",
		"FROM debian\nARG SOURCE_DATE\nWORKDIR /w\n":                             "none",
		"ARG SOURCE_DATE_EPOCH\nFROM debian\nWORKDIR /w\n":                       "2001-09-09T01:46:40Z",
		"FROM debian\nARG A\nARG B SOURCE_DATE_EPOCH\nFROM debian\nWORKDIR /w\n": "2001-09-09T01:46:40Z",
	} {
		targets, err := parse(t, text).Convert(t.Context(), dockerfile.Options{Created: created, Resolver: resolver{}})
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if history := targets[len(targets)-1].Image.History; history[len(history)-1].Created != nil {
			got = history[len(history)-1].Created.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: got the time %s, want %s", text, got, want)
		}
	}
}

// TestPlatform has the platforms that an image is looked for on and made for.
func TestPlatform(t *testing.T) {
	t.Parallel()
	own := "linux/" + runtime.GOARCH
	for name, c := range map[string]struct {
		text, platform string
		asked          []string
		want           string
	}{
		"this machine's":       {text: "FROM debian\n", asked: []string{own}, want: "linux/amd64"},
		"one that is given":    {text: "FROM debian\nARG TARGETARCH\nRUN $TARGETARCH\n", platform: "linux/arm64", asked: []string{"linux/arm64"}, want: "linux/arm64"},
		"one of a stage":       {text: "FROM --platform=linux/s390x debian\n", platform: "linux/arm64", asked: []string{"linux/s390x"}, want: "linux/arm64"},
		"one of another stage": {text: "FROM --platform=linux/s390x debian AS a\nFROM debian\nCOPY --from=a x /\n", platform: "linux/arm64", asked: []string{"linux/arm64", "linux/s390x", "linux/s390x"}, want: "linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mutex sync.Mutex // BuildKit asks for several at a time
			var asked []string
			options := dockerfile.Options{Resolver: resolver{func(platform string) {
				mutex.Lock()
				defer mutex.Unlock()
				asked = append(asked, platform)
			}}}
			if c.platform != "" {
				system, architecture, _ := strings.Cut(c.platform, "/")
				options.Platform = &ocispecs.Platform{OS: system, Architecture: architecture}
			}
			targets, err := parse(t, c.text).Convert(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(asked)
			if !slices.Equal(asked, c.asked) {
				t.Errorf("asked for %q, want %q", asked, c.asked)
			}
			img := targets[len(targets)-1].Image
			if got := img.OS + "/" + img.Architecture; got != c.want {
				t.Errorf("made for %s, want %s", got, c.want)
			}
		})
	}
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
		"keys that may be missing":      {text: "FROM a\nRUN --mount=type=ssh,required=false x\n", want: []string{"2: RUN --mount=type=ssh"}},
		"keys beside a variable":        {text: "FROM a\nARG U\nRUN --mount=type=cache,target=$U/c,uid=$U,mode=$U --mount=type=tmpfs,target=/t,size=$U --mount=type=ssh x\n", want: []string{"3: RUN --mount=type=ssh"}},
		"a secret by a variable":        {text: "FROM a\nARG R\nRUN --mount=type=secret,id=$R,required=$R x\n"},
		"a mount by a variable":         {text: "FROM a\nARG T\nRUN --mount=type=$T x\n"},
		"devices":                       {text: "FROM a\nRUN --device=vendor.example/x=all x\n", want: []string{"2: RUN --device"}},
		"several at once":               {text: "FROM a\nRUN --network=host --security=insecure --mount=type=ssh \\\n --mount=type=ssh x\n", want: []string{"2: RUN --network=host", "2: RUN --security=insecure", "2: RUN --mount=type=ssh", "2: RUN --mount=type=ssh"}},
		"what a child is to do":         {text: "FROM a\nONBUILD RUN --network=host x\n"},
		"what is in a heredoc":          {text: "FROM a\nRUN <<EOT\nRUN --network=host x\nEOT\n"},
		"the default of each":           {text: "FROM a\nRUN --network=default --security=sandbox --mount=type=tmpfs,target=/t --mount=target=/x x\n"},
		"Docker's frontend":             {text: "# syntax=docker/dockerfile\nFROM a\n"},
		"Docker's frontend, in full":    {text: "# syntax = docker.io/docker/dockerfile:1.2-labs@sha256:" + strings.Repeat("a", 64) + "\nFROM a\n"},
		"Docker's frontend, its digest": {text: "# escape=`\n# syntax=docker/dockerfile@sha256:" + strings.Repeat("a", 64) + "\nFROM a\n"},
		"Docker's next frontend":        {text: "# syntax=docker/dockerfile-upstream:master\nFROM a\n"},
		"a frontend of a longer name":   {text: "# escape=`\n# syntax=docker/dockerfile-x:1\nFROM a\n", want: []string{"2: # syntax=docker/dockerfile-x:1"}},
		"a frontend of a broken digest": {text: "# syntax=docker/dockerfile@sha256:abc\nFROM a\n", want: []string{"1: # syntax=docker/dockerfile@sha256:abc"}},
		"a comment on a frontend":       {text: "# a\n# syntax=example.com/frontend\nFROM a\n"},
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
		"from \\\r\n a\r\nrun x\r\nFROM missing AS b\nFROM a AS b\n", "\uFEFFFROM a AS b\\\nc\nFROM triggers AS bc\nCOPY --from=7 x y\n",
		"ARG SOURCE_DATE_EPOCH\nFROM --platform=$X a\nCOPY --link --from=$A x y\nFROM scratch\nRUN --mount=from=missing,uid=$A x\n",
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
		key, value, _ := strings.Cut(buildArg, "=")
		targets, err := file.Convert(t.Context(), dockerfile.Options{BuildArgs: map[string]string{key: value}, Created: created, Resolver: resolver{}})
		var image *dockerfile.ResolveError
		switch {
		case err == nil:
			if len(targets) != len(file.Stages) {
				t.Errorf("%d targets of %d stages", len(targets), len(file.Stages))
			}
		case errors.As(err, &image):
			inside(image.Line)
		case errors.As(err, &syntax):
			inside(syntax.Line)
			if strings.Contains(syntax.Message, "target stage") {
				t.Errorf("a stage is not found by the name that it was given: %v", err)
			}
		default:
			t.Fatalf("%T is neither a *SyntaxError nor a *ResolveError: %v", err, err)
		}
		for _, target := range targets {
			result, err := graph.Parse(target.Definition)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range result.Vertices() {
				if v.Line != 0 {
					inside(v.Line)
				}
			}
		}
		for _, u := range file.Unsupported(true) {
			inside(u.Line)
		}
	})
}
