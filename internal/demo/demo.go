// Package demo shows the whole way on a sample hub: from a pull request with findings to images in a registry. It needs
// no network and no Docker: the sample's base image is made of this program, and the registry runs inside of it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/shellimage"
)

// The sample's parts: the hub on its main branch, the files that a pull request changes, and the mended ones among them.
const (
	hubDir         = "testdata/hub"
	pullRequestDir = "testdata/pull-request"
)

// Demo is one showing.
type Demo struct {
	Out   io.Writer
	Color bool
	// Sample holds the sample's parts.
	Sample fs.FS

	dir      string
	registry string
	git      *git.Repository
}

// Run shows it all. Its error says what did not come out as it should, or why there is no place to build in.
func (d *Demo) Run(ctx context.Context) error {
	var err error
	if d.dir, err = os.MkdirTemp("", "hub-publish-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	d.registry = strings.TrimPrefix(server.URL, "http://")

	d.say("A hub with two bundles, a registry at %s, and a base image made of this program.", d.registry)
	if err := d.pushBase(ctx); err != nil {
		return err
	}
	if d.git, err = git.PlainInit(d.dir, false); err != nil {
		return err
	}
	first, err := d.commit("feat: two bundles", hubDir)
	if err != nil {
		return err
	}

	d.say("1. The first push to main: both bundles are built and published.")
	if err := d.push(ctx, "", first, "changed", report.Published, report.Published); err != nil {
		return err
	}

	d.say("2. A pull request changes both, one without a new version, and adds a broken third: every failing check at its line.")
	second, err := d.commit("feat: a third bundle", pullRequestDir)
	if err != nil {
		return err
	}
	if err := d.pullRequest(ctx, first, second); err != nil {
		return err
	}

	d.say("3. The author takes the broken parts back, and the rest is merged: the bundle with the new version is published.")
	if err := os.RemoveAll(filepath.Join(d.dir, "executors/crafters")); err != nil {
		return err
	}
	third, err := d.commit("fix: take the broken parts back", hubDir+"/executors/encoders")
	if err != nil {
		return err
	}
	if err := d.push(ctx, first, third, "changed", report.Published); err != nil {
		return err
	}

	d.say("4. Everything is published once more: the registry has it all, nothing is built.")
	if err := d.push(ctx, first, third, "all", report.Unchanged, report.Unchanged); err != nil {
		return err
	}
	return d.showRegistry(ctx)
}

func (d *Demo) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if d.Color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(d.Out, "\n%s\n\n", text)
}

func (d *Demo) base() string { return d.registry + "/sample/sh:1" }

func (d *Demo) pushBase(ctx context.Context) error {
	img, err := shellimage.New()
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(d.base())
	if err != nil {
		return err
	}
	return remote.Write(reference, img, remote.WithContext(ctx))
}

// commit copies a part of the sample over the hub's files and commits all of them.
func (d *Demo) commit(message, part string) (string, error) {
	to := d.dir
	if below, ok := strings.CutPrefix(part, hubDir); ok {
		to = filepath.Join(d.dir, below)
	}
	if err := overlay(d.Sample, part, to); err != nil {
		return "", err
	}
	worktree, err := d.git.Worktree()
	if err != nil {
		return "", err
	}
	if err := worktree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return "", err
	}
	author := &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Now()}
	hash, err := worktree.Commit(message, &git.CommitOptions{Author: author})
	return hash.String(), err
}

func overlay(from fs.FS, part, to string) error {
	return fs.WalkDir(from, part, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, part))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// push runs the action as on a push to main, and holds what became of the bundles against what should.
func (d *Demo) push(ctx context.Context, before, after, bundles string, want ...report.Status) error {
	result, err := d.run(ctx, bundles, event.Event{Name: "push", Ref: "refs/heads/main", DefaultBranch: "main", Before: before, SHA: after})
	if err != nil {
		return err
	}
	var got []report.Status
	for _, b := range result.Bundles {
		if b.Status != report.Removed {
			got = append(got, b.Status)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("the bundles should be %v, but are %v", want, got)
	}
	return nil
}

// pullRequest runs the action as on a pull request whose head is checked out.
func (d *Demo) pullRequest(ctx context.Context, base, head string) error {
	result, err := d.run(ctx, "changed", event.Event{Name: "pull_request", PullRequest: 1, Base: base, Head: head, SHA: head})
	if err != nil {
		return err
	}
	if len(result.Paths(report.Failed)) == 0 {
		return errors.New("the pull request should have findings, but has none")
	}
	return nil
}

func (d *Demo) run(ctx context.Context, bundles string, e event.Event) (*report.Report, error) {
	given := map[string]string{"registry": d.registry, "bundles": bundles, "build-args": "BASE=" + d.base(), "isolation": string(builder.Sandbox), "required-approvals": "0"}
	inputs, err := input.Read(given, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	repository, err := history.Open(d.dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	run := pipeline.Run{Inputs: inputs, Event: e, Dir: d.dir, Files: root.FS(), Repository: repository, API: compare.NoAPI{}, Log: report.NewLog(d.Out, false)}
	result, err := run.Do(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(d.Out)
	report.Terminal{Out: d.Out, Files: root.FS(), Color: d.Color}.Print(result)
	return result, nil
}

// showRegistry lists what can be pulled at the end.
func (d *Demo) showRegistry(ctx context.Context) error {
	d.say("What can be pulled now:")
	r, err := name.NewRegistry(d.registry)
	if err != nil {
		return err
	}
	repositories, err := remote.Catalog(ctx, r)
	if err != nil {
		return err
	}
	for _, repository := range repositories {
		tags, err := remote.List(r.Repo(repository), remote.WithContext(ctx))
		if err != nil {
			return err
		}
		fmt.Fprintf(d.Out, "%s/%s: %s\n", d.registry, repository, strings.Join(tags, ", "))
	}
	return nil
}
