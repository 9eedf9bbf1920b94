//go:build !race

package builder_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/usage"
)

// TestHostileUsage tries images that want to do harm, and holds the next build against the one before: nothing may be left.
func TestHostileUsage(t *testing.T) { // beside no other: it takes the whole machine for a moment
	port := freePort(t)
	b := newUsageBuilder(t)
	good := "-- Dockerfile --\nARG BASE\nFROM $BASE\nWORKDIR /workspace\nCOPY good.txt /good.txt\nENTRYPOINT " + fmt.Sprintf(`["attempt", "listen", ":%d"]`, port) + "\n-- good.txt --\ngood\n"
	build := func() (*builder.Image, string) {
		img, _, err := buildFiles(t, b, good)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return img, digest.String()
	}
	_, before := build()
	for name, hostile := range map[string]struct{ entrypoint, problem string }{
		"forks without end":         {`["attempt", "fork"]`, "more than N processes and threads were started while it ran, which is the limit, and it was killed"},
		"holds the port":            {`["sh", "-c", "trap '' TERM INT HUP; attempt listen :` + strconv.Itoa(port) + `"]`, ""},
		"ignores signals":           {`["attempt", "ignore"]`, "did not stop within 10s"},
		"writes to its root":        {`["sh", "-c", "rm -rf /bin/attempt /etc /good.txt; echo bad > /good.txt; echo bad > /bin/sh; while true; do sleep 1; done"]`, "within 2s"},
		"prints without end":        {`["sh", "-c", "while true; do echo a long line that says nothing at all; done"]`, "within 2s"},
		"speaks rubbish":            {`["attempt", "rubbish"]`, "within 2s"},
		"leaves a process that has": {`["sh", "-c", "attempt listen :` + strconv.Itoa(port) + ` & sleep 0.2; exit 0"]`, ""},
	} {
		files := strings.Replace(good, fmt.Sprintf(`["attempt", "listen", ":%d"]`, port), hostile.entrypoint, 1)
		if name == "speaks rubbish" {
			files = strings.Replace(files, "COPY", "RUN echo '#!/bin/sh' > /usr/bin/jina && chmod 755 /usr/bin/jina\nCOPY", 1)
		}
		img, _, err := buildFiles(t, b, files)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := try(t.Context(), t, b, img, usage.Test{Name: usage.Run, Timeout: 2 * time.Second})
		if hostile.problem != "" && !strings.Contains(variable(got.Problem), hostile.problem) {
			t.Errorf("%s: %q, want %q", name, got.Problem, hostile.problem)
		}
		t.Logf("%s: %q after %s", name, got.Problem, time.Since(began))
		next, after := build()
		if after != before {
			t.Errorf("%s: the next build is %s, was %s", name, after, before)
		}
		if got := try(t.Context(), t, b, next, usage.Test{Name: usage.Run}); got.Problem != "" {
			t.Errorf("%s: the next image does not pass: %s", name, got.Problem)
		}
		if again, err := next.Digest(); err != nil || again.String() != before {
			t.Errorf("%s: the tested image is %s (%v)", name, again, err)
		}
	}
}

// TestUsageTime measures what the tests take beyond what the image takes to start and to stop.
func TestUsageTime(t *testing.T) {
	b := newUsageBuilder(t)
	img, _, err := buildFiles(t, b, jinaBundle("Good"))
	if err != nil {
		t.Fatal(err)
	}
	var all time.Duration
	for _, name := range usage.Basic {
		began := time.Now()
		got := try(t.Context(), t, b, img, usage.Test{Name: name})
		took := time.Since(began)
		t.Logf("%s: %s in all, ready after %s, ended after %s", name, took, got.Ready, got.Stop)
		all += took
	}
	if all > time.Second { // start and stop are among it: the program itself takes some 10 ms
		t.Errorf("the three tests take %s, want at most 1 s", all)
	}
}
