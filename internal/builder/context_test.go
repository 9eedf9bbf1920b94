package builder_test

import (
	"archive/tar"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// listed are the entries of an image's only layer: their modes, names, and what they hold or lead to.
func listed(t *testing.T, img v1.Image) (lines []string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	archive, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1e9 {
			t.Errorf("%s belongs to %d:%d and is of %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%c %o %s %s%s", h.Typeflag, h.Mode, h.Name, h.Linkname, data)))
	}
}

func TestContextFiles(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	const copyAll = "-- Dockerfile --\nFROM scratch\nCOPY . /\n"
	for name, test := range map[string]struct {
		files string
		more  func(dir string) error
		want  []string
	}{
		".dockerignore": {
			files: copyAll + "-- .dockerignore --\n# a comment\n*\n!kept\n!deep/*.txt\n-- kept --\n1\n-- left --\n2\n-- deep/a.txt --\n3\n-- deep/b.bin --\n4\n",
			want:  []string{"5 755 deep/", "0 644 deep/a.txt 3", "0 644 kept 1"},
		},
		"Dockerfile.dockerignore goes before .dockerignore": {
			files: copyAll + "-- .dockerignore --\nkept\n-- Dockerfile.dockerignore --\n*ockerfile*\n.dockerignore\nleft\n-- kept --\n1\n-- left --\n2\n",
			want:  []string{"0 644 kept 1"},
		},
		"the repository, also where it is asked for": {
			files: copyAll + "-- .dockerignore --\n*\n!.git\n!.gitignore\n!kept\n-- kept --\n1\n-- .git/config --\ntoken\n-- .gitignore --\n2\n",
			want:  []string{"0 644 .gitignore 2", "0 644 kept 1"},
		},
		"a repository that is a file": {
			files: copyAll + "-- .dockerignore --\n*ocker*\n-- .git --\ngitdir: elsewhere\n-- kept --\n1\n",
			want:  []string{"0 644 kept 1"},
		},
		"links stay what they are": {
			files: copyAll + "-- .dockerignore --\n*ocker*\n-- in -> file --\n-- out -> ../../etc/passwd --\n-- dangling -> nothing --\n-- absolute -> /etc/passwd --\n-- file --\n1\n",
			want:  []string{"2 777 absolute /etc/passwd", "2 777 dangling nothing", "0 644 file 1", "2 777 in file", "2 777 out ../../etc/passwd"},
		},
		"modes": {
			files: copyAll + "-- .dockerignore --\n*ocker*\n-- tool --\n1\n-- setuid --\n2\n-- open/file --\n3\n",
			more: func(dir string) error {
				for name, mode := range map[string]uint32{"tool": 0o755, "setuid": 0o4755, "open": 0o1777} {
					if err := unix.Chmod(filepath.Join(dir, name), mode); err != nil {
						return err
					}
				}
				return nil
			},
			want: []string{"5 1777 open/", "0 644 open/file 3", "0 4755 setuid 2", "0 755 tool 1"},
		},
		"names that are hard to write": {
			files: copyAll + "-- .dockerignore --\n*ocker*\n",
			more: func(dir string) error {
				for _, name := range []string{"ümlaut", "a b", "new\nline", "[x]*", strings.Repeat("n", 255), "-rf"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte("1"), 0o644); err != nil {
						return err
					}
				}
				return nil
			},
			want: []string{"0 644 -rf 1", "0 644 [x]* 1", "0 644 a b 1", "0 644 new\nline 1", "0 644 " + strings.Repeat("n", 255) + " 1", "0 644 ümlaut 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, dir, test.files)
			if test.more != nil {
				if err := test.more(dir); err != nil {
					t.Fatal(err)
				}
			}
			img, _, err := buildDir(t.Context(), t, b, dir)
			if err != nil {
				t.Fatal(err)
			}
			got := listed(t, img)
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("the image holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestContextRefuses holds what no commit can hold: it is told of by its name, and nobody waits for it.
func TestContextRefuses(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	for name, add := range map[string]func(path string) error{
		"pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
		"socket": func(path string) error {
			// By a short path: a socket's has at most 107 bytes.
			dir, err := os.Open(filepath.Dir(path))
			if err != nil {
				return err
			}
			defer dir.Close()
			l, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/socket", dir.Fd()))
			if err != nil {
				return err
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			return l.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, dir, "-- Dockerfile --\nFROM scratch\nCOPY . /\n")
			if err := add(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Context(dir, filepath.Join(dir, "Dockerfile"), time.Unix(1e9, 0)); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v", err)
			}
		})
	}
}
