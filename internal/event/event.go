// Package event reads what GitHub tells a workflow run about why it runs.
package event

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/go-github/v89/github"
)

// Event is the part of a workflow run's event that decides what is compared with what. Commits are full hashes; those
// that an event does not have are empty.
type Event struct {
	// Name is the event's name, such as pull_request; empty outside of a workflow.
	Name string
	// Repository is owner/name.
	Repository string
	// Ref is the full ref that the run is for, such as refs/heads/main.
	Ref string
	// SHA is the commit that the run is for.
	SHA string
	// DefaultBranch is the repository's default branch.
	DefaultBranch string
	// PullRequest is the pull request's number.
	PullRequest int
	// Base and Head are those of a pull request or a merge group.
	Base, Head string
	// Before is the commit that a pushed branch was at; empty for a new branch.
	Before string
	// Forced reports a push that did not only add commits.
	Forced bool
}

// noCommit stands in an event for a commit that there is none of.
const noCommit = "0000000000000000000000000000000000000000"

// Read reads the event of this workflow run from the runner's environment. Outside of a workflow it is the zero Event.
func Read(getenv func(string) string) (Event, error) {
	e := Event{
		Name:       getenv("GITHUB_EVENT_NAME"),
		Repository: getenv("GITHUB_REPOSITORY"),
		Ref:        getenv("GITHUB_REF"),
		SHA:        getenv("GITHUB_SHA"),
	}
	path := getenv("GITHUB_EVENT_PATH")
	if e.Name == "" || path == "" {
		return e, nil
	}
	payload, err := os.ReadFile(path)
	if err != nil {
		return e, fmt.Errorf("read the event that GitHub hands over: %w", err)
	}
	if err := e.decode(payload); err != nil {
		return e, fmt.Errorf("read the %s event in %s: %w", e.Name, path, err)
	}
	return e, nil
}

// decode takes from the payload what the event's kind has. Kinds without commits of their own (schedule,
// workflow_dispatch) have the repository only.
func (e *Event) decode(payload []byte) error {
	name := e.Name
	if name == "pull_request_target" {
		name = "pull_request" // the same payload
	}
	if github.EventForType(name) == nil {
		return nil
	}
	event, err := github.ParseWebHook(name, payload)
	if err != nil {
		return err
	}
	switch event := event.(type) {
	case *github.PullRequestEvent:
		pr := event.GetPullRequest()
		e.PullRequest = event.GetNumber()
		e.Base, e.Head = pr.GetBase().GetSHA(), pr.GetHead().GetSHA()
	case *github.MergeGroupEvent:
		e.Base, e.Head = event.GetMergeGroup().GetBaseSHA(), event.GetMergeGroup().GetHeadSHA()
	case *github.PushEvent:
		e.Forced = event.GetForced()
		if before := event.GetBefore(); before != noCommit {
			e.Before = before
		}
		e.DefaultBranch = event.GetRepo().GetDefaultBranch()
	}
	if event, ok := event.(interface{ GetRepo() *github.Repository }); ok && event.GetRepo() != nil {
		e.DefaultBranch = event.GetRepo().GetDefaultBranch()
	}
	return nil
}

// Branch is the branch that the run is for, or "".
func (e Event) Branch() string {
	branch, ok := strings.CutPrefix(e.Ref, "refs/heads/")
	if !ok {
		return ""
	}
	return branch
}
