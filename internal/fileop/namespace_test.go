package fileop_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/jina/hub-publish/internal/fileop"
	"github.com/jina/hub-publish/internal/needs"
)

// TestOneUser runs in a user namespace in which there is root alone, as a build without root does.
func TestOneUser(t *testing.T) {
	t.Parallel()
	if os.Getenv("FILEOP_ONE_USER") == "" {
		again := exec.Command("/proc/self/exe", "-test.run=^TestOneUser$", "-test.count=1")
		again.Env = []string{"FILEOP_ONE_USER=1", "TMPDIR=" + t.TempDir()}
		again.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		output, err := again.CombinedOutput()
		if _, ran := err.(*exec.ExitError); err != nil && !ran {
			needs.Missing(t, "user namespaces are not to be had: ", err)
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, output)
		}
		return
	}
	source := tree(t, contextTime, "d 0755 0:0 d\nf 0644 0:0 d/f x")
	user := &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 7}}}
	root := &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 0}}}
	cases := []struct {
		name string
		do   func(dest string) error
		want string
	}{
		{"root's files", func(dest string) error {
			op := addOp(root)
			op.Actions[0].GetCopy().Src = "/d"
			return fileop.Apply(t.Context(), op, []fileop.Input{{Dir: source}}, dest, fileop.Options{Created: created})
		}, ""},
		{"another owner's", func(dest string) error {
			op := addOp(user)
			op.Actions[0].GetCopy().Src = "/d"
			return fileop.Apply(t.Context(), op, []fileop.Input{{Dir: source}}, dest, fileop.Options{Created: created})
		}, "copy /d to /to/: lchown /to: invalid argument (owner 7:7): this build cannot give files to that owner"},
		{"an archive with another owner's", func(dest string) error {
			return addArchive(t, entries(t, "f 0644 3:4 f x"), dest, nil)
		}, `unpack "f": lchown /to/f: invalid argument (owner 3:4): this build`},
		{"an archive with a device", func(dest string) error {
			return addArchive(t, entries(t, "c 0666 0:0 null"), dest, nil)
		}, `unpack "null": device 1:3: operation not permitted: a build without root cannot make devices`},
	}
	for _, c := range cases {
		err := c.do(t.TempDir())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
