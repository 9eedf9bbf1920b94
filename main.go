// Command hub-publish turns a repository of bundles into published images; see README.md.
package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/cli"
	"github.com/jina/hub-publish/internal/shellimage"
)

// sample is the hub that the demo works on.
//
//go:embed all:testdata/hub all:testdata/pull-request
var sample embed.FS

func main() {
	builder.RunChild()
	shellimage.RunShell()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(60) // 10,000 bundles fit into 150 MB instead of 200, for a twentieth more time
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "hub-publish:", err)
		os.Exit(cli.Wrong)
	}
	os.Exit(cli.Run(ctx, os.Args[1:], cli.Environment{Dir: dir, Getenv: os.Getenv, Out: os.Stdout, Err: os.Stderr, Sample: sample}))
}
