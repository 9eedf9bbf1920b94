// Package shellimage makes a base image out of nothing but the running program, which acts as the image's shell. With
// it the demo and the tests build real images where no registry can be reached.
package shellimage

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// shell is where the program lies in the image.
const shell = "/bin/sh"

// New is an image whose /bin/sh is this program; RunShell must be called first in its main.
func New() (v1.Image, error) {
	content, libraries, err := files()
	if err != nil {
		return nil, fmt.Errorf("make a base image of this program: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithCompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = runtime.GOOS, runtime.GOARCH
	file.Config.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	if len(libraries) > 0 {
		file.Config.Env = append(file.Config.Env, "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	}
	file.Config.Cmd = []string{shell}
	return mutate.ConfigFile(img, file)
}

// files is a tar archive with the program as the shell, the few files that an image has, and, where Go linked the
// program dynamically, its libraries; libraries are the directories of the latter.
func files() (archive []byte, libraries []string, err error) {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, dir := range []string{"bin", "etc", "tmp", "usr", "usr/bin"} {
		mode := int64(0o755)
		if dir == "tmp" {
			mode = 0o1777
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: mode}); err != nil {
			return nil, nil, err
		}
	}
	for name, text := range map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"} {
		if err := add(w, name, strings.NewReader(text), int64(len(text)), 0o644); err != nil {
			return nil, nil, err
		}
	}
	if err := addFile(w, "/proc/self/exe", shell); err != nil {
		return nil, nil, err
	}
	linked, err := Linked()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range linked {
		if err := addFile(w, path, path); err != nil {
			return nil, nil, err
		}
		libraries = append(libraries, filepath.Dir(path))
	}
	slices.Sort(libraries)
	return buffer.Bytes(), slices.Compact(libraries), w.Close()
}

// Linked are the paths of the files that this program needs beside itself, and needs at the same place in another root: its
// dynamic loader and libraries. There are none where Go linked it statically, which it does not with the race detector.
func Linked() ([]string, error) {
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer program.Close()
	interpreter := slices.IndexFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if interpreter < 0 {
		return nil, nil
	}
	loader, err := io.ReadAll(program.Progs[interpreter].Open())
	if err != nil {
		return nil, err
	}
	linked := []string{strings.TrimRight(string(loader), "\x00")}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// address, permissions, offset, device, inode, path: proc_pid_maps(5)
		fields := strings.Fields(lines.Text())
		if len(fields) == 6 && strings.Contains(filepath.Base(fields[5]), ".so") && !slices.Contains(linked, fields[5]) {
			linked = append(linked, fields[5])
		}
	}
	return linked, lines.Err()
}

func addFile(w *tar.Writer, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return add(w, strings.TrimPrefix(to, "/"), f, info.Size(), 0o755)
}

func add(w *tar.Writer, name string, content io.Reader, size, mode int64) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: mode}); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
