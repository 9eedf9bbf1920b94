package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/moby/sys/user"
)

// mapUsers gives users to the user namespace of a process: the caller as root, and behind it those that the machine's
// administrator gave to the caller, if any.
func mapUsers(pid int) error {
	uid, gid := os.Geteuid(), os.Getegid()
	uids, gids := mapping("/etc/subuid", uid, uid), mapping("/etc/subgid", uid, gid)
	if len(uids) > 3 && len(gids) > 3 {
		wholeErr := mapWith("newuidmap", pid, uids)
		if wholeErr == nil {
			return mapWith("newgidmap", pid, gids) // the one without the other would leave nothing to fall back to
		}
	}
	proc := fmt.Sprintf("/proc/%d/", pid)
	for _, file := range []struct{ name, text string }{
		// The kernel wants this of who has no right to change groups: user_namespaces(7).
		{"setgroups", "deny"},
		{"gid_map", fmt.Sprintf("0 %d 1", gid)},
		{"uid_map", fmt.Sprintf("0 %d 1", uid)},
	} {
		if err := os.WriteFile(proc+file.name, []byte(file.text), 0); err != nil {
			return err
		}
	}
	return nil
}

// mapping are newuidmap's arguments: own becomes 0, and behind it come the ranges that a file such as /etc/subuid gives
// to the user with the number uid, by its name or number.
func mapping(file string, uid, own int) []string {
	name := ""
	if u, err := user.LookupUid(uid); err == nil {
		name = u.Name
	}
	number := strconv.Itoa(uid)
	ranges, err := user.ParseSubIDFileFilter(file, func(s user.SubID) bool { return s.Name == number || name != "" && s.Name == name })
	all := []string{"0", strconv.Itoa(own), "1"}
	if err != nil {
		return all
	}
	next := int64(1)
	for _, r := range ranges {
		if r.Count <= 0 || r.SubID <= 0 {
			continue
		}
		all = append(all, strconv.FormatInt(next, 10), strconv.FormatInt(r.SubID, 10), strconv.FormatInt(r.Count, 10))
		next += r.Count
	}
	return all
}

func mapWith(program string, pid int, ids []string) error {
	c := exec.Command(program, append([]string{strconv.Itoa(pid)}, ids...)...)
	text, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(text))
	}
	return nil
}
