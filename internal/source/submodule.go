package source

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/config"
)

// maxDepth is how many submodules may lie in one another.
const maxDepth = 20

// submodules checks out what the commit holds as submodules, each into its directory, and theirs.
func (j *gitJob) submodules(ctx context.Context, files *worktree, dir string) error {
	if len(files.submodules) == 0 {
		return nil
	}
	if j.depth >= maxDepth {
		return fmt.Errorf("submodules lie in one another more than %d deep", maxDepth)
	}
	modules, err := parseModules(files.modules)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files.submodules)) {
		module, ok := modules[name]
		if !ok {
			return fmt.Errorf("the submodule %q is not in .gitmodules", name)
		}
		if module.Option("update") == "none" {
			continue
		}
		if err := j.submodule(ctx, module.Option("url"), files.submodules[name], filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("submodule %q: %w", name, err)
		}
	}
	return nil
}

func (j *gitJob) submodule(ctx context.Context, address string, commit plumbing.Hash, dir string) error {
	address, err := j.resolve(address)
	if err != nil {
		return err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory for it: %w", err)
	}
	inner := &gitJob{opt: j.opt, left: j.left, url: address, depth: j.depth + 1}
	if _, err := inner.checkout(ctx, gitRequest{remote: address, ref: commit.String()}, dir, false); err != nil {
		return fmt.Errorf("%s: %w", redacted(address), withoutCredentials(err, address))
	}
	return nil
}

// resolve is a submodule's address, which may count from the repository's own.
func (j *gitJob) resolve(address string) (string, error) {
	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		base, err := url.Parse(j.url)
		if err != nil {
			return "", err
		}
		base.Path, base.RawPath = path.Join("/", base.Path, address), ""
		address = base.String()
	}
	return address, checkTransport(address)
}

// parseModules reads .gitmodules by the submodules' directories.
func parseModules(content []byte) (map[string]*config.Subsection, error) {
	parsed := config.New()
	if err := config.NewDecoder(bytes.NewReader(content)).Decode(parsed); err != nil {
		return nil, fmt.Errorf(".gitmodules: %w", err)
	}
	modules := map[string]*config.Subsection{}
	for _, module := range parsed.Section("submodule").Subsections {
		modules[path.Clean(module.Option("path"))] = module
	}
	return modules, nil
}
