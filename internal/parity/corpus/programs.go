package corpus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// pack makes an archive with GNU tar, which compresses with the programs gzip, bzip2 and xz.
func pack(l Layout, arguments []string) error {
	archive, dir := filepath.Join(l.Context, arguments[0]), filepath.Join(l.Context, arguments[1])
	if err := program(l.Context, "tar", "--auto-compress", "--sort=name", "--numeric-owner", "-C", dir, "-cf", archive, "."); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// serve moves a directory's files to where they are served.
func serve(l Layout, arguments []string) error {
	dir := filepath.Join(l.Context, arguments[0])
	if err := os.CopyFS(l.Served, os.DirFS(dir)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// repository moves a directory to where it is served and makes it a git repository of one commit on the branch main. The
// commit is the same each time.
func repository(l Layout, arguments []string) error {
	dir := filepath.Join(l.Served, arguments[0])
	if err := os.Rename(filepath.Join(l.Context, arguments[0]), dir); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"add", "--all"},
		{"commit", "--quiet", "--message=feat: add files"},
		{"config", "uploadpack.allowAnySHA1InWant", "true"},
	} {
		if err := program(dir, "git", command...); err != nil {
			return err
		}
	}
	return nil
}

func program(dir, name string, arguments ...string) error {
	c := exec.Command(name, arguments...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_AUTHOR_DATE=1000000000 +0000",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org", "GIT_COMMITTER_DATE=1000000000 +0000")
	if output, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}
