package sandbox_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/user"

	"github.com/jina/hub-publish/internal/needs"
	"github.com/jina/hub-publish/internal/sandbox"
)

// TestRootless runs these tests again in a worker of a user other than root: one that the machine gives more users to,
// and one that has none but itself.
func TestRootless(t *testing.T) {
	requireSandbox(t)
	if os.Getuid() != 0 || rootless() {
		needs.Missing(t, "only root can run these tests as other users too")
	}
	t.Run("many users", func(t *testing.T) {
		t.Parallel()
		uid := subordinate(t)
		text := testAs(t, uid)
		if strings.Contains(text, oneUser) {
			t.Errorf("user %d has one user only:\n%s", uid, text)
		}
	})
	t.Run("one user", func(t *testing.T) {
		t.Parallel()
		const none = 61234 // of no range that Debian's adduser or systemd give to anybody
		if text := testAs(t, none); !strings.Contains(text, oneUser) {
			t.Errorf("user %d has more users than one:\n%s", none, text)
		}
	})
}

// subordinate is a user with ranges in /etc/subuid and /etc/subgid.
func subordinate(t *testing.T) int {
	t.Helper()
	reason := "no user with a range in /etc/subuid"
	_, err := exec.LookPath("newuidmap")
	if err != nil {
		reason = "install newuidmap (Debian: uidmap): " + err.Error()
	}
	ranges, _ := user.ParseSubIDFile("/etc/subuid") // no such file: no ranges
	for _, r := range ranges {
		if u, lookErr := user.LookupUser(r.Name); err == nil && lookErr == nil && u.Uid != 0 {
			return u.Uid
		}
	}
	needs.Missing(t, reason)
	return 0
}

// testAs runs this test program as another user and returns what it printed.
func testAs(t *testing.T, uid int) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(dir, "tests")
	if text, err := exec.Command("cp", filepath.Join(lower, program), copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	temp := filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(temp, uid, uid); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(copied, "-test.v", "-test.short", "-test.parallel=2")
	c.Dir = temp
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temp}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	text, err := c.CombinedOutput()
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if strings.Contains(lines.Text(), "users other than root") || strings.Contains(lines.Text(), "in a user namespace of its own") {
			needs.Missing(t, lines.Text())
		}
	}
	if err != nil {
		t.Errorf("as user %d: %v\n%s", uid, err, text)
	}
	return string(text)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	overlay, _ := newRoot(t)
	if err := sandbox.Probe(t.TempDir()); err != nil {
		t.Error(err)
	}
	tests := map[string]struct{ dir, want string }{
		"an overlay": {overlay, overlay + " lies on an overlay itself"},
		"not there":  {"/no/dir", "the builds' directory cannot be written"},
		"not a disk": {"/proc", "the builds' directory cannot be written"},
	}
	for name, tt := range tests {
		if err := sandbox.Probe(tt.dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
	if left := paths(t, overlay); strings.Contains(strings.Join(left, " "), ".probe-") {
		t.Errorf("the probe left something: %q", left)
	}
}

// TestWorkerEnds: what a worker started ends with it, even if it is killed.
func TestWorkerEnds(t *testing.T) {
	t.Parallel()
	root, _ := newRoot(t)
	c := exec.Command("/proc/self/exe")
	c.Args = []string{sleepRole, root}
	printed, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.StartWorker(c); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(printed)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The process in the sandbox has the worker's output open too: the end comes when it has gone.
	if rest, err := lines.ReadString('\n'); err == nil {
		t.Errorf("got %q", rest)
	}
	_ = c.Wait() // it was killed
}
