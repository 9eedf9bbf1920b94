package layer

import "context"

// A ChangeKind is what became of a path.
type ChangeKind int

const (
	// Added is a path that was not there before.
	Added ChangeKind = iota + 1
	// Modified is a path that is not as it was, be it content, an attribute, the type or the number of its links.
	Modified
	// Deleted is a path that is no longer there. Of a directory only itself is named, not what was in it.
	Deleted
)

// A Change is one path that is not as it was.
type Change struct {
	// Path is absolute in the root.
	Path string
	Kind ChangeKind
}

// Changes scans the root again and gives what was changed since, in the order of the paths, a directory before what it
// holds. Nothing may change the root meanwhile. What lies in a directory that took the place of a file is named entry by
// entry; what lay in a directory that became a file is not named, since the file takes its place.
func (before *State) Changes(ctx context.Context) (after *State, changes []Change, err error) {
	if after, err = Scan(ctx, before.root, before.skip); err != nil {
		return nil, nil, err
	}
	c := comparison{links: map[inode]bool{}}
	c.compare("", before.top, after.top)
	if c.split {
		// The name of a file comes with a directory that was moved, which does not change the file: its other names must go
		// into the layer as well, or it would have two files.
		c.changes = nil
		c.compare("", before.top, after.top)
	}
	return after, c.changes, nil
}

// Additions scans the root again and gives the paths that were added since, without what lies in them. only says that nothing
// else was changed but the times of directories.
func (before *State) Additions(ctx context.Context) (added []string, only bool, err error) {
	after, err := Scan(ctx, before.root, before.skip)
	if err != nil {
		return nil, false, err
	}
	added, only = additions("", before.top, after.top)
	return added, only, nil
}

func additions(dir string, before, after *listing) (added []string, only bool) {
	was := map[string]record{}
	for _, r := range before.records {
		was[r.name] = r
	}
	only = true
	for _, now := range after.records {
		old, ok := was[now.name]
		delete(was, now.name)
		switch path := dir + "/" + now.name; {
		case !ok:
			added = append(added, path)
		case old.below != nil && now.below != nil:
			is, had := now.is, old.is
			// A directory's time, size and links change with what is added to it.
			is.changed, is.size, is.links = had.changed, had.size, had.links
			below, onlyBelow := additions(path, old.below, now.below)
			added, only = append(added, below...), only && onlyBelow && is == had
		default:
			only = only && old.is == now.is
		}
	}
	return added, only && len(was) == 0
}

// A comparison collects the differences of two states.
type comparison struct {
	changes []Change
	// links has the files with several names of which one is among the changes, and split tells that one may not be.
	links map[inode]bool
	split bool
}

// compare compares the listings of one directory, which are both sorted by name.
func (c *comparison) compare(dir string, before, after *listing) {
	old, now := before.records, after.records
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || len(old) > 0 && old[0].name < now[0].name:
			c.changes = append(c.changes, Change{dir + "/" + old[0].name, Deleted})
			old = old[1:]
		case len(old) == 0 || now[0].name < old[0].name:
			c.compareOne(dir, nil, &now[0])
			now = now[1:]
		default:
			c.compareOne(dir, &old[0], &now[0])
			old, now = old[1:], now[1:]
		}
	}
}

// compareOne adds what became of one path that is there now.
func (c *comparison) compareOne(dir string, before, after *record) {
	path, was := dir+"/"+after.name, &listing{}
	key := inode{after.is.device, after.is.inode}
	switch {
	case before == nil:
		c.changes = append(c.changes, Change{path, Added})
		c.note(key, after)
	case before.is != after.is:
		c.changes = append(c.changes, Change{path, Modified})
		c.note(key, after)
	case c.links[key]:
		c.changes = append(c.changes, Change{path, Modified})
	}
	if before != nil && before.below != nil {
		was = before.below
	}
	if after.below != nil {
		c.compare(path, was, after.below)
	}
}

func (c *comparison) note(key inode, after *record) {
	if after.below == nil && after.is.links > 1 {
		c.links[key], c.split = true, true
	}
}
