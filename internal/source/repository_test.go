package source_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/jina/hub-publish/internal/needs"
)

var commitTime = time.Date(2021, 1, 2, 3, 4, 5, 0, time.UTC)

// entry is a file of a commit; a submodule's content is the hash of its commit.
type entry struct {
	mode    filemode.FileMode
	content string
}

// repository makes repositories below one directory, which a server shows.
type repository struct {
	t       testing.TB
	storage *filesystem.Storage
}

func newRepository(t testing.TB, root, name string) repository {
	t.Helper()
	storage := filesystem.NewStorage(osfs.New(filepath.Join(root, name)), cache.NewObjectLRUDefault())
	if _, err := git.Init(storage, nil); err != nil {
		t.Fatal(err)
	}
	r := repository{t, storage}
	r.set(plumbing.NewSymbolicReference(plumbing.HEAD, "refs/heads/main"))
	return r
}

func (r repository) set(reference *plumbing.Reference) {
	r.t.Helper()
	if err := r.storage.SetReference(reference); err != nil {
		r.t.Fatal(err)
	}
}

// commit makes a commit of files on a branch.
func (r repository) commit(branch string, files map[string]entry, parents ...plumbing.Hash) plumbing.Hash {
	r.t.Helper()
	who := object.Signature{Name: "n", Email: "e", When: commitTime}
	hash := r.store(&object.Commit{Author: who, Committer: who, Message: branch, TreeHash: r.tree(files), ParentHashes: parents})
	r.set(plumbing.NewHashReference(plumbing.NewBranchReferenceName(branch), hash))
	return hash
}

// tag makes an annotated tag.
func (r repository) tag(name string, commit plumbing.Hash) plumbing.Hash {
	r.t.Helper()
	who := object.Signature{Name: "n", Email: "e", When: commitTime}
	hash := r.store(&object.Tag{Name: name, Tagger: who, Message: "tag", TargetType: plumbing.CommitObject, Target: commit})
	r.set(plumbing.NewHashReference(plumbing.NewTagReferenceName(name), hash))
	return hash
}

func (r repository) tree(files map[string]entry) plumbing.Hash {
	r.t.Helper()
	entries := map[string]object.TreeEntry{}
	below := map[string]map[string]entry{}
	for name, file := range files {
		if dir, rest, ok := strings.Cut(name, "/"); ok {
			if below[dir] == nil {
				below[dir] = map[string]entry{}
			}
			below[dir][rest] = file
			continue
		}
		hash := plumbing.NewHash(file.content)
		if file.mode != filemode.Submodule {
			hash = r.blob(file.content)
		}
		entries[name] = object.TreeEntry{Name: name, Mode: file.mode, Hash: hash}
	}
	for dir, files := range below {
		entries[dir] = object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: r.tree(files)}
	}
	var tree object.Tree
	for _, entry := range entries {
		tree.Entries = append(tree.Entries, entry)
	}
	sort.Sort(object.TreeEntrySorter(tree.Entries))
	return r.store(&tree)
}

func (r repository) blob(content string) plumbing.Hash {
	r.t.Helper()
	blob := r.storage.NewEncodedObject()
	blob.SetType(plumbing.BlobObject)
	w, err := blob.Writer()
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		r.t.Fatal(err)
	}
	return r.save(blob)
}

func (r repository) store(o interface {
	Encode(plumbing.EncodedObject) error
}) plumbing.Hash {
	r.t.Helper()
	encoded := r.storage.NewEncodedObject()
	if err := o.Encode(encoded); err != nil {
		r.t.Fatal(err)
	}
	return r.save(encoded)
}

func (r repository) save(o plumbing.EncodedObject) plumbing.Hash {
	r.t.Helper()
	hash, err := r.storage.SetEncodedObject(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return hash
}

// serveGit shows the repositories below root as go-git's server does: without shallow ones, and by name only.
func serveGit(t testing.TB, root string) string {
	t.Helper()
	loader := server.NewFilesystemLoader(osfs.New(root))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, service, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
		session, err := server.NewServer(loader).NewUploadPackSession(&transport.Endpoint{Path: name + ".git"}, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		if service == "info/refs" {
			err = advertise(w, session, r)
		} else {
			err = upload(w, session, r)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func advertise(w http.ResponseWriter, session transport.UploadPackSession, r *http.Request) error {
	references, err := session.AdvertisedReferencesContext(r.Context())
	if err != nil {
		return err
	}
	references.Prefix = [][]byte{[]byte("# service=git-upload-pack"), {}}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	return references.Encode(w)
}

func upload(w http.ResponseWriter, session transport.UploadPackSession, r *http.Request) error {
	request := packp.NewUploadPackRequest()
	if err := request.UploadRequest.Decode(r.Body); err != nil {
		return err
	}
	response, err := session.UploadPack(r.Context(), request)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	return response.Encode(w)
}

// serveRealGit shows them as Git itself does, where it is installed.
func serveRealGit(t testing.TB, root string) string {
	t.Helper()
	output, err := exec.Command("git", "--exec-path").Output()
	backend := filepath.Join(strings.TrimSpace(string(output)), "git-http-backend")
	if err == nil {
		_, err = os.Stat(backend)
	}
	if err != nil {
		needs.Missing(t, "git http-backend: ", err)
	}
	handler := &cgi.Handler{Path: backend, Env: []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=2",
		"GIT_CONFIG_KEY_0=uploadpack.allowReachableSHA1InWant", "GIT_CONFIG_VALUE_0=true",
		"GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*",
	}}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// list is a directory as lines "type mode time path content".
func list(t testing.TB, root string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		line := info.Mode().String() + " " + info.ModTime().UTC().Format(time.DateOnly) + " " + path.Clean(relative)
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += " " + strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(string(data))
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
