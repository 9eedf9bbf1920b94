package trial

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"lines":                {"one\ntwo\n", "one|two"},
		"no end":               {"one\ntwo", "one|two"},
		"blank ones":           {"\none\n\n \n", "|one"},
		"colours":              {"\x1b[38;5;15mred\x1b[0m \x1b]0;title\x07end\n", "red end"},
		"written over":         {"10%\r50%\r100%\n", "100%"},
		"Windows":              {"one\r\ntwo\r\n", "one|two"},
		"no UTF-8":             {"a\xffb\n", "a\ufffdb"},
		"a long one":           {strings.Repeat("x", 600) + "\nend\n", strings.Repeat("x", maxLine) + "|end"},
		"more than are wanted": {strings.Repeat("x\n", 10) + strings.Repeat("y\n", lastLines), strings.TrimSuffix(strings.Repeat("y|", lastLines), "|")},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			l := &lines{to: io.Discard}
			for rest := test.text; rest != ""; rest = rest[min(size, len(rest)):] {
				fmt.Fprint(l, rest[:min(size, len(rest))])
			}
			if got := strings.Join(l.last(), "|"); got != test.want {
				t.Errorf("%s, in pieces of %d: %q, want %q", name, size, got, test.want)
			}
		}
	}
}

func TestMatched(t *testing.T) {
	t.Parallel()
	l := &lines{to: io.Discard, pattern: regexp.MustCompile("^ready$")}
	for _, step := range []struct {
		text string
		want bool
	}{{"not rea", false}, {"dy\nrea", false}, {"dy", true}, {" now\n", false}, {"\x1b[32mready\x1b[0m\nmore\n", true}, {"more\n", true}} {
		fmt.Fprint(l, step.text)
		if got := l.matched(); got != step.want {
			t.Errorf("after %q: %t, want %t", step.text, got, step.want)
		}
	}
}
