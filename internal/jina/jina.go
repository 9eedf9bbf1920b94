// Package jina knows how Jina 1.x uses an image: the arguments with which its container runtime starts one, how an executor's
// control port is asked whether it is ready, and how a flow is made of it. What is here was read in Jina 1.3.1, the last 1.x.
package jina

import (
	"bufio"
	_ "embed"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	continuity "github.com/containerd/continuity/fs"
	"github.com/google/uuid"
)

// program is the name of Jina's command.
const program = "jina"

// Installation is a Jina in an image.
type Installation struct {
	// Program is the path of the command.
	Program string
	// Interpreter is the command line of the Python that the command is run by; empty where it is no script.
	Interpreter []string
}

// Find finds the Jina that a name without a slash means in a root with this PATH. It is nil where there is none.
func Find(root, searchPath string) *Installation {
	for _, dir := range strings.Split(searchPath, ":") {
		name := path.Join("/", dir, program)
		if file, err := continuity.RootPath(root, name); err == nil && executable(file) {
			return &Installation{Program: name, Interpreter: interpreter(file)}
		}
	}
	return nil
}

func executable(file string) bool {
	info, err := os.Lstat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// maxLine is how much of a script's first lines is read, in bytes: a kernel reads 256 of them (execve(2)).
const maxLine = 1024

// interpreter reads a script's first line. Where the path is too long for a kernel, pip lets a shell begin the script.
func interpreter(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewReader(io.LimitReader(f, maxLine))
	first, err := lines.ReadString('\n')
	words, ok := strings.CutPrefix(first, "#!")
	if err != nil || !ok {
		return nil
	}
	command := strings.Fields(words)
	if second, _ := lines.ReadString('\n'); slices.Equal(command, []string{"/bin/sh"}) {
		quoted, ok := strings.CutPrefix(second, "'''exec' ")
		if !ok {
			return nil
		}
		command = []string{strings.Trim(strings.TrimSuffix(strings.TrimSpace(quoted), ` "$0" "$@"`), `"`)}
	}
	return command
}

// Ports are those of an executor.
type Ports struct{ In, Out, Control int }

// Arguments are what Jina's container runtime puts behind an image's entry point for `jina pod --uses docker://IMAGE`: all
// that differs from the defaults of Jina's parser. The hosts are the defaults; a flow over several hosts gives them.
func Arguments(p Ports) []string {
	return []string{
		"--identity", uuid.NewString(), "--port-ctrl", strconv.Itoa(p.Control), "--port-in", strconv.Itoa(p.In), "--port-out", strconv.Itoa(p.Out),
		"--host-in", "0.0.0.0", "--host-out", "0.0.0.0", "--workspace-id", uuid.NewString(),
	}
}

// FlowReady is the line that the program of Flow prints once its flow is ready.
const FlowReady = "hub-publish: the flow is ready"

//go:embed flow.py
var flow string

// ErrNoConfig says that nothing tells which executor a flow would use.
var ErrNoConfig = errors.New("its entry point does not call `jina pod`, and there is no config.yml in its working directory")

// Flow is the command line of a Python program that opens a flow with the executor of an image, and closes it. command is the
// image's entry point with its command, and config reports whether there is a config.yml in its working directory.
func (i *Installation) Flow(command []string, config bool) ([]string, error) {
	uses := []string{"--uses", "config.yml"}
	if at := slices.IndexFunc(command, func(word string) bool { return path.Base(word) == program }); at >= 0 && len(command) > at+1 && command[at+1] == "pod" {
		uses = command[at+2:]
	} else if !config {
		return nil, ErrNoConfig
	}
	return slices.Concat(i.Interpreter, []string{"-c", flow}, uses), nil
}
