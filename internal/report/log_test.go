package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jina/hub-publish/internal/report"
)

func TestLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		groups bool
		do     func(*report.Section)
		want   string
	}{
		"a line of the run's own": {true, func(l *report.Section) { l.Printf("%d bundles", 2) }, "2 bundles\n"},
		"instructions": {true, func(l *report.Section) {
			l.Step(2, "RUN x")
			l.Output([]byte("one\ntwo\n"))
			l.Step(13, "RUN y")
		}, "   2 | RUN x\n     |   one\n     |   two\n  13 | RUN y\n"},
		"where nobody folds groups": {false, func(l *report.Section) {
			l.Step(2, "RUN x")
			l.Output([]byte("one\n"))
		}, "   2 | RUN x\n     |   one\n"},
		"an output in pieces": {true, func(l *report.Section) {
			for _, piece := range []string{"o", "ne\nt", "wo", "\n\n", "\nthree\n"} {
				l.Output([]byte(piece))
			}
		}, "     |   one\n     |   two\n     |   three\n"},
		"carriage returns end lines too": {true, func(l *report.Section) { l.Output([]byte("10%\r20%\r\n::error::x\r##[error]y\n")) },
			"     |   10%\n     |   20%\n     |   | ::error::x\n     |   ## [error]y\n"},
		"the end of a bundle ends its last line": {true, func(l *report.Section) { l.Output([]byte("one\ntw")) }, "     |   one\n     |   tw\n"},
		"the next instruction ends a line": {true, func(l *report.Section) {
			l.Output([]byte("o"))
			l.Step(3, "RUN x")
			l.Output([]byte("ne\n"))
		}, "     |   o\n   3 | RUN x\n     |   ne\n"},
		"an instruction of more lines":     {true, func(l *report.Section) { l.Step(3, "RUN x \\\n  && y") }, "   3 | RUN x …\n"},
		"an instruction with a blank line": {true, func(l *report.Section) { l.Step(3, "\n RUN x\n") }, "   3 | RUN x\n"},
		"commands in what we print":        {true, func(l *report.Section) { l.Printf(" ::error::%s", "x\n::error::y\r##[error]z") }, "|  ::error::x ::error::y ## [error]z\n"},
		"commands in an instruction":       {true, func(l *report.Section) { l.Step(1, "RUN echo\r::error::x ##[error]y") }, "   1 | RUN echo ::error::x ## [error]y\n"},
		"a command in pieces":              {true, func(l *report.Section) { l.Output([]byte("#")); l.Output([]byte("#[er")); l.Output([]byte("ror]x\n")) }, "     |   ## [error]x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			s := report.NewLog(&out, c.groups).Open("a")
			c.do(s)
			s.Close("behind it")
			want := "a\n" + c.want + "behind it\n"
			if c.groups {
				want = "::group::a\n" + c.want + "::endgroup::\nbehind it\n"
			}
			if out.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
			}
		})
	}
}

// TestSections has bundles that are built side by side, and are read one after another.
func TestSections(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := report.NewLog(&out, true)
	l.Printf("two bundles")
	a, b, c := l.Open("a"), l.Open("b\n::error::x ##[error]y"), l.Open("c")
	b.Step(1, "RUN b")
	a.Step(1, "RUN a")
	c.Close("of c")
	b.Output([]byte("from b\n"))
	a.Output([]byte("from a\n"))
	const live = "two bundles\n::group::a\n   1 | RUN a\n     |   from a\n"
	if out.String() != live {
		t.Errorf("while a is open, got:\n%s\nwant:\n%s", out.String(), live)
	}
	a.Close("of a")
	b.Output([]byte("more\n"))
	const both = live + "::endgroup::\nof a\n::group::b ::error::x ## [error]y\n   1 | RUN b\n     |   from b\n     |   more\n"
	if out.String() != both {
		t.Errorf("while b is open, got:\n%s\nwant:\n%s", out.String(), both)
	}
	b.Close()
	const all = both + "::endgroup::\n::group::c\n::endgroup::\nof c\n"
	if out.String() != all {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), all)
	}
}

// TestSectionsInOrder has sections that are closed in an order of their own, before the first and after it.
func TestSectionsInOrder(t *testing.T) {
	t.Parallel()
	for _, groups := range []bool{true, false} {
		for _, order := range []string{"abcd", "dcba", "badc", "cdab", "bcda", "acbd"} {
			var out bytes.Buffer
			l := report.NewLog(&out, groups)
			sections := map[rune]*report.Section{}
			for _, name := range "abcd" {
				sections[name] = l.Open(string(name))
			}
			for _, name := range order {
				sections[name].Printf("in %c", name)
				sections[name].Output([]byte("half a line"))
			}
			for _, name := range order {
				sections[name].Close(fmt.Sprintf("behind %c", name), "::error::x")
			}
			want := ""
			for _, name := range "abcd" {
				begin, end := "", ""
				if groups {
					begin, end = "::group::", "::endgroup::\n"
				}
				want += fmt.Sprintf("%s%c\nin %[2]c\n     |   half a line\n%sbehind %[2]c\n| ::error::x\n", begin, name, end)
			}
			if out.String() != want {
				t.Errorf("closed in the order %s, got:\n%s\nwant:\n%s", order, out.String(), want)
			}
		}
	}
}

// TestSectionAfterAll opens one when all before it are done, and one while a closed one still waits.
func TestSectionAfterAll(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := report.NewLog(&out, false)
	l.Open("a").Close()
	b := l.Open("b")
	l.Open("c").Close("behind c")
	d := l.Open("d")
	d.Step(1, "RUN d")
	l.Printf("the run's own")
	b.Close()
	d.Output([]byte("x\n"))
	if want := "a\nb\nthe run's own\nc\nbehind c\nd\n   1 | RUN d\n     |   x\n"; out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

// TestSectionsSideBySide has a goroutine a bundle: no line is lost, cut or in another's section.
func TestSectionsSideBySide(t *testing.T) {
	t.Parallel()
	const bundles, lines = 8, 50
	var out bytes.Buffer
	var want strings.Builder
	l := report.NewLog(&out, true)
	var group sync.WaitGroup
	for i := range bundles {
		s := l.Open(fmt.Sprint(i))
		fmt.Fprintf(&want, "::group::%d\n", i)
		for n := range lines {
			fmt.Fprintf(&want, "%4d | RUN %d\n     |   %d of %d\n", n, i, n, i)
		}
		fmt.Fprintf(&want, "::endgroup::\nbehind %d\n", i)
		group.Go(func() {
			for n := range lines {
				s.Step(n, fmt.Sprintf("RUN %d", i))
				s.Output(fmt.Appendf(nil, "%d of", n))
				s.Output(fmt.Appendf(nil, " %d\n", i))
			}
			s.Close(fmt.Sprintf("behind %d", i))
		})
	}
	group.Wait()
	if out.String() != want.String() {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want.String())
	}
}

// TestLogWithoutEnd has a build that prints, but no line.
func TestLogWithoutEnd(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := report.NewLog(&out, true).Open("a")
	const n = 1 << 20
	for range n / 1024 {
		l.Output(bytes.Repeat([]byte("x"), 1024))
	}
	if out.Len() < n/2 {
		t.Errorf("%d bytes of %d are in the log, the others are kept in memory", out.Len(), n)
	}
	l.Close()
	if got := strings.Count(out.String(), "x"); got != n {
		t.Errorf("%d characters of %d are in the log", got, n)
	}
}

// TestLogOfSilence has an instruction that prints nothing for long, by a clock that waits for nobody.
func TestLogOfSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := report.NewLog(&out, true).Open("a")
		l.Step(2, "RUN make")
		time.Sleep(20 * time.Second)
		l.Output([]byte("half\n"))
		time.Sleep(61 * time.Second)
		l.Step(3, "RUN true")
		time.Sleep(999 * time.Millisecond)
		l.Close()
		time.Sleep(time.Hour)
		const want = "::group::a\n   2 | RUN make\n     |   half\n     | still running after 50s: RUN make\n     | still running after 1m20s: RUN make\n     | took 81.0 s\n" +
			"   3 | RUN true\n::endgroup::\n"
		if out.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
		}
	})
}

// TestSilenceSideBySide has two bundles that print nothing for long: it is said of the one whose section is read, and of
// the other from when its turn comes. How long an instruction took counts from its beginning in both.
func TestSilenceSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := report.NewLog(&out, true)
		a, b, c := l.Open("a"), l.Open("b"), l.Open("c")
		a.Step(1, "RUN a")
		b.Step(1, "RUN b")
		c.Step(1, "RUN c")
		time.Sleep(31 * time.Second)
		c.Close()
		a.Close()
		time.Sleep(31 * time.Second)
		b.Output([]byte("half a line")) // of which nothing is to be seen yet, but the instruction is not silent
		time.Sleep(31 * time.Second)
		b.Step(2, "RUN true")
		b.Close()
		time.Sleep(time.Hour)
		const want = "::group::a\n   1 | RUN a\n     | still running after 30s: RUN a\n     | took 31.0 s\n::endgroup::\n" +
			"::group::b\n   1 | RUN b\n     | still running after 1m1s: RUN b\n     | still running after 1m32s: RUN b\n     |   half a line\n     | took 93.0 s\n   2 | RUN true\n::endgroup::\n" +
			"::group::c\n   1 | RUN c\n     | took 31.0 s\n::endgroup::\n"
		if out.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
		}
	})
}

// FuzzLog asks that nothing which comes from outside is a command to the runner, however it is cut in pieces.
func FuzzLog(f *testing.F) {
	for _, seed := range []string{"::error::x", "##[error]x", "a\r::add-mask::b\n##[add-mask]c", "#\r#[error]x", "###[[error]x", "\u00a0\u2028::error::x", "##\n[error]x", "\x00##[error]\xff"} {
		f.Add(seed, 2, true)
	}
	f.Fuzz(func(t *testing.T, text string, at int, groups bool) {
		at = min(max(at, 0), len(text))
		var out bytes.Buffer
		log := report.NewLog(&out, groups)
		log.Printf("%s", text)
		l := log.Open(text)
		l.Printf("%s", text)
		l.Step(at, text)
		l.Output([]byte(text[:at]))
		l.Output([]byte(text[at:]))
		l.Printf("%s%s", text[at:], text[:at])
		l.Close(text)
		var names []string
		for _, c := range commands(out.String()) {
			names = append(names, c.name)
		}
		want := ""
		if groups {
			want = "group endgroup"
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("the runner reads the commands %q, want %q, of:\n%s", got, want, out.String())
		}
		if strings.Contains(out.String(), "##[") {
			t.Errorf("##[ is left in:\n%s", out.String())
		}
	})
}
