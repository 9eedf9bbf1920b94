package config_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/usage"
)

// showTest has the parts of a test that are set.
func showTest(t usage.Test) string {
	parts := []string{t.Name + ":"}
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(t.Off, "off")
	add(t.Command != nil, "command %q", t.Command)
	add(t.Arguments != nil, "arguments %q", t.Arguments)
	for _, name := range slices.Sorted(maps.Keys(t.Environment)) {
		add(true, "%s=%q", name, t.Environment[name])
	}
	add(t.Ready.Port != 0, "port %d", t.Ready.Port)
	add(t.Ready.Log != nil, "log %q", t.Ready.Log)
	if t.Ready.Exit != nil {
		add(true, "exit %d", *t.Ready.Exit)
	}
	add(t.Ready.Alive != 0, "alive %s", t.Ready.Alive)
	add(t.Timeout != 0, "timeout %s", t.Timeout)
	return strings.Join(parts, " ")
}

// bundleTests is the archive of bundles' own usage tests.
const bundleTests = "usage"

// TestParseUsageTest holds what the parser says of each example against the archive.
func TestParseUsageTest(t *testing.T) {
	t.Parallel()
	all := examples(t, bundleTests)
	for i, e := range all {
		t.Run(e.name, func(t *testing.T) {
			test, err := config.ParseUsageTest(e.name, e.text)
			got := showTest(test) + "\n"
			if err != nil {
				got = err.Error() + "\n"
			}
			if !*update && got != string(e.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, e.want)
			}
			all[i].want = []byte(got)
		})
	}
	if *update {
		write(t, bundleTests, all)
	}
}

// TestParseUsageTestNames gives names that no archive can hold.
func TestParseUsageTestNames(t *testing.T) {
	t.Parallel()
	for _, name := range append(usage.Basic, "", "-a", "a/b", "../a", "a\n", "\xff", "é", strings.Repeat("a", 41), strings.Repeat("A", 1<<20)) {
		_, err := config.ParseUsageTest(name, []byte("timeout: 3s"))
		var wrong *config.Error
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0].At.Line != 1 {
			t.Fatalf("%.80q: got %v, want one problem on line 1", name, err)
		}
		if m := wrong.Problems[0].Message; !strings.Contains(m, "rename the file") || len(m) > 500 {
			t.Errorf("%.80q: the message is %q", name, m)
		}
	}
	if _, err := config.ParseUsageTest(strings.Repeat("a", 40), []byte("timeout: 3s")); err != nil {
		t.Error(err)
	}
}

// holds asks whether a test that was read is one that can be run.
func holds(t *testing.T, test usage.Test) {
	t.Helper()
	set := 0
	for _, is := range []bool{test.Ready.Port != 0, test.Ready.Log != nil, test.Ready.Exit != nil, test.Ready.Alive != 0} {
		if is {
			set++
		}
	}
	basic := slices.Contains(usage.Basic, test.Name)
	switch {
	case !usage.NamePattern.MatchString(test.Name), test.Off && !basic, set > 1,
		test.Command != nil && (test.Arguments != nil || test.Command[0] == ""),
		test.Ready.Port < 0 || test.Ready.Port > 65535,
		test.Ready.Exit != nil && (*test.Ready.Exit < 0 || *test.Ready.Exit > 255),
		test.Ready.Alive < 0 || test.Ready.Alive > time.Hour,
		test.Timeout < 0 || test.Timeout > time.Hour,
		test.Off != (showTest(test) == test.Name+": off"), showTest(test) == test.Name+":":
		t.Errorf("no such test can be run: %+v", test)
	}
	for name, value := range test.Environment {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
			t.Errorf("no environment holds %q=%q", name, value)
		}
	}
}

func FuzzParseUsageTest(f *testing.F) {
	for _, e := range examples(f, bundleTests) {
		f.Add(e.name, e.text)
	}
	for _, text := range []string{
		"arguments: ['', a]\nready: {port: 80}", "environment: {A: 1, B: true, C: ''}\nready: {alive: 1.5s}", "ready: {log: '^a+$'}\ntimeout: 1h",
	} {
		f.Add("smoke", []byte(text))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		test, err := config.ParseUsageTest(name, data)
		if err != nil {
			placed(t, data, err)
			return
		}
		holds(t, test)
		if test.Name != name || slices.Contains(usage.Basic, name) {
			t.Errorf("the name %q became %q", name, test.Name)
		}
	})
}
