package history_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/jina/hub-publish/internal/history"
)

func hashes(commits []history.Commit) []string {
	var all []string
	for _, c := range commits {
		all = append(all, c.Hash)
	}
	return all
}

func TestCommits(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	m.Checkout(t, m.head)
	second := m.Commit(t, files{"a": "3"})
	m.Checkout(t, m.base)
	// The topic branch takes in what main has got meanwhile, and goes on.
	update := m.Commit(t, files{"a": "3"}, second, m.base)
	m.Checkout(t, update)
	last := m.Commit(t, files{"a": "4"})
	r := m.Open(t)
	for _, c := range []struct {
		name, base, head string
		want             []string
	}{
		{"one commit", m.base, m.head, []string{m.head}},
		{"two commits, the older first", m.base, second, []string{m.head, second}},
		{"a branch that was brought up to date", m.base, last, []string{m.head, second, update, last}},
		{"a merge and what it brings", m.base, m.merge, []string{m.head, m.merge}},
		{"nothing: the head is the base", m.head, m.head, nil},
		{"nothing: the base is ahead", m.merge, m.head, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := r.Commits(c.base, c.head)
			if err != nil || !slices.Equal(hashes(got), c.want) {
				t.Errorf("got %q, %v; want %q", hashes(got), err, c.want)
			}
		})
	}
}

func TestCommitsOfUnrelatedHistories(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	if err := m.Git().Storer.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, "refs/heads/unborn")); err != nil {
		t.Fatal(err)
	}
	unrelated := m.Commit(t, nil)
	got, err := m.Open(t).Commits(m.base, unrelated)
	if err != nil || !slices.Equal(hashes(got), []string{unrelated}) || got[0].Parents != 0 {
		t.Errorf("got %+v, %v; want the one commit, without a parent", got, err)
	}
}

func TestCommitsHaveTheWholeMessage(t *testing.T) {
	t.Parallel()
	const message = "\nfeat: größer\r\n\nbody \n# no comment\n\nCloses #1\n\n"
	m := newMerged(t)
	worktree, err := m.Git().Worktree()
	if err != nil {
		t.Fatal(err)
	}
	hash, err := worktree.Commit(message, &git.CommitOptions{
		Author:    &object.Signature{Name: "Ä. Author", Email: "author@example.com", When: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)},
		Committer: &object.Signature{Name: "GitHub", Email: "noreply@github.com", When: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)},
		Parents:   []plumbing.Hash{plumbing.NewHash(m.base), plumbing.NewHash(m.head)}, AllowEmptyCommits: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := history.Commit{Hash: hash.String(), Message: message, Author: "Ä. Author", Parents: 2}
	got, err := m.Open(t).Commits(m.merge, hash.String())
	if err != nil || !slices.Equal(got, []history.Commit{want}) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestCommitsOutOfReach(t *testing.T) {
	t.Parallel()
	m := newMerged(t)
	for _, c := range []struct {
		name string
		r    *history.Repository
		base string
		head string
	}{
		{"the head's parents are beyond the edge", m.Fetch(t, mergeRef, 2).Open(t), m.base, m.head},
		// All of the new commits are there; that they are all is what cannot be known.
		{"the base's parents are beyond the edge", m.Fetch(t, mergeRef, 3).Open(t), m.base, m.head},
		{"the base is not there", m.Open(t), absent, m.head},
		{"the head is not there", m.Open(t), m.base, absent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := c.r.Commits(c.base, c.head); !errors.Is(err, history.ErrOutOfReach) {
				t.Errorf("got %+v, %v; want ErrOutOfReach", got, err)
			}
		})
	}
	if got, err := m.Fetch(t, mergeRef, 4).Open(t).Commits(m.base, m.head); err != nil || !slices.Equal(hashes(got), []string{m.head}) {
		t.Errorf("with a depth that reaches the first commit of all: got %+v, %v; want the new commit", got, err)
	}
}
