//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// actWorkflow runs the action on a push, and prints what a later step sees of it.
var actWorkflow = lines(
	"on: push",
	"jobs:",
	"  hub:",
	"    runs-on: ubuntu-latest",
	"    steps:",
	"      - uses: actions/checkout@v4",
	"      - id: hub",
	"        uses: ./action",
	"        with: {mode: check, bundles: all}",
	"      - run: |",
	"          echo 'bundles are ${{ steps.hub.outputs.bundles }}.'",
	"          echo 'errors are ${{ steps.hub.outputs.errors }}.'",
)

// action.yml itself: its inputs reach the program, its outputs the next step, and a failure the job.
func TestAct(t *testing.T) {
	t.Parallel()
	good := newBundle(t, "GoodEncoder", "0.0.1")
	status, log := runAct(t, good)
	if status != 0 {
		t.Errorf("a good hub: exit status %d\n%s", status, log)
	}
	for _, expected := range []string{`bundles are ["` + good.path() + `"].`, "errors are 0."} {
		if !strings.Contains(log, expected) {
			t.Errorf("no %q in the log\n%s", expected, log)
		}
	}

	bad := newBundle(t, "BadEncoder", "v1")
	if status, log := runAct(t, bad); status == 0 || !strings.Contains(log, "manifest/version") {
		t.Errorf("a bad hub: exit status %d\n%s", status, log)
	}
}

var imageLine = regexp.MustCompile(`(?m)^(\s+image:).*$`)

// runAct runs the workflow on a hub of one bundle. act needs no network for it: it copies the work
// tree in the place of actions/checkout.
func runAct(t *testing.T, b bundle) (status int, log string) {
	t.Helper()
	metadata, err := os.ReadFile(actionMetadata)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(imageLine.FindAll(metadata, -1)); n != 1 {
		t.Fatalf("%s has %d images", actionMetadata, n)
	}
	h := newHub(t)
	h.add(b)
	h.write("action/action.yml", imageLine.ReplaceAllString(string(metadata), "$1 docker://"+actionImage(t)))
	h.write(".github/workflows/hub.yml", actWorkflow)
	h.commit("feat: add an encoder")
	h.git("remote", "add", "origin", "https://github.com/octo/hub")

	home := t.TempDir()
	return command{
		dir:  h.dir,
		env:  []string{"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "XDG_CONFIG_HOME=" + home},
		name: required(t, "E2E_ACT"),
		args: []string{"push", "--rm", "--pull=false", "-P", "ubuntu-latest=" + baseImage(t), "-W", ".github/workflows/hub.yml"},
	}.run(t)
}
