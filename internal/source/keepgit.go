package source

import (
	"net/url"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// keepGitDir makes a repository of the objects that were fetched: at the commit, on no branch, with the reference that was
// asked for and without credentials in the address, as BuildKit leaves it.
func keepGitDir(storage *boundedStorage, address string, want wanted, commit *object.Commit, entries []*index.Entry) error {
	if _, err := git.Init(storage, nil); err != nil {
		return err
	}
	settings, err := storage.Config()
	if err != nil {
		return err
	}
	settings.Core.IsBare = false
	settings.Remotes["origin"] = &config.RemoteConfig{Name: "origin", URLs: []string{withoutUser(address)}}
	if err := settings.Validate(); err != nil {
		return err
	}
	if err := storage.SetConfig(settings); err != nil {
		return err
	}
	if err := removeReferences(storage); err != nil {
		return err
	}
	references := []*plumbing.Reference{plumbing.NewHashReference(plumbing.HEAD, commit.Hash)}
	if want.name != "" {
		references = append(references, plumbing.NewHashReference(want.name, want.hash))
	}
	for _, reference := range references {
		if err := storage.SetReference(reference); err != nil {
			return err
		}
	}
	return storage.SetIndex(&index.Index{Version: 2, Entries: entries})
}

// removeReferences removes those that were only for fetching.
func removeReferences(storage *boundedStorage) error {
	all, err := storage.IterReferences()
	if err != nil {
		return err
	}
	return all.ForEach(func(reference *plumbing.Reference) error {
		if reference.Name() == plumbing.HEAD {
			return nil
		}
		return storage.RemoveReference(reference.Name())
	})
}

func withoutUser(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	parsed.User = nil
	return parsed.String()
}
