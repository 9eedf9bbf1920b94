package compare

import (
	"context"
	"errors"

	"github.com/jina/hub-publish/internal/history"
)

// NoAPI stands for GitHub's API where there is none to ask, as at a terminal.
type NoAPI struct{}

var _ API = NoAPI{}

var errNoAPI = errors.New("there is no GitHub repository to ask about: GITHUB_REPOSITORY is not set")

// PullRequestChanges implements API.
func (NoAPI) PullRequestChanges(context.Context, int) ([]history.Change, error) { return nil, errNoAPI }

// CompareChanges implements API.
func (NoAPI) CompareChanges(context.Context, string, string) ([]history.Change, string, error) {
	return nil, "", errNoAPI
}

// File implements API.
func (NoAPI) File(context.Context, string, string) ([]byte, error) { return nil, errNoAPI }
