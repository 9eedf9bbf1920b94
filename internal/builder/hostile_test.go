package builder_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/worker"
)

// canaryText is in a file of the machine that no image may hold.
const canaryText = "secret-of-the-machine"

// newCanary makes the file, readable for all.
func newCanary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(path, []byte(canaryText), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// shellRun is a Dockerfile with one RUN, at line 3.
func shellRun(command string) string {
	return "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN " + command + "\n"
}

// TestHostileRun runs what a stranger's Dockerfile could try: each RUN ends well where what it tries is refused.
func TestHostileRun(t *testing.T) {
	t.Parallel()
	canary := newCanary(t)
	b := newBuilder(t, func(o *builder.Options) { o.Limits = worker.Limits{Instruction: 20 * time.Second} })
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string]string{
		"finds the parent's environment":            `attempt find ` + parentSecret[:len(parentSecret)-1],
		"finds it in its own":                       `test -z "$INPUT_PASSWORD"`,
		"reads the worker's memory":                 `for maps in /proc/[0-9]*/maps; do while read line; do case $line in *hub-publish-worker*) exit 1;; esac; done < $maps; done`,
		"sees other processes":                      `attempt alone`,
		"kills all that it may":                     `attempt "kill all"`,
		"reads a file of the machine":               `! cat ` + canary,
		"reads it through the first process's root": `! cat /proc/1/root` + canary,
		"reads it through its working directory":    `cd / && ! cat ../../../..` + canary,
		"finds the directory that the tests run in": `test ! -e ` + home,
		"finds root's home":                         `test ! -e /root/.profile && test ! -e /root/go`,
		"writes to the base images":                 `! touch /.hub-publish/bases/x`,
		"changes the kernel's settings":             `attempt write /proc/sys/kernel/panic && attempt write /proc/sys/kernel/hostname && attempt write /proc/sys/kernel/core_pattern`,
		"asks for the kernel's help":                `attempt write /proc/sysrq-trigger && attempt write /sys/kernel/uevent_helper`,
		"mounts":                                    `attempt mount && attempt remount`,
		"makes namespaces":                          `attempt unshare`,
		"names the host":                            `attempt "name the host"`,
		"makes a disk's node, and reads from it":    `attempt disk`,
		"has no more than Docker's capabilities":    `while read key value; do case $key in CapEff:|CapBnd:) test $value = 00000000a80425fb || exit 1;; esac; done < /proc/self/status`,
		"writes to the machine's resolv.conf":       `attempt write /etc/resolv.conf`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, r, err := buildFiles(t, b, shellRun(command)); err != nil {
				t.Errorf("%v\n%s", err, r.output.String())
			}
		})
	}
}

// TestHostilePaths names files of the machine wherever a Dockerfile can name a file. Whether the build fails or finds
// nothing: the file is in no image, and as it was.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	canary := newCanary(t)
	dir := filepath.Dir(canary)
	archives := map[string][]entry{
		"dots.tar":     {file("../../../../.."+canary, "changed"), file("../outside", "changed")},
		"absolute.tar": {file(canary, "changed")},
		"link.tar":     {link("out", dir), file("out/canary", "changed")},
		"hard.tar":     {hardLink("stolen", canary)},
		"hardlink.tar": {link("out", dir), hardLink("stolen", "out/canary"), file("stolen", "changed")},
	}
	b := newBuilder(t, func(o *builder.Options) { o.Limits = worker.Limits{Instruction: 20 * time.Second} })
	for name, test := range map[string]struct{ files, fails string }{
		"COPY of a link out of the context":        {"FROM scratch\nCOPY link /x\n-- link -> " + canary + " --\n", "link"},
		"COPY through a link out of the context":   {"FROM scratch\nCOPY links/canary /x\n-- links -> " + dir + " --\n", "canary"},
		"COPY by a pattern through a link":         {"FROM scratch\nCOPY links/can* /x/\n-- links -> " + dir + " --\n", "is not there"},
		"COPY of the context with the link":        {"FROM scratch\nCOPY . /x/\n-- links -> " + dir + " --\n-- link -> " + canary + " --\n", ""},
		"COPY --parents through a link":            {"FROM scratch\nCOPY --parents links/canary /x/\n-- links -> " + dir + " --\n", "canary"},
		"COPY with dots":                           {"FROM scratch\nCOPY ../../../../../../.." + canary + " /x\n", ""},
		"COPY of a link in another image":          {"ARG BASE\nFROM $BASE AS evil\nRUN attempt symlink " + canary + " /evil\nFROM scratch\nCOPY --from=evil /evil /x\n", "evil"},
		"COPY through a link in another image":     {"ARG BASE\nFROM $BASE AS evil\nRUN attempt symlink " + dir + " /evil\nFROM scratch\nCOPY --from=evil /evil/canary /x\n", "canary"},
		"COPY --from with dots":                    {"ARG BASE\nFROM $BASE AS evil\nFROM scratch\nCOPY --from=evil ../../../../../.." + canary + " /x\n", "canary"},
		"COPY to a link out of the image":          {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nCOPY changed /out/canary\n-- changed --\nchanged", ""},
		"COPY over a link out of the image":        {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + canary + " /out\nCOPY changed /out\n-- changed --\nchanged", ""},
		"COPY --link to a link out of the image":   {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nCOPY --link changed /out/canary\n-- changed --\nchanged", ""},
		"COPY of a directory over a link":          {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nCOPY files /\n-- files/out/canary --\nchanged", ""},
		"COPY to dots":                             {"FROM scratch\nCOPY changed ../../../../../.." + canary + "\n-- changed --\nchanged", ""},
		"WORKDIR through a link":                   {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nWORKDIR /out/made\nRUN echo changed > canary\n", ""},
		"a heredoc to a link":                      {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + canary + " /out\nCOPY <<EOF /out\nchanged\nEOF\n", ""},
		"ADD of an archive with dots":              {"FROM scratch\nADD dots.tar /x/\n", ""},
		"ADD of an archive with absolute names":    {"FROM scratch\nADD absolute.tar /x/\n", ""},
		"ADD of an archive with a link":            {"FROM scratch\nADD link.tar /x/\n", ""},
		"ADD of an archive with a hard link":       {"FROM scratch\nADD hard.tar /x/\n", "stolen"},
		"ADD of a hard link through a link":        {"FROM scratch\nADD hardlink.tar /x/\n", ""},
		"ADD of an archive through a link":         {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nADD changed.tar /out/\n", ""},
		"a mount of a link out of the context":     {"ARG BASE\nFROM $BASE\nRUN --mount=type=bind,source=links,target=/m cat /m/canary > /x\n-- links -> " + dir + " --\n", "links"},
		"a mount with dots":                        {"ARG BASE\nFROM $BASE\nRUN --mount=type=bind,source=../../../../../.." + dir + ",target=/m cat /m/canary > /x\n", "there is no"},
		"a mount at a link out of the image":       {"ARG BASE\nFROM $BASE\nRUN attempt symlink " + dir + " /out\nRUN --mount=type=bind,source=.,target=/out/made,rw echo changed > /out/made/canary\n", ""},
		"a mount of a cache with dots":             {"ARG BASE\nFROM $BASE\nRUN --mount=type=cache,id=../../../../.." + dir + ",target=/m test ! -e /m/canary\n", ""},
		"a mount of a cache below a link in it":    {"ARG BASE\nFROM $BASE AS evil\nRUN attempt symlink " + dir + " /evil\nFROM $BASE\nRUN --mount=type=cache,from=evil,source=/evil,target=/m cat /m/canary > /x\n", ""},
		"a mount over the kernel's files":          {"ARG BASE\nFROM $BASE\nRUN --mount=type=tmpfs,target=/proc echo\n", "/proc"},
		"users that a link out of the image names": {"ARG BASE\nFROM $BASE\nRUN rm /etc/passwd && attempt symlink " + canary + " /etc/passwd\nUSER secret-of-the-machine\nRUN echo\n", "there is no user"},
		"a working directory that leads out":       {"ARG BASE\nFROM $BASE\nWORKDIR /work\nRUN cd / && rm -r /work && attempt symlink " + dir + " /work\nRUN echo changed > canary\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			context := t.TempDir()
			writeFiles(t, context, "-- Dockerfile --\n"+test.files)
			for name, entries := range archives {
				writeArchive(t, filepath.Join(context, name), entries)
			}
			writeArchive(t, filepath.Join(context, "changed.tar"), []entry{file("canary", "changed")})
			img, r, err := buildDir(t.Context(), t, b, context)
			switch {
			case test.fails != "":
				wantFailure(t, err, 0, test.fails)
			case err != nil && !strings.Contains(test.files, "COPY with dots"):
				var failed *builder.FailedError
				if !errors.As(err, &failed) {
					t.Errorf("%v\n%s", err, r.output.String())
				}
				t.Log(err)
			}
			if strings.Contains(r.output.String(), canaryText) {
				t.Errorf("the machine's file was printed: %s", r.output.String())
			}
			if img != nil {
				for path, data := range contents(t, img) {
					if data == canaryText {
						t.Errorf("the machine's file is in the image, as %s", path)
					}
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("the machine's directory holds %v, %v", entries, err)
			}
			if data, err := os.ReadFile(canary); err != nil || string(data) != canaryText {
				t.Errorf("the machine's file holds %q, %v", data, err)
			}
		})
	}
}

func writeArchive(t *testing.T, path string, entries []entry) {
	t.Helper()
	archive, err := archiveOf(entries...)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, archive, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestHostileUse takes more than it is given: of time, of the disk, of the log.
func TestHostileUse(t *testing.T) {
	t.Parallel()
	limits := worker.Limits{Instruction: 15 * time.Second, Disk: 100e6, Output: 10_000}
	patient := newBuilder(t, func(o *builder.Options) { o.Limits = limits })
	hasty := newBuilder(t, func(o *builder.Options) { o.Limits = worker.Limits{Instruction: 2 * time.Second, Output: 10_000} })
	for name, test := range map[string]struct {
		files, reason string
		line          int
	}{
		"sleeps":                            {shellRun("attempt sleep"), "instruction-timeout of 2s", 3},
		"prints for ever, without newlines": {shellRun(`attempt "print for ever"`), "instruction-timeout of 2s", 3},
		"fills the disk":                    {shellRun("attempt fill"), "disk-limit of 100 MB", 3},
		"fills it with a removed file":      {shellRun(`attempt "fill a removed file"`), "disk-limit of 100 MB", 3},
		"fills a cache": {"-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN attempt symlink /cache/full /full\nRUN --mount=type=cache,target=/cache attempt fill\n",
			"disk-limit of 100 MB", 4},
		"brings a bomb of zeros": {"-- Dockerfile --\nFROM scratch\nADD bomb.tar.gz /\n", "", 2},
		"takes one cache twice":  {"-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN --mount=type=cache,id=a,target=/a --mount=type=cache,id=a,target=/b echo 1 > /a/x && test -e /b/x\n", "", 0},
		"takes caches crosswise": {"-- Dockerfile --\nARG BASE\nFROM $BASE AS one\nRUN --mount=type=cache,id=a,target=/a --mount=type=cache,id=b,target=/b echo 1 > /one\n" +
			"FROM $BASE AS two\nRUN --mount=type=cache,id=b,target=/b --mount=type=cache,id=a,target=/a echo 1 > /two\n" +
			"FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, dir, test.files)
			if strings.Contains(test.files, "bomb") {
				writeBomb(t, filepath.Join(dir, "bomb.tar.gz"), 1<<30)
			}
			b := patient
			if strings.Contains(test.reason, "timeout") {
				b = hasty
			}
			start := time.Now()
			_, r, err := buildDir(t.Context(), t, b, dir)
			if test.line != 0 {
				wantFailure(t, err, test.line, test.reason)
			} else if err != nil {
				t.Errorf("%v\n%s", err, r.output.String())
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
			if got := int64(r.output.Len()); got > limits.Output+200 {
				t.Errorf("%d bytes of output were passed on", got)
			}
		})
	}
}

// writeBomb writes an archive whose file of zeros is a thousand times as large as it.
func writeBomb(t *testing.T, path string, size int64) {
	t.Helper()
	var header bytes.Buffer
	if err := tar.NewWriter(&header).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.MultiReader(&header, io.LimitReader(zeros{}, size+1024))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOutputLimit(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, func(o *builder.Options) { o.Limits = worker.Limits{Output: 1000} })
	_, r, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN attempt print 5000\nRUN echo heard\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("x", 1000) + "\n[4000 more bytes of output are left out]\nheard\n"; r.output.String() != want {
		t.Errorf("got %q, want %q", r.output.String(), want)
	}
}

// TestDaemonEnds starts a process that does not end, in a session of its own.
func TestDaemonEnds(t *testing.T) {
	t.Parallel()
	const marker = "daemon-of-TestDaemonEnds"
	b := newBuilder(t, nil)
	_, r, err := buildFiles(t, b, "-- Dockerfile --\nARG BASE\nFROM $BASE\nRUN attempt stay "+marker+" && (attempt stay "+marker+" &) && echo started\nRUN attempt alone\n")
	if err != nil {
		t.Errorf("%v\n%s", err, r.output.String())
	}
	if found := processesWith(marker); len(found) > 0 {
		t.Errorf("there are still %v", found)
	}
}

// processesWith are this machine's processes whose command lines have a text.
func processesWith(text string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(text)) {
			found = append(found, fmt.Sprintf("%s: %q", path, data))
		}
	}
	return found
}

// TestBundlesAreApart builds a hostile bundle beside another one, and another one after it, with the same builder.
func TestBundlesAreApart(t *testing.T) {
	t.Parallel()
	b := newBuilder(t, nil)
	const hostile = `
-- Dockerfile --
ARG BASE
FROM $BASE AS other
FROM $BASE
RUN echo changed > /etc/passwd && echo hostile > /left-behind && rm /etc/group && chmod 700 /usr
RUN --mount=type=bind,from=other,target=/other,rw echo changed > /other/etc/passwd && echo hostile > /other/left-behind
RUN --mount=type=bind,from=other,target=/other (! touch /other/left-behind) && (! chmod 777 /other/etc)
RUN --mount=type=bind,target=/context,rw echo hostile > /context/file && echo hostile > /context/more
RUN --mount=type=bind,target=/context test ! -e /context/more && ! touch /context/more
RUN --mount=type=cache,id=shared,from=other,target=/cache echo changed > /cache/etc/passwd
RUN --mount=type=cache,target=/root/.cache echo hostile > /root/.cache/package
RUN --mount=type=cache,target=/root/.cache cat /root/.cache/package
RUN --mount=type=tmpfs,target=/tmp echo hostile > /tmp/left-behind
COPY file /own
-- file --
hostile's
`
	const good = `
-- Dockerfile --
ARG BASE
FROM $BASE AS other
FROM $BASE
RUN attempt mode /usr drwxr-xr-x && test -e /etc/group && test ! -e /left-behind
RUN while read line; do test "$line" = root:x:0:0:root:/root:/bin/sh || exit 1; done < /etc/passwd
RUN --mount=type=bind,from=other,target=/other test ! -e /other/left-behind && attempt mode /other/etc drwxr-xr-x
RUN --mount=type=cache,target=/root/.cache test ! -e /root/.cache/package && echo mine > /root/.cache/package
RUN --mount=type=cache,id=shared,target=/cache test ! -e /cache/etc
RUN test ! -e /tmp/left-behind
COPY . /files/
-- file --
my own
`
	var hostileBuilds, goodBuilds [4]error
	done := make(chan struct{})
	for i := range hostileBuilds {
		hostileDir, goodDir := t.TempDir(), t.TempDir()
		writeFiles(t, hostileDir, hostile)
		writeFiles(t, goodDir, good)
		go func() {
			defer func() { done <- struct{}{} }()
			_, _, hostileBuilds[i] = buildDir(t.Context(), t, b, hostileDir)
		}()
		go func() {
			defer func() { done <- struct{}{} }()
			img, r, err := buildDir(t.Context(), t, b, goodDir)
			if goodBuilds[i] = err; err != nil {
				t.Log(r.output.String())
			} else if files := contents(t, img); files["/files/file"] != "my own\n" || files["/files/more"] != "" || files["/etc/passwd"] != "root:x:0:0:root:/root:/bin/sh\n" {
				t.Errorf("the image holds %q, %q, %q", files["/files/file"], files["/files/more"], files["/etc/passwd"])
			}
		}()
	}
	for range 2 * len(hostileBuilds) {
		<-done
	}
	if err := errors.Join(append(hostileBuilds[:], goodBuilds[:]...)...); err != nil {
		t.Error(err)
	}
	if _, r, err := buildFiles(t, b, good); err != nil {
		t.Errorf("after them: %v\n%s", err, r.output.String())
	}
}

// TestHostileBase builds from images that no tool would make.
func TestHostileBase(t *testing.T) {
	t.Parallel()
	canary := newCanary(t)
	dir := filepath.Dir(canary)
	server := httptest.NewServer(newRegistry())
	t.Cleanup(server.Close)
	for name, layers := range map[string][][]entry{
		"dots":                    {{file("../../../../../../.."+canary, "changed"), file("../outside", "changed")}},
		"absolute names":          {{file(canary, "changed")}},
		"a link":                  {{link("out", dir), file("out/canary", "changed")}},
		"a link below":            {{link("out", dir)}, {file("out/canary", "changed"), file("out/more", "changed")}},
		"a whiteout below a link": {{link("out", dir)}, {file("out/.wh.canary", "")}, {file("out/.wh..wh..opq", "")}},
		"a hard link":             {{link("out", dir)}, {hardLink("stolen", "out/canary")}},
		"a hard link with dots":   {{hardLink("stolen", "../../../../../../.."+canary)}},
		"the root is a link":      {{link(".", dir), link("/", dir), file("canary", "changed")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ref, err := push(server, strings.ReplaceAll(name, " ", "-"), imageOf(t, layers...))
			if err != nil {
				t.Fatal(err)
			}
			b := newBuilder(t, nil)
			img, _, err := buildFiles(t, b, "-- Dockerfile --\nFROM "+ref+"\nCOPY file /out/canary\n-- file --\nchanged")
			t.Log(err)
			if err == nil {
				for path, data := range contents(t, img) {
					if data == canaryText {
						t.Errorf("the machine's file is in the image, as %s", path)
					}
				}
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("the machine's directory holds %v, %v", entries, err)
			}
			if data, err := os.ReadFile(canary); err != nil || string(data) != canaryText {
				t.Errorf("the machine's file holds %q, %v", data, err)
			}
		})
	}
}

// TestWrongDigest serves a layer that is not the one that the manifest names: it is refused, also by a later builder with
// the same store of base images.
func TestWrongDigest(t *testing.T) {
	t.Parallel()
	good, evil := imageOf(t, []entry{file("file", "good")}), imageOf(t, []entry{file("file", "evil")})
	digest := layerDigest(t, good)
	evilBlob := blobOf(t, evil)
	registry := newFaulty(t, newRegistry())
	ref, err := push(registry.Server, "tampered", good)
	if err != nil {
		t.Fatal(err)
	}
	registry.fault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digest.String()) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(evilBlob)))
		_, _ = w.Write(evilBlob)
		return true
	})
	store := t.TempDir()
	for range 2 {
		b := openBuilder(t, func(o *builder.Options) { o.Store = store })
		img, _, err := buildFiles(t, b, "-- Dockerfile --\nFROM "+ref+"\nLABEL a=b\nWORKDIR /made\n")
		if err == nil {
			t.Fatalf("the image was built: %v", contents(t, img))
		}
		wantFailure(t, err, 1, "cannot be pulled")
		if !strings.Contains(err.Error(), digest.Hex) || strings.Contains(err.Error(), "worker") {
			t.Errorf("got %v, want the digest, and no word of the worker", err)
		}
		t.Log(err)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	stored, _ := filepath.Glob(filepath.Join(store, "*", "*"))
	if len(stored) > 0 {
		t.Errorf("the store holds %v", stored)
	}
}
