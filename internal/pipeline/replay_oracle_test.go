//go:build !race

package pipeline_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"gopkg.in/yaml.v3"
)

// blob is what a commit has at a path. A submodule has no text.
type blob struct {
	mode filemode.FileMode
	text string
}

// snapshot is all that a commit has.
type snapshot map[string]blob

// readWhole reads a commit's tree, every file of it.
func readWhole(t *testing.T, r *git.Repository, commit string) snapshot {
	t.Helper()
	c, err := r.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.Tree()
	if err != nil {
		t.Fatal(err)
	}
	all := snapshot{}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch entry.Mode {
		case filemode.Dir:
		case filemode.Submodule:
			all[name] = blob{entry.Mode, entry.Hash.String()}
		default:
			file, err := r.BlobObject(entry.Hash)
			if err != nil {
				t.Fatal(err)
			}
			reader, err := file.Reader()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(reader)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = blob{entry.Mode, string(text)}
		}
	}
}

// oracle answers which bundles a run looks at as the hub's contract words it, with both trees in hand and no shortcut.
type oracle struct{ base, head snapshot }

const replayRoot = "executors"

var replayKinds = []string{"classifier", "crafter", "encoder", "evaluator", "indexer", "ranker", "segmenter", "trainer"}

// has reports whether there is a regular file.
func (s snapshot) has(file string) bool {
	b, ok := s[file]
	return ok && (b.mode == filemode.Regular || b.mode == filemode.Executable)
}

// above are the directories above a path, the nearest first.
func above(file string) []string {
	parts := strings.Split(file, "/")
	var dirs []string
	for i := len(parts) - 1; i > 0; i-- {
		dirs = append(dirs, strings.Join(parts[:i], "/"))
	}
	return dirs
}

// levels is how many levels a directory stands below a kind folder; -1 outside of each.
func levels(dir string) int {
	parts := strings.Split(dir, "/")
	if parts[0] != replayRoot || len(parts) < 2 {
		return -1
	}
	for _, kind := range replayKinds {
		if parts[1] == kind || parts[1] == kind+"s" {
			return len(parts) - 2
		}
	}
	return -1
}

func hiddenDir(dir string) bool { return strings.HasPrefix(dir, ".") || strings.Contains(dir, "/.") }

// manifestIn is a directory's manifest where it is a bundle's.
func (s snapshot) manifestIn(dir string) bool {
	if hiddenDir(dir) || !s.has(dir+"/manifest.yml") {
		return false
	}
	if levels(dir) >= 0 || s.has(dir+"/Dockerfile") {
		return true
	}
	found := 0
	for _, key := range []string{"name", "kind", "type", "description"} {
		if _, ok := keysOf(s[dir+"/manifest.yml"].text)[key]; ok {
			found++
		}
	}
	return found >= 2
}

// marked reports whether a directory holds a file that only bundles have.
func (s snapshot) marked(dir string) bool {
	return s.has(dir+"/Dockerfile") || s.has(dir+"/config.yml") || s.has(dir+"/requirements.txt")
}

// owner is the bundle that a path belongs to, or "".
func (o oracle) owner(file string) string {
	dirs := above(file)
	for _, dir := range dirs {
		if o.head.manifestIn(dir) || o.base.manifestIn(dir) {
			return dir
		}
	}
	slices.Reverse(dirs) // a group folder holds none of them: one level below goes before two
	for _, dir := range dirs {
		if n := levels(dir); (n == 1 || n == 2) && !hiddenDir(dir) && o.head.marked(dir) {
			return dir
		}
	}
	return ""
}

// changed are the paths that differ, sorted.
func (o oracle) changed() []string {
	var paths []string
	for file, now := range o.head {
		if was, ok := o.base[file]; !ok || was != now {
			paths = append(paths, file)
		}
	}
	for file := range o.base {
		if _, ok := o.head[file]; !ok {
			paths = append(paths, file)
		}
	}
	slices.Sort(paths)
	return paths
}

// gone reports whether no file of a bundle is left at the head, of those that are not in a bundle below it.
func (o oracle) gone(dir string) bool {
	for file, b := range o.head {
		if b.mode == filemode.Submodule || !strings.HasPrefix(file, dir+"/") {
			continue
		}
		inner := false
		for _, d := range above(file) {
			inner = inner || strings.HasPrefix(d, dir+"/") && o.head.has(d+"/manifest.yml")
		}
		if !inner {
			return false
		}
	}
	return true
}

// compared is the manifest at the base that a bundle is compared with: of the same image, wherever it stood, else of the
// same place. One that is as it was still makes its image itself.
func (o oracle) compared(dir string) string {
	file := dir + "/manifest.yml"
	was, now := "", o.head[file].text
	if o.base.manifestIn(dir) {
		was = o.base[file].text
	}
	if o.head.has(file) && o.base[file] == o.head[file] || imageOf(now) == "" || imageOf(was) == imageOf(now) {
		return was
	}
	var same []string
	for other, b := range o.base {
		if path.Base(other) == "manifest.yml" && o.base.manifestIn(path.Dir(other)) && b != o.head[other] && imageOf(b.text) == imageOf(now) {
			same = append(same, path.Dir(other))
		}
	}
	if len(same) == 0 {
		return was
	}
	slices.Sort(same)
	// Of several that made one image none's version may come again: the highest counts.
	return o.base[slices.MaxFunc(same, func(a, b string) int {
		return compareVersions(o.base[a+"/manifest.yml"].text, o.base[b+"/manifest.yml"].text)
	})+"/manifest.yml"].text
}

// answer is a line a bundle, with what the version rules find.
func (o oracle) answer() []string {
	bundles := map[string]int{}
	for _, file := range o.changed() {
		if owner := o.owner(file); owner != "" {
			bundles[owner]++
		}
	}
	var lines []string
	for _, dir := range slices.Sorted(maps.Keys(bundles)) {
		if o.gone(dir) {
			lines = append(lines, dir+": removed")
			continue
		}
		was, now := o.compared(dir), o.head[dir+"/manifest.yml"].text
		if keysOf(was) == nil {
			was = ""
		}
		lines = append(lines, fmt.Sprintf("%s: %d paths changed, was %q%s", dir, bundles[dir], was, versionFindings(was, now)))
	}
	return lines
}

// keysOf are a manifest's keys and values; nil where it is no mapping.
func keysOf(text string) map[string]any {
	var m map[string]any
	if yaml.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m
}

// valueOf is a key's value as text, or what stands for it where there is none.
func valueOf(m map[string]any, key, usual string) string {
	if v, ok := m[key]; ok && v != nil {
		return fmt.Sprint(v)
	}
	return usual
}

// imageOf is the image that a manifest makes, or "".
func imageOf(text string) string {
	m := keysOf(text)
	name, kind, form := valueOf(m, "name", ""), valueOf(m, "kind", ""), valueOf(m, "type", "")
	if name == "" || kind == "" || form == "" {
		return ""
	}
	name = strings.ReplaceAll(strings.ReplaceAll(name, "_", "__"), "-", "--")
	return strings.ToLower(form + "." + kind + "." + strings.ReplaceAll(name, " ", "_"))
}

// compareVersions compares the versions of two manifests.
func compareVersions(a, b string) int {
	first, second := numbers(valueOf(keysOf(a), "version", "0.0.0")), numbers(valueOf(keysOf(b), "version", "0.0.0"))
	return slices.Compare(first[:], second[:])
}

// versionFindings are those of the version rules, with their lines, for manifests whose versions are semantic.
func versionFindings(was, now string) string {
	if keysOf(was) == nil || keysOf(now) == nil {
		return ""
	}
	before, after := numbers(valueOf(keysOf(was), "version", "0.0.0")), numbers(valueOf(keysOf(now), "version", "0.0.0"))
	line := 1
	for i, l := range strings.Split(now, "\n") {
		if strings.HasPrefix(l, "version:") {
			line = i + 1
		}
	}
	if slices.Compare(after[:], before[:]) <= 0 {
		return fmt.Sprintf("; version/not-bumped:%d", line)
	}
	release := [3]int{after[0], after[1], after[2]}
	next := [][3]int{{before[0] + 1, 0, 0}, {before[0], before[1] + 1, 0}, {before[0], before[1], before[2] + 1}}
	if before[3] < released { // after a pre-release comes what it stands for
		next[2] = [3]int{before[0], before[1], before[2]}
	}
	if !slices.Contains(next, release) {
		return fmt.Sprintf("; version/skipped:%d", line)
	}
	return ""
}

// released stands for the number of a pre-release in a version that is none.
const released = 1 << 30

// numbers are those of a version such as 1.2.3 or 1.2.3-rc.4.
func numbers(version string) [4]int {
	n := [4]int{3: released}
	version, pre, isPre := strings.Cut(version, "-rc.")
	if isPre {
		n[3], _ = strconv.Atoi(pre)
	}
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}
