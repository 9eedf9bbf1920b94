package layer

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jina/hub-publish/internal/needs"
)

// inNamespace is set for this test's binary when it runs in a user namespace with one id.
const inNamespace = "LAYER_TEST_IN_USER_NAMESPACE"

func TestApplyInUserNamespace(t *testing.T) {
	t.Parallel()
	if os.Getenv(inNamespace) != "" {
		applyInUserNamespace(t)
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^TestApplyInUserNamespace$", "-test.v")
	command.Env = append(os.Environ(), inNamespace+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Start()
	if err != nil {
		needs.Missing(t, err)
	}
	if err == nil {
		err = command.Wait()
	}
	if err != nil || !strings.Contains(out.String(), "--- PASS: TestApplyInUserNamespace") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func applyInUserNamespace(t *testing.T) {
	dir := t.TempDir()
	var left []string
	options := ApplyOptions{Left: func(path, reason string) { left = append(left, path+" is "+reason) }}
	err := Apply(t.Context(), dir, bytes.NewReader(archiveOf(t, file("mine", "1"), entry{name: "null", kind: tar.TypeChar})), options)
	if err != nil {
		t.Error(err)
	}
	if want := []string{"/null is a device, which a user namespace can not have"}; !slices.Equal(left, want) {
		t.Errorf("got %q, want %q", left, want)
	}
	if _, err := os.Lstat(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
	for _, entry := range []entry{{name: "theirs", gid: 42}, {name: "theirs", kind: tar.TypeDir, uid: 42}, {name: "theirs", link: "x", kind: tar.TypeSymlink, uid: 42}} {
		err = Apply(t.Context(), dir, bytes.NewReader(archiveOf(t, entry)), options)
		if err == nil || !strings.Contains(err.Error(), "giving /theirs to its owner") || !strings.Contains(err.Error(), "has only 1 user ids and 1 group ids") {
			t.Errorf("got %v", err)
		}
	}
}
