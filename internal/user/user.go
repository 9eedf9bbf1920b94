// Package user finds out which user, group and supplementary groups a Dockerfile's USER means in an image.
package user

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// Identity is what a process runs as. Groups are its supplementary groups, the primary one first among them, as
// BuildKit v0.34.2 sets them (executor/oci/user.go).
type Identity struct {
	UID, GID uint32
	Groups   []uint32
}

// Root is the user of an image that names none.
func Root() Identity { return Identity{Groups: []uint32{0}} }

// The files in an image that name its users and groups.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// maxFileSize is the largest such file that is read, in bytes, as in BuildKit v0.34.2's executor/oci/user.go.
const maxFileSize = 10 << 20

// Lookup is the identity that spec means in the file system below root: "name", "uid", "name:group", "uid:gid", or
// nothing for root. The rules are BuildKit's: two numbers (or "root") are taken as they are, without supplementary
// groups; a number that /etc/passwd does not know has group 0; supplementary groups are those that /etc/group lists
// the user in, unless spec names a group; and where no user is asked for, files that cannot be read mean root.
// A link in the image never leads out of root, and nothing but a regular file is opened.
func Lookup(root, spec string) (Identity, error) {
	if id, ok := numeric(spec); ok {
		return id, nil
	}
	asked := spec
	if asked == "" {
		asked = "0"
	}
	passwd, passwdErr := read(root, passwdFile)
	group, groupErr := read(root, groupFile)
	found, err := user.GetExecUser(asked, nil, reader(passwd, passwdErr), reader(group, groupErr))
	if err != nil && spec == "" {
		return Root(), nil
	}
	if err != nil {
		return Identity{}, notFound(spec, err, passwdErr, groupErr)
	}
	id := Identity{UID: uint32(found.Uid), GID: uint32(found.Gid)}
	for _, g := range found.Sgids {
		id.Groups = append(id.Groups, uint32(g))
	}
	return id.withPrimary(), nil
}

// Home is the home directory of a user by the root's /etc/passwd, "/" where it has none: what runc sets as HOME for a
// process that has none (libcontainer's getUserHome).
func Home(root string, uid uint32) string {
	const none = "/"
	passwd, err := read(root, passwdFile)
	found, err := user.GetExecUser(strconv.FormatUint(uint64(uid), 10), &user.ExecUser{Home: none}, reader(passwd, err), nil)
	if err != nil || found.Home == "" {
		return none
	}
	return found.Home
}

// withPrimary puts the primary group among the supplementary ones.
func (id Identity) withPrimary() Identity {
	if !slices.Contains(id.Groups, id.GID) {
		id.Groups = slices.Insert(id.Groups, 0, id.GID)
	}
	return id
}

// numeric reads "uid:gid" where both are numbers or "root".
func numeric(spec string) (Identity, bool) {
	uid, gid, both := strings.Cut(spec, ":")
	if !both {
		return Identity{}, false
	}
	u, err := number(uid)
	if err != nil {
		return Identity{}, false
	}
	g, err := number(gid)
	if err != nil {
		return Identity{}, false
	}
	return Identity{UID: u, GID: g}.withPrimary(), true
}

func number(s string) (uint32, error) {
	if s == "root" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// notFound says which user or group is missing, and where it was looked for.
func notFound(spec string, err, passwdErr, groupErr error) error {
	name, group, _ := strings.Cut(spec, ":")
	var what, file, tool string
	var fileErr error
	switch {
	case errors.Is(err, user.ErrNoPasswdEntries):
		what, file, tool, fileErr = "user "+strconv.Quote(name), passwdFile, "useradd", passwdErr
	case errors.Is(err, user.ErrNoGroupEntries):
		what, file, tool, fileErr = "group "+strconv.Quote(group), groupFile, "groupadd", groupErr
	default:
		return fmt.Errorf("USER %s: %w", spec, err)
	}
	why := "the image's " + file + " does not name it"
	if fileErr != nil {
		why = fmt.Sprintf("the image's %s cannot be read (%v)", file, fileErr)
	}
	return fmt.Errorf("USER %s: there is no %s: %s; make it before with RUN %s, or give a number", spec, what, why, tool)
}

// reader gives what was read to GetExecUser: nothing for a file that is not there, and the error for one too large.
func reader(text []byte, err error) io.Reader {
	switch {
	case err == nil:
		return bytes.NewReader(text)
	case errors.As(err, new(tooLarge)):
		return failing{err}
	}
	return nil
}

// failing is a reader that only fails.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// tooLarge is the error about a file with the name, in the image, that is larger than maxFileSize.
type tooLarge string

func (name tooLarge) Error() string {
	return fmt.Sprintf("the image's %s is larger than %d bytes", string(name), maxFileSize)
}

// read reads a file below root, at most maxFileSize of it.
func read(root, name string) ([]byte, error) {
	// A process that is started meanwhile would hold the file until it executes, and root could not be unmounted.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := open(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(text) > maxFileSize {
		return nil, tooLarge(name)
	}
	return text, err
}

// open opens a regular file below root. It is looked at before it is opened for reading: opening a fifo would wait,
// and opening a device would act on the machine.
func open(root, name string) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	pinned, err := unix.Openat2(dir, name, how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pinned)
	var stat unix.Stat_t
	if err := unix.Fstat(pinned, &stat); err != nil {
		return nil, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("not a regular file")
	}
	// Through /proc it is the very file that was looked at, whatever its name means by now.
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", pinned))
}
