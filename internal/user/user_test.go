package user_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/user"
)

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann:/home/ann:/bin/sh\nbob:x:1002:1002::/srv/bob:/bin/sh\n"
	group  = "root:x:0:\nann:x:1001:\nbob:x:1002:\naudio:x:29:ann,bob\nvideo:x:44:ann\n"
)

// newRoot is a file system with /etc and the files given.
func newRoot(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLookup(t *testing.T) {
	t.Parallel()
	full := newRoot(t, map[string]string{"passwd": passwd, "group": group})
	none := newRoot(t, nil)
	odd := newRoot(t, map[string]string{"passwd": "root:x:5:6::/:\n", "group": ""})
	tests := map[string]struct {
		root, spec string
		want       user.Identity
	}{
		"nothing":                        {full, "", user.Root()},
		"nothing without files":          {none, "", user.Root()},
		"nothing where 0 has other name": {odd, "", user.Root()},
		"a name":                         {full, "ann", user.Identity{UID: 1000, GID: 1001, Groups: []uint32{1001, 29, 44}}},
		"a name and a group":             {full, "ann:video", user.Identity{UID: 1000, GID: 44, Groups: []uint32{44}}},
		"a name and a number":            {full, "ann:7", user.Identity{UID: 1000, GID: 7, Groups: []uint32{7}}},
		"a known number":                 {full, "1000", user.Identity{UID: 1000, GID: 1001, Groups: []uint32{1001, 29, 44}}},
		"an unknown number":              {full, "4321", user.Identity{UID: 4321, GID: 0, Groups: []uint32{0}}},
		"a number without files":         {none, "4321", user.Identity{UID: 4321, GID: 0, Groups: []uint32{0}}},
		"two numbers":                    {full, "1000:777", user.Identity{UID: 1000, GID: 777, Groups: []uint32{777}}},
		"a number and a group":           {full, "4321:audio", user.Identity{UID: 4321, GID: 29, Groups: []uint32{29}}},
		"root by name is 0 whatever the file says with a group": {odd, "root:root", user.Identity{Groups: []uint32{0}}},
		"root by name is what the file says":                    {odd, "root", user.Identity{UID: 5, GID: 6, Groups: []uint32{6}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := user.Lookup(tt.root, tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			if got.UID != tt.want.UID || got.GID != tt.want.GID || !slices.Equal(got.Groups, tt.want.Groups) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestLookupRefuses(t *testing.T) {
	t.Parallel()
	full := newRoot(t, map[string]string{"passwd": passwd, "group": group})
	fifo := newRoot(t, map[string]string{"group": group})
	if err := unix.Mkfifo(filepath.Join(fifo, "etc/passwd"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := newRoot(t, map[string]string{"group": group})
	if err := os.Symlink(filepath.Join(full, "etc/passwd"), filepath.Join(out, "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	large := newRoot(t, map[string]string{"passwd": strings.Repeat("x:x:1:1::/:\n", 1<<20), "group": group})
	tests := map[string]struct{ root, spec, want string }{
		"unknown user":        {full, "eve", `USER eve: there is no user "eve": the image's /etc/passwd does not name it; make it before with RUN useradd, or give a number`},
		"unknown group":       {full, "ann:staff", `USER ann:staff: there is no group "staff": the image's /etc/group does not name it; make it before with RUN groupadd, or give a number`},
		"no file":             {newRoot(t, nil), "ann", `the image's /etc/passwd cannot be read (no such file or directory)`},
		"a fifo":              {fifo, "ann", `the image's /etc/passwd cannot be read (not a regular file)`},
		"a link out of root":  {out, "ann", `the image's /etc/passwd cannot be read (no such file or directory)`},
		"a file without end":  {large, "ann", `the image's /etc/passwd is larger than 10485760 bytes`},
		"a number too large":  {full, "99999999999", "USER 99999999999"},
		"a number below zero": {full, "-1", "USER -1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := user.Lookup(tt.root, tt.spec)
			if err == nil {
				t.Fatalf("got %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	full := newRoot(t, map[string]string{"passwd": passwd + "nobody:x:9:9:::\n"})
	for uid, want := range map[uint32]string{0: "/root", 1000: "/home/ann", 4321: "/", 9: "/"} {
		if got := user.Home(full, uid); got != want {
			t.Errorf("uid %d: got %q, want %q", uid, got, want)
		}
	}
	if got := user.Home(newRoot(t, nil), 0); got != "/" {
		t.Errorf("without a file: got %q, want /", got)
	}
}

func FuzzLookup(f *testing.F) {
	f.Add("ann", passwd, group)
	f.Add("1000:audio", passwd, group)
	f.Add(":", ":::::", "\x00:x:-1:,")
	f.Fuzz(func(t *testing.T, spec, passwd, group string) {
		root := newRoot(t, map[string]string{"passwd": passwd, "group": group})
		id, err := user.Lookup(root, spec)
		if err == nil && !slices.Contains(id.Groups, id.GID) {
			t.Errorf("%q: the primary group is missing in %+v", spec, id)
		}
	})
}
