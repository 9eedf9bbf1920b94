package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/jina/hub-publish/internal/layer"
	"github.com/jina/hub-publish/internal/processes"
)

// inPlace is the one root that there is where nothing may be mounted: this container's own. Snapshots are kept as layer
// archives, in files without a name that no instruction can reach, and laid out in the root as they are needed. What an
// instruction changed is found by comparing the root with what it was before.
type inPlace struct {
	own    string
	keep   map[string]bool // paths that are not the image's: mounts, and the action's own directory
	around map[string]bool // the directories above them

	// alone says that all processes of the container are the action's: its first one and this one.
	alone bool
	// lent is what the container puts into the root beside the image.
	lent *lent

	current *snapshot
	state   *layer.State
	// tried is what the root holds for another test of the same image, but for the times of directories, and triedState how
	// it is.
	tried      *snapshot
	triedState *layer.State
	number     int
	// points are those of mountPoints that the image in the root has.
	points map[string]bool
	// ran is the time that the mount points get that an image lacks; nil where the operation runs nothing.
	ran *time.Time
	// usedBefore is diskUsed at the beginning.
	usedBefore int64
	// views are the directories where a build's snapshots are laid out beside the root.
	views map[string]map[*snapshot]string
}

// mountPoints are directories that an image has once something has run in it: runc makes them to mount what is there. In
// place they are the container's, so that they must be put into the layer by name.
var mountPoints = []string{"/dev", "/proc", "/sys"}

// newInPlace makes this process's root a place. Whether that root may be used up must be clear before.
func newInPlace(own string) (*inPlace, error) {
	p := &inPlace{own: own, keep: map[string]bool{own: true, "/.dockerenv": true, "/run/.containerenv": true}, around: map[string]bool{}, views: map[string]map[*snapshot]string{}}
	p.usedBefore = diskUsed("/")
	if err := becomeReaper(); err != nil {
		return nil, err
	}
	others, err := processes.Below(1)
	if err != nil {
		return nil, err
	}
	p.alone = os.Getppid() == 1 && len(others) == 1
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		if m.Mountpoint != "/" {
			p.keep[m.Mountpoint] = true
		}
	}
	for path := range p.keep {
		for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
			p.around[dir] = true
		}
	}
	p.lent, err = lentBy(p.keep)
	return p, err
}

func (p *inPlace) parallel() bool { return false }

// skip reports whether a path is not the image's.
func (p *inPlace) skip(path string) bool {
	for ; path != "/" && path != "."; path = filepath.Dir(path) {
		if p.keep[path] {
			return true
		}
	}
	return false
}

// note is skip for what an image brings: it remembers which mount points are among it.
func (p *inPlace) note(path string) bool {
	if slices.Contains(mountPoints, path) {
		p.points[path] = true
	}
	return p.skip(path)
}

func (p *inPlace) addImage(_ context.Context, _ string, layers []io.Reader) (*snapshot, error) {
	s := &snapshot{}
	for _, blob := range layers {
		f, err := p.newFile()
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(f, blob); err != nil {
			return nil, err
		}
		s.blobs = append(s.blobs, f)
	}
	return s, nil
}

func (p *inPlace) findImage(string) (*snapshot, error) { return nil, nil }

func (p *inPlace) newFile() (*os.File, error) { return nameless(p.own) }

func (p *inPlace) newDir(build string) (string, error) {
	dir := filepath.Join(p.own, buildsDir, build, strconv.Itoa(p.nextNumber()))
	return dir, os.MkdirAll(dir, 0o755)
}

func (p *inPlace) nextNumber() int {
	p.number++
	return p.number
}

func (p *inPlace) change(ctx context.Context, build string, below *snapshot, do func(root string) error) (*snapshot, error) {
	if below == nil {
		return p.changeBeside(ctx, build, do)
	}
	if err := p.checkout(ctx, build, below); err != nil {
		return nil, err
	}
	before := p.state
	p.current, p.ran = nil, nil // until it is known what the root holds
	err := do("/")
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w: the container that builds in place has something of its own there; %s", err, elsewhere)
	}
	if files, devices, restoreErr := p.lent.restore(); err == nil {
		if err = restoreErr; err == nil && len(files)+len(devices) > 0 {
			err = notTheImages(append(files, devices...)...)
		}
	}
	if err != nil {
		return nil, err
	}
	s, after, err := p.commit(ctx, below, "/", before)
	p.current, p.state = s, after
	return s, err
}

// elsewhere is what to do about what cannot be built in place.
const elsewhere = "build on a runner with a Docker socket, or leave it out"

// notTheImages is the error of an operation that writes where the image has no place in the root.
func notTheImages(paths ...string) error {
	return fmt.Errorf("it changes %s, which the container that builds in place has of its own; %s", strings.Join(paths, ", "), elsewhere)
}

// changeBeside makes a layer that lies on nothing, such as that of COPY --link: the root is left as it is.
func (p *inPlace) changeBeside(ctx context.Context, build string, do func(root string) error) (*snapshot, error) {
	dir, err := p.newDir(build)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	empty, err := layer.Scan(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	if err := do(dir); err != nil {
		return nil, err
	}
	s, _, err := p.commit(ctx, nil, dir, empty)
	return s, err
}

// commit makes a layer of what changed in a root.
func (p *inPlace) commit(ctx context.Context, below *snapshot, root string, before *layer.State) (*snapshot, *layer.State, error) {
	after, changes, err := before.Changes(ctx)
	if err != nil {
		return nil, nil, err
	}
	f, err := p.newFile()
	if err != nil {
		return nil, nil, err
	}
	var options layer.PackOptions
	if p.ran != nil {
		options.MountPointTime = *p.ran
		for _, path := range mountPoints {
			if !p.points[path] {
				options.MountPoints, p.points[path] = append(options.MountPoints, path), true
			}
		}
	}
	if err := layer.Write(f, root, changes, options); err != nil {
		return nil, nil, err
	}
	return &snapshot{below: below, blobs: []*os.File{f}}, after, nil
}

// checkout lays a snapshot out in the root.
func (p *inPlace) checkout(ctx context.Context, build string, s *snapshot) error {
	if p.current == s && s != nil {
		return nil
	}
	p.tried = nil
	missing := s.stack()
	for i, layer := range missing {
		if layer == p.current && p.current != nil {
			missing = missing[i+1:]
			break
		}
	}
	if len(missing) == len(s.stack()) {
		if err := p.putAside(build); err != nil {
			return err
		}
		p.points = map[string]bool{}
	}
	p.current = nil
	for _, layer := range missing {
		if err := p.apply(ctx, "/", layer, p.note); err != nil {
			return err
		}
	}
	state, err := layer.Scan(ctx, "/", p.skip)
	if err != nil {
		return err
	}
	p.current, p.state = s, state
	return nil
}

func (p *inPlace) apply(ctx context.Context, dir string, s *snapshot, skip func(string) bool) error {
	for _, blob := range s.blobs {
		if err := unpack(ctx, dir, io.NewSectionReader(blob, 0, 1<<62), skip); err != nil {
			return err
		}
	}
	return nil
}

// putAside empties the root. What was there stays as a view where a later instruction may copy from it.
func (p *inPlace) putAside(build string) error {
	aside, err := p.newDir(build)
	if err != nil {
		return err
	}
	if err := p.move("/", aside); err != nil {
		return fmt.Errorf("empty the root: %w", err)
	}
	if p.current == nil {
		return os.RemoveAll(aside)
	}
	p.remember(build, p.current, aside)
	return nil
}

func (p *inPlace) remember(build string, s *snapshot, dir string) {
	if p.views[build] == nil {
		p.views[build] = map[*snapshot]string{}
	}
	p.views[build][s] = dir
}

// move moves what is in a directory of the root, but for what is kept. A directory that comes from the container's own
// image cannot be moved as a whole; what is in it can.
func (p *inPlace) move(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		if p.keep[source] {
			continue
		}
		if !p.around[source] {
			if err := os.Rename(source, target); err == nil {
				continue
			} else if !entry.IsDir() {
				return err
			}
		}
		if err := copyDirectory(source, target); err != nil {
			return err
		}
		if err := p.move(source, target); err != nil {
			return err
		}
		if !p.around[source] {
			if err := os.Remove(source); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *inPlace) view(ctx context.Context, build string, s *snapshot, forget bool, do func(dir string) error) error {
	if s != nil && s.dir != "" && !forget {
		return do(s.dir)
	}
	if dir, ok := p.views[build][s]; ok && !forget {
		return do(dir)
	}
	dir, err := p.newDir(build)
	if err != nil {
		return err
	}
	if forget {
		defer os.RemoveAll(dir)
	}
	for _, below := range s.stack() {
		if below.dir != "" {
			err = copyTree(ctx, below.dir, dir)
		} else {
			err = p.apply(ctx, dir, below, nil)
		}
		if err != nil {
			return err
		}
	}
	if !forget {
		p.remember(build, s, dir)
	}
	return do(dir)
}

func (p *inPlace) archive(s *snapshot, w io.Writer) error {
	_, err := io.Copy(w, io.NewSectionReader(s.blobs[0], 0, 1<<62))
	return err
}

// exceeds takes what the disk below has grown by: there is no directory that a build's files are in.
func (p *inPlace) exceeds(_ string, limit int64) bool { return diskUsed("/")-p.usedBefore > limit }

// forget also ends what the build's snapshots were laid out for: the root is of no use to another build.
func (p *inPlace) forget(build string) error {
	delete(p.views, build)
	return os.RemoveAll(filepath.Join(p.own, buildsDir, build))
}

func (p *inPlace) close() error { return nil }
