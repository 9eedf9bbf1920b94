package fileop

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/containerd/continuity/fs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"
	fscopy "github.com/tonistiigi/fsutil/copy"
)

// maxUserFile is how many bytes of /etc/passwd or /etc/group are read (BuildKit v0.34.2, solver/llbsolver/ops/user_linux.go).
const maxUserFile = 10 << 20

// Owner is whose the files of an action are.
type Owner struct{ UID, GID int }

// ResolveOwner reads the owner of an action; nil means that it names none. Names are looked up in /etc/passwd below
// userRoot and /etc/group below groupRoot. As with BuildKit, a name that is not to be found there stands for root: warn is
// told of it.
func ResolveOwner(opt *pb.ChownOpt, userRoot, groupRoot string, warn func(string)) (*Owner, error) {
	if opt == nil {
		return nil, nil
	}
	var owner Owner
	switch u := opt.GetUser().GetUser().(type) {
	case *pb.UserOpt_ByID:
		owner = Owner{UID: int(u.ByID), GID: int(u.ByID)}
	case *pb.UserOpt_ByName:
		found, err := findUser(userRoot, u.ByName.Name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			warn(fmt.Sprintf("there is no user %q in the image's /etc/passwd: files are given to user 0, as BuildKit does", u.ByName.Name))
		} else {
			owner = Owner{UID: found.Uid, GID: found.Gid}
		}
	}
	switch g := opt.GetGroup().GetUser().(type) {
	case *pb.UserOpt_ByID:
		owner.GID = int(g.ByID)
	case *pb.UserOpt_ByName:
		found, err := findGroup(groupRoot, g.ByName.Name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			warn(fmt.Sprintf("there is no group %q in the image's /etc/group: files are given to group %d, as BuildKit does", g.ByName.Name, owner.GID))
		} else {
			owner.GID = found.Gid
		}
	}
	return &owner, nil
}

func findUser(root, name string) (*user.User, error) {
	file, err := openUserFile(root, "/etc/passwd")
	if err != nil || file == nil {
		return nil, err
	}
	defer file.Close()
	found, err := user.ParsePasswdFilter(bounded(file, "/etc/passwd"), func(u user.User) bool { return u.Name == name })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func findGroup(root, name string) (*user.Group, error) {
	file, err := openUserFile(root, "/etc/group")
	if err != nil || file == nil {
		return nil, err
	}
	defer file.Close()
	found, err := user.ParseGroupFilter(bounded(file, "/etc/group"), func(g user.Group) bool { return g.Name == name })
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// openUserFile is nil where there is no such file.
func openUserFile(root, name string) (*os.File, error) {
	path, err := fs.RootPath(root, name)
	if err != nil {
		return nil, fmt.Errorf("look up an owner in %s: %w", name, err)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// A named pipe would keep us waiting, and a device is the machine's own.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("look up an owner in %s: it is not a regular file (%s)", name, info.Mode())
	}
	return os.Open(path)
}

func bounded(r io.Reader, name string) io.Reader {
	return io.MultiReader(io.LimitReader(r, maxUserFile), refuseMore{r, name})
}

// refuseMore is at its end only if r is.
type refuseMore struct {
	r    io.Reader
	name string
}

func (m refuseMore) Read(p []byte) (int, error) {
	if n, err := m.r.Read(p[:min(1, len(p))]); n == 0 {
		return 0, err
	}
	return 0, fmt.Errorf("%s has more than %d bytes", m.name, maxUserFile)
}

// lookups are the inputs that an action's owner is looked up in.
func lookups(action *pb.FileAction, inputs int) ([]int, error) {
	found := map[int]bool{}
	owner := ownerOption(action)
	for _, option := range []*pb.UserOpt{owner.GetUser(), owner.GetGroup()} {
		named, ok := option.GetUser().(*pb.UserOpt_ByName)
		if !ok {
			continue
		}
		if named.ByName == nil || named.ByName.Input < 0 || named.ByName.Input >= int64(inputs) {
			return nil, fmt.Errorf("the owner %q cannot be looked up: there is no image with /etc/passwd and /etc/group at this place, use numbers", named.ByName.GetName())
		}
		found[int(named.ByName.Input)] = true
	}
	return sortedKeys(found), nil
}

func ownerOption(action *pb.FileAction) *pb.ChownOpt {
	switch action := action.Action.(type) {
	case *pb.FileAction_Copy:
		return action.Copy.GetOwner()
	case *pb.FileAction_Mkdir:
		return action.Mkdir.GetOwner()
	case *pb.FileAction_Mkfile:
		return action.Mkfile.GetOwner()
	case *pb.FileAction_Symlink:
		return action.Symlink.GetOwner()
	}
	return nil
}

func ownerOf(action *pb.FileAction, primary int, inputs []Input, dest string, warn func(string)) (*Owner, error) {
	option := ownerOption(action)
	root := func(option *pb.UserOpt) string {
		named, ok := option.GetUser().(*pb.UserOpt_ByName)
		if !ok {
			return ""
		}
		if int(named.ByName.Input) == primary {
			return dest
		}
		return inputs[named.ByName.Input].Dir
	}
	return ResolveOwner(option, root(option.GetUser()), root(option.GetGroup()), warn)
}

// chowner is the owner as the copying library asks for it: with nil for what it makes, and with the source's for what it
// copies. Without an owner that one is kept.
func (t *target) chowner(ownedByRoot bool) fscopy.Chowner {
	return func(old *fscopy.User) (*fscopy.User, error) {
		switch {
		case t.owner != nil:
			old = &fscopy.User{UID: t.owner.UID, GID: t.owner.GID}
		case ownedByRoot && old != nil:
			old = &fscopy.User{}
		}
		if old != nil {
			t.asked = Owner{old.UID, old.GID}
		}
		return old, nil
	}
}

func sortedKeys(set map[int]bool) []int { return slices.Sorted(maps.Keys(set)) }
