package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A State is what lies below a root at one time. It takes about 130 bytes of memory a path.
type State struct {
	root string
	skip func(string) bool
	top  *listing
}

// A listing is what lies in one directory, by name.
type listing struct {
	records []record
	newest  int64 // time of the last change of any of them, in nanoseconds since the epoch
}

// A record tells a file from what it was before: whatever is changed in a file, by content, attribute, name or link, its
// ctime changes with it, which no process can set.
type record struct {
	name  string
	is    identity
	below *listing // of a directory
}

type identity struct {
	device, inode         uint64
	size, changed         int64 // changed is the ctime in nanoseconds since the epoch
	mode, uid, gid, links uint32
}

// Scan records what lies below root. What skip, which is called from several goroutines and may be nil, tells to leave out
// (by absolute path in the root) is left out with all that is below it.
//
// A change after Scan has returned is always seen by Changes: Scan waits, 10 ms at most by default, until the clock that
// the kernel takes ctimes from has gone beyond the newest ctime that it saw.
func Scan(ctx context.Context, root string, skip func(path string) bool) (*State, error) {
	s := &scanner{root: root, skip: skip}
	s.changed.L = &s.mutex
	state := &State{root: root, skip: skip, top: &listing{}}
	s.push("", state.top)
	var workers sync.WaitGroup
	for range max(leastWorkers, runtime.GOMAXPROCS(0)) {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	if s.err != nil {
		return nil, fmt.Errorf("scanning %s: %w", root, s.err)
	}
	return state, waitForTick(s.newest)
}

// A scanner is the directories that are still to be read.
type scanner struct {
	root string
	skip func(string) bool

	mutex      sync.Mutex
	changed    sync.Cond
	waiting    []unread
	unfinished int
	newest     int64
	err        error
}

type unread struct {
	path string
	into *listing
}

func (s *scanner) push(path string, into *listing) {
	s.mutex.Lock()
	s.waiting = append(s.waiting, unread{path, into})
	s.unfinished++
	s.mutex.Unlock()
	s.changed.Signal()
}

// pop gives the directory that was found last, so that few are waiting, and false once all are read.
func (s *scanner) pop() (unread, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.waiting) == 0 && s.unfinished > 0 && s.err == nil {
		s.changed.Wait()
	}
	if len(s.waiting) == 0 || s.err != nil {
		return unread{}, false
	}
	last := len(s.waiting) - 1
	next := s.waiting[last]
	s.waiting = s.waiting[:last]
	return next, true
}

func (s *scanner) work(ctx context.Context) {
	for {
		next, ok := s.pop()
		if !ok {
			return
		}
		err := context.Cause(ctx)
		if err == nil {
			err = s.read(next)
		}
		s.mutex.Lock()
		s.unfinished--
		s.newest = max(s.newest, next.into.newest)
		if s.err == nil {
			s.err = err
		}
		if s.unfinished == 0 || s.err != nil {
			s.changed.Broadcast()
		}
		s.mutex.Unlock()
	}
}

// read reads one directory. What is deleted meanwhile is taken as if it had never been.
func (s *scanner) read(dir unread) error {
	fd, err := unix.Open(filepath.Join(s.root, dir.path), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) && dir.path != "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading /%s: %w", dir.path, err)
	}
	file := os.NewFile(uintptr(fd), dir.path)
	defer file.Close()
	names, err := file.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("reading /%s: %w", dir.path, err)
	}
	slices.Sort(names)
	dir.into.records = make([]record, 0, len(names))
	for _, name := range names {
		path := join(dir.path, name)
		if s.skip != nil && s.skip("/"+path) {
			continue
		}
		var stat unix.Stat_t
		err := unix.Fstatat(fd, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading /%s: %w", path, err)
		}
		found := record{name: name, is: identityOf(&stat)}
		dir.into.newest = max(dir.into.newest, found.is.changed)
		if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			found.below = &listing{}
			s.push(path, found.below)
		}
		dir.into.records = append(dir.into.records, found)
	}
	return nil
}

func identityOf(stat *unix.Stat_t) identity {
	return identity{
		device: stat.Dev, inode: stat.Ino, size: stat.Size, changed: stat.Ctim.Nano(),
		mode: stat.Mode, uid: stat.Uid, gid: stat.Gid, links: uint32(stat.Nlink),
	}
}

// longestTick is how long the kernel's coarse clock stands at most: CONFIG_HZ is 100 or more.
const longestTick = 10 * time.Millisecond

// waitForTick waits until a file that is changed gets a later ctime than newest. The kernel takes ctimes from its coarse
// clock, CLOCK_REALTIME_COARSE, which moves once in a tick. A ctime further in the future is of a clock that was set back,
// and will hardly be met again to the nanosecond.
func waitForTick(newest int64) error {
	for {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			return fmt.Errorf("reading the clock: %w", err)
		}
		if ahead := newest - now.Nano(); ahead < 0 || ahead > int64(2*longestTick) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}
