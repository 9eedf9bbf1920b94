package shellimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mvdan.cc/sh/moreinterp/coreutils"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// RunShell acts as a shell and ends the process, where this process was started by the name of one; otherwise it does
// nothing. Call it first in main. It knows `sh SCRIPT` and `sh -c COMMANDS`, and brings the core utilities along.
func RunShell() {
	if filepath.Base(os.Args[0]) != filepath.Base(shell) {
		return
	}
	err := runShell(os.Args[1:])
	var status interp.ExitStatus
	switch {
	case errors.As(err, &status):
		os.Exit(int(status))
	case err != nil:
		fmt.Fprintln(os.Stderr, "sh:", err)
		os.Exit(2)
	}
	os.Exit(0)
}

func runShell(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: sh SCRIPT [ARG…] or sh -c COMMANDS [NAME [ARG…]]")
	}
	script, name, rest := "", args[0], args[1:]
	if name == "-c" {
		if len(rest) == 0 {
			return errors.New("-c needs commands")
		}
		script, rest = rest[0], rest[min(len(rest), 2):]
	} else {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		script = string(data)
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), name)
	if err != nil {
		return err
	}
	runner, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr), interp.Params(append([]string{"--"}, rest...)...),
		interp.ExecHandlers(coreutils.ExecHandler))
	if err != nil {
		return err
	}
	return runner.Run(context.Background(), file)
}
