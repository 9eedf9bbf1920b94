package jina_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/jina"
)

func TestFind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, text string
		mode       os.FileMode
		want       *jina.Installation
	}{
		"a script":            {"usr/local/bin/jina", "#!/usr/bin/python3\nimport cli\n", 0o755, &jina.Installation{Program: "/usr/local/bin/jina", Interpreter: []string{"/usr/bin/python3"}}},
		"by env":              {"usr/bin/jina", "#! /usr/bin/env python\n", 0o755, &jina.Installation{Program: "/usr/bin/jina", Interpreter: []string{"/usr/bin/env", "python"}}},
		"a long path":         {"usr/bin/jina", "#!/bin/sh\n'''exec' /opt/a/very/long/path/python \"$0\" \"$@\"\n' '''\n", 0o755, &jina.Installation{Program: "/usr/bin/jina", Interpreter: []string{"/opt/a/very/long/path/python"}}},
		"a shell script":      {"usr/bin/jina", "#!/bin/sh\necho\n", 0o755, &jina.Installation{Program: "/usr/bin/jina"}},
		"a program":           {"usr/bin/jina", "\x7fELF", 0o755, &jina.Installation{Program: "/usr/bin/jina"}},
		"nothing":             {"usr/bin/other", "#!/usr/bin/python3\n", 0o755, nil},
		"not executable":      {"usr/bin/jina", "#!/usr/bin/python3\n", 0o644, nil},
		"not in the PATH":     {"opt/jina", "#!/usr/bin/python3\n", 0o755, nil},
		"a line without end":  {"usr/bin/jina", "#!" + strings.Repeat("x", 5000), 0o755, &jina.Installation{Program: "/usr/bin/jina"}},
		"a line of NUL bytes": {"usr/bin/jina", strings.Repeat("\x00", 5000), 0o755, &jina.Installation{Program: "/usr/bin/jina"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			path := filepath.Join(root, test.file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(test.text), test.mode)); err != nil {
				t.Fatal(err)
			}
			got := jina.Find(root, "/usr/local/bin:/usr/bin")
			if (got == nil) != (test.want == nil) || got != nil && (got.Program != test.want.Program || !slices.Equal(got.Interpreter, test.want.Interpreter)) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	installed := jina.Installation{Interpreter: []string{"python"}}
	for name, test := range map[string]struct {
		command string
		config  bool
		want    string // behind the program
		err     error
	}{
		"jina pod":       {"jina pod --uses a.yml --timeout-ready 1", false, "--uses a.yml --timeout-ready 1", nil},
		"by its path":    {"/usr/bin/jina pod --uses a.yml", false, "--uses a.yml", nil},
		"a script":       {"sh start.sh", true, "--uses config.yml", nil},
		"another config": {"sh start.sh", false, "", jina.ErrNoConfig},
		"jina flow":      {"jina flow", false, "", jina.ErrNoConfig},
	} {
		args, err := installed.Flow(strings.Fields(test.command), test.config)
		if !errors.Is(err, test.err) || err == nil && (args[0] != "python" || args[1] != "-c" || strings.Join(args[3:], " ") != test.want) {
			t.Errorf("%s: %q, %v", name, args, err)
		}
	}
}
