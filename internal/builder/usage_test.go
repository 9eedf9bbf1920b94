package builder_test

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/trial"
	"github.com/jina/hub-publish/internal/usage"
)

// jinaBundle is a bundle whose executor is of a class.
func jinaBundle(class string) string {
	return `
-- Dockerfile --
ARG JINA
FROM $JINA
WORKDIR /workspace
COPY config.yml .
ENTRYPOINT ["jina", "pod", "--uses", "config.yml"]
-- config.yml --
!` + class + "\n"
}

// try tries an image with one of the basic tests.
func try(ctx context.Context, t *testing.T, b *builder.Builder, img *builder.Image, test usage.Test) *trial.Outcome {
	t.Helper()
	if test.Timeout == 0 {
		test.Timeout = 5 * time.Second
	}
	outcome, err := b.Try(ctx, img, test, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// newUsageBuilder is one of many builders: they share the base images.
func newUsageBuilder(t *testing.T) *builder.Builder {
	t.Helper()
	return newBuilder(t, func(o *builder.Options) { o.BuildArgs, o.Store = append(o.BuildArgs, "JINA="+jinaBase), store })
}

// TestBasicUsage tries images that are broken each in a way of its own, and good ones.
func TestBasicUsage(t *testing.T) {
	t.Parallel()
	b := newUsageBuilder(t)
	const passes = ""
	for _, test := range []struct {
		name, files    string
		run, cli, flow string // what the problem says
	}{
		{"good", jinaBundle("Good"), passes, passes, passes},
		{"catches SIGTERM", jinaBundle("CatchesTerm"), passes, passes, passes},
		{"entry point not found", strings.Replace(jinaBundle("Good"), `"jina"`, `"jinn"`, 1),
			"`jinn pod --uses config.yml` cannot be started: \"jinn\": executable file not found in $PATH", "`jinn pod --uses config.yml --identity", passes},
		{"import fails at start", jinaBundle("ImportFails"),
			"it was expected to listen on a TCP port; it ended after N.Xs with exit status 1",
			"it was expected to listen on the ports that Jina gives it (--port-in N, --port-out N, --port-ctrl N), and to answer at the last one; it ended after N.Xs with exit status 1",
			"it was expected to become ready in a Flow of Jina's; it ended after N.Xs with exit status 1"},
		{"crash after three seconds", jinaBundle("CrashesLate"), "it ended after N.Xs with exit status 1", "it ended after N.Xs with exit status 1", "it ended after N.Xs with exit status 1"},
		{"never ready", jinaBundle("NeverReady"),
			"it was expected to listen on a TCP port within 5s; its control port N is open, but does not answer: the executor has not loaded",
			"within 5s; its control port N is open, but does not answer: the executor has not loaded",
			"it was expected to become ready in a Flow of Jina's within 5s; the flow is still not ready"},
		{"ignores SIGTERM", jinaBundle("IgnoresTerm"), "it was ready after N.Xs, but did not stop within 10s after the signal SIGTERM, and was killed", "did not stop within 10s after the signal SIGTERM", passes},
		{"wrong class", jinaBundle("Nobody"), "exit status 1", "exit status 1", "exit status 1"},
		{"no Python", strings.Replace(jinaBundle("Good"), "COPY", "RUN rm /usr/bin/python3\nCOPY", 1),
			"`jina pod --uses config.yml` cannot be started: /usr/bin/jina: no such file or directory; it is a script for /usr/bin/python3, which is not in the image",
			"which is not in the image", "cannot be started: \"/usr/bin/python3\": stat /usr/bin/python3: no such file or directory"},
		{"a command instead of an entry point", strings.Replace(jinaBundle("Good"), "ENTRYPOINT", "CMD", 1), passes, "it has no ENTRYPOINT, behind which Jina puts the ports; write ENTRYPOINT instead of CMD", passes},
	} {
		t.Run(test.name, func(t *testing.T) { // one image is tried at a time
			img, _, err := buildFiles(t, b, test.files)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct{ name, problem string }{{usage.Run, test.run}, {usage.CLI, test.cli}, {usage.Flow, test.flow}} {
				o := try(t.Context(), t, b, img, usage.Test{Name: want.name})
				got := variable(o.Problem)
				if o.NotApplicable != "" || (want.problem == "") != (got == "") || !strings.Contains(got, want.problem) {
					t.Errorf("%s: %q (does not apply: %q); want %q", want.name, got, o.NotApplicable, want.problem)
				}
				t.Logf("%s: ready after %s, ended after %s with %s; %q", want.name, o.Ready, o.Stop, o.End, o.Last)
			}
		})
	}
}

var (
	tenths  = regexp.MustCompile(`\d+\.\ds`)
	numbers = regexp.MustCompile(`\d{4,}`)
)

// variable replaces what is another each time.
func variable(text string) string {
	return numbers.ReplaceAllString(tenths.ReplaceAllString(text, "N.Xs"), "N")
}

// TestUsageTellsTheEnd looks at what is told beyond the problem.
func TestUsageTellsTheEnd(t *testing.T) {
	t.Parallel()
	b := newUsageBuilder(t)
	// A Go program without a handler of its own ends with 2 where the kernel keeps the signal from it.
	for class, want := range map[string]string{"Good": "exit status 2", "CatchesTerm": "exit status 7"} {
		img, _, err := buildFiles(t, b, jinaBundle(class))
		if err != nil {
			t.Fatal(err)
		}
		if got := try(t.Context(), t, b, img, usage.Test{Name: usage.Run}); got.End != want || got.Ready == 0 || got.Stop == 0 {
			t.Errorf("%s: %+v, want the end %q", class, got, want)
		}
	}
	img, _, err := buildFiles(t, b, jinaBundle("ImportFails"))
	if err != nil {
		t.Fatal(err)
	}
	got := try(t.Context(), t, b, img, usage.Test{Name: usage.Run})
	if want := "Traceback (most recent call last):|ModuleNotFoundError: No module named 'torch'"; strings.Join(got.Last, "|") != want {
		t.Errorf("the last lines are %q, want %q", got.Last, want)
	}
}

// TestUsageWithoutJina tries images in which there is no Jina, with the tests that a hub may write.
func TestUsageWithoutJina(t *testing.T) {
	t.Parallel()
	b := newUsageBuilder(t)
	port := freePort(t)
	zero, three := 0, 3
	entrypoint := func(words string) string {
		return "-- Dockerfile --\nARG BASE\nFROM $BASE\nWORKDIR /workspace\nRUN echo made > file.txt\nENTRYPOINT " + words + "\n"
	}
	listening, listeningAt := entrypoint(`["attempt", "listen", ":0"]`), entrypoint(fmt.Sprintf(`["attempt", "listen", ":%d"]`, port))
	echo := entrypoint(`["sh", "-c", "echo ready as $NAME in $(pwd); exit 3"]`)
	for _, test := range []struct {
		name, files string
		test        usage.Test
		applies     string // why not
		problem     string
	}{
		{"run", listening, usage.Test{Name: usage.Run}, "", ""},
		{"cli", listening, usage.Test{Name: usage.CLI}, "there is no `jina` in its PATH", ""},
		{"flow", listening, usage.Test{Name: usage.Flow}, "there is no `jina` in its PATH", ""},
		{"its port", listeningAt, usage.Test{Name: "a", Ready: usage.Ready{Port: port}}, "", ""},
		{"another port", listening, usage.Test{Name: "a", Ready: usage.Ready{Port: 1}, Timeout: time.Second}, "", "it was expected to listen on the TCP port 1 within 1s; it listens on N instead"},
		{"alive", listening, usage.Test{Name: "a", Ready: usage.Ready{Alive: 200 * time.Millisecond}}, "", ""},
		{"not alive for long", echo, usage.Test{Name: "a", Ready: usage.Ready{Alive: time.Second}}, "", "it was expected to live for 1s; it ended after N.Xs with exit status 3"},
		{"no port", echo, usage.Test{Name: usage.Run}, "", "it was expected to listen on a TCP port; it ended after N.Xs with exit status 3"},
		{"exit status", echo, usage.Test{Name: "a", Ready: usage.Ready{Exit: &three}}, "", ""},
		{"another exit status", echo, usage.Test{Name: "a", Ready: usage.Ready{Exit: &zero}}, "", "it was expected to end with exit status 0; it ended after N.Xs with exit status 3"},
		{"environment and directory", echo, usage.Test{Name: "a", Environment: map[string]string{"NAME": "me"}, Ready: usage.Ready{Log: regexp.MustCompile("^ready as me in /workspace$")}}, "", "it was ready after N.Xs, but did not stay alive: it ended with exit status 3"},
		{"a pattern that nothing matches", echo, usage.Test{Name: "a", Ready: usage.Ready{Log: regexp.MustCompile("never")}}, "", `it was expected to print a line that matches "never"; it ended after N.Xs`},
		{"arguments", entrypoint(`["sh", "-c"]`), usage.Test{Name: "a", Arguments: []string{"exit 3"}, Ready: usage.Ready{Exit: &three}}, "", ""},
		{"command", listening, usage.Test{Name: "a", Command: []string{"sh", "-c", "cat file.txt"}, Ready: usage.Ready{Exit: &zero}}, "", ""},
		{"basic test with a command", listening, usage.Test{Name: usage.CLI, Command: []string{"sh", "-c", "exit 0"}, Ready: usage.Ready{Exit: &zero}}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			img, _, err := buildFiles(t, b, test.files)
			if err != nil {
				t.Fatal(err)
			}
			got := try(t.Context(), t, b, img, test.test)
			if problem := variable(got.Problem); got.NotApplicable != test.applies || (problem == "") != (test.problem == "") || !strings.Contains(problem, test.problem) {
				t.Errorf("got %q (does not apply: %q); want %q (%q)", problem, got.NotApplicable, test.problem, test.applies)
			}
		})
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
