//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// publication is an entry of the output published.
type publication struct {
	Bundle, Image, Version, Digest string
	Tags                           []string
	Existed                        bool
}

// pushTo is a push to the publish branch that publishes into a namespace of the test registry.
func pushTo(t *testing.T, namespace, before, after, workspace string) action {
	return action{
		event:     "push",
		payload:   push(before, after),
		workspace: workspace,
		inputs:    map[string]string{"registry": registry(t), "namespace": namespace},
	}
}

// A push to the publish branch publishes every bundle; the same push again changes nothing.
func TestPushPublishes(t *testing.T) {
	t.Parallel()
	inEachPlace(t, pushPublishes)
}

func pushPublishes(t *testing.T, p place) {
	h := newHub(t)
	bundles := []bundle{newBundle(t, "GreenEncoder", "0.0.1"), newBundle(t, "RedEncoder", "1.2.3")}
	for _, b := range bundles {
		h.add(b)
	}
	commit := h.commit("feat: add two encoders")
	namespace := newNamespace()
	workspace := h.checkout("push", commit, 1)

	first := pushTo(t, namespace, noCommit, commit, workspace).in(p).run(t)
	first.expectExit(t, 0)
	expectIsolation(t, first.log, p)
	published := publications(t, first)
	if len(published) != len(bundles) {
		t.Fatalf("published: %s", first.outputs["published"])
	}
	for i, b := range bundles {
		image := b.image(registry(t), namespace)
		reference := image + ":" + b.version
		p := published[b.path()]
		if got := digest(t, reference); got != p.Digest || p.Existed {
			t.Errorf("%s is %s in the registry; published: %+v", reference, got, p)
		}
		if got := digest(t, image+":latest"); got != p.Digest {
			t.Errorf("latest is %s, expected %s", got, p.Digest)
		}
		pull(t, reference)
		if got, expected := docker(t, "run", "--rm", reference), "hello from "+b.name; got != expected {
			t.Errorf("%s prints %q, expected %q", reference, got, expected)
		}
		expectLabels(t, reference, map[string]string{
			"ai.jina.hub.name":                 b.name,
			"ai.jina.hub.version":              b.version,
			"ai.jina.hub.tree":                 h.git("rev-parse", "HEAD:"+b.path()),
			"org.opencontainers.image.version": b.version,
		})
		expectOnlyItsOwn(t, reference, b, bundles[1-i])
	}
	expectUntouched(t, workspace, first.workspace)

	second := pushTo(t, namespace, noCommit, commit, workspace).in(p).run(t)
	second.expectExit(t, 0)
	again := publications(t, second)
	for _, b := range bundles {
		p := again[b.path()]
		if !p.Existed {
			t.Errorf("the second run published %s again: %+v", b.name, p)
		}
		if got := digest(t, b.image(registry(t), namespace)+":"+b.version); got != published[b.path()].Digest {
			t.Errorf("%s changed from %s to %s", b.name, published[b.path()].Digest, got)
		}
		if status := second.report.status(b.path()); status != "unchanged" {
			t.Errorf("status of %s in the second report: %q", b.name, status)
		}
	}
}

// An image that is published stays what it is, whatever is pushed under its version.
func TestChangedVersionTreeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newBundle(t, "StableEncoder", "0.0.1")
	h.add(b)
	before := h.commit("feat: add an encoder")
	namespace := newNamespace()
	pushTo(t, namespace, noCommit, before, h.checkout("push", before, 0)).run(t).expectExit(t, 0)
	reference := b.image(registry(t), namespace) + ":" + b.version
	published := digest(t, reference)

	h.write(b.path()+"/more.txt", "more\n")
	after := h.commit("fix: more of it")
	got := pushTo(t, namespace, before, after, h.checkout("push", after, 0)).run(t)
	got.expectExit(t, 1)
	if !got.report.has("publish/exists", "version/not-bumped") {
		t.Errorf("findings: %+v", got.report.all())
	}
	if now := digest(t, reference); now != published {
		t.Errorf("%s was %s and is %s", reference, published, now)
	}
}

func publications(t *testing.T, o outcome) map[string]publication {
	t.Helper()
	byBundle := map[string]publication{}
	for _, p := range list[publication](t, o, "published") {
		byBundle[p.Bundle] = p
	}
	return byBundle
}

func expectLabels(t *testing.T, reference string, expected map[string]string) {
	t.Helper()
	got := labels(t, reference)
	for key, value := range expected {
		if got[key] != value {
			t.Errorf("label %s of %s is %q, expected %q", key, reference, got[key], value)
		}
	}
}

// expectOnlyItsOwn looks for what another bundle of the same run wrote.
func expectOnlyItsOwn(t *testing.T, reference string, own, other bundle) {
	t.Helper()
	files := strings.Fields(docker(t, "run", "--rm", "--entrypoint", "ls", reference, "/", "/workspace"))
	for _, b := range []bundle{own, other} {
		name := strings.ToLower(b.name)
		for _, file := range []string{"made-by-" + name, name + ".txt"} {
			if slices.Contains(files, file) != (b.name == own.name) {
				t.Errorf("%s in %s: %q", file, reference, files)
			}
		}
	}
}

// expectUntouched compares a workspace after a step with what it was before. The step's own
// directory is new, and git may refresh its index.
func expectUntouched(t *testing.T, before, after string) {
	t.Helper()
	expected, got := snapshot(t, before), snapshot(t, after)
	for path, was := range expected {
		if is, ok := got[path]; !ok {
			t.Errorf("the step removed %s", path)
		} else if is.content != was.content {
			t.Errorf("the step changed %s", path)
		} else if is.owner != workspaceOwner {
			t.Errorf("the step gave %s to %s", path, is.owner)
		}
		delete(got, path)
	}
	for path := range got {
		t.Errorf("the step left %s", path)
	}
}

type snapshotEntry struct{ content, owner string }

func snapshot(t *testing.T, root string) map[string]snapshotEntry {
	t.Helper()
	entries := map[string]snapshotEntry{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch name {
		case ".hub-publish":
			return fs.SkipDir
		case filepath.Join(".git", "index"):
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		content := ""
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(text)
		case info.Mode()&fs.ModeSymlink != 0:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		entries[name] = snapshotEntry{
			content: info.Mode().String() + " " + content,
			owner:   fmt.Sprintf("%d:%d", stat.Uid, stat.Gid),
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
