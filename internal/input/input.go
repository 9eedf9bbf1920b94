// Package input reads what a workflow's author or a person at a terminal asks for. The table All is the one place where
// an input is described: action.yml, the README and the command line's flags are held against it.
package input

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/docker/go-units"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/publish"
	"github.com/jina/hub-publish/internal/registry"
	"github.com/jina/hub-publish/internal/selection"
	"github.com/jina/hub-publish/internal/usage"
	"github.com/jina/hub-publish/internal/worker"
)

// Mode is how far a run goes.
type Mode string

// The modes. Auto stands for one of the others, by the event.
const (
	Auto    Mode = "auto"
	Plan    Mode = "plan"
	Check   Mode = "check"
	Build   Mode = "build"
	Publish Mode = "publish"
	Summary Mode = "summary"
)

// FailOn is the least severity that fails a run.
type FailOn string

// The values of fail-on.
const (
	FailOnError   FailOn = "error"
	FailOnWarning FailOn = "warning"
	FailOnNever   FailOn = "never"
)

// CommitLint is how commit messages are checked.
type CommitLint string

// The values of commit-lint.
const (
	CommitLintConventional CommitLint = "conventional"
	CommitLintOff          CommitLint = "off"
)

// Bump is what is done about a version that was not raised.
type Bump string

// The values of bump.
const (
	BumpOff     Bump = "off"
	BumpSuggest Bump = "suggest"
	BumpCommit  Bump = "commit"
)

// Inputs are the inputs with their meaning.
type Inputs struct {
	Mode          Mode
	Bundles       []string
	Root          string
	Config        string
	Registries    []string
	Namespace     string
	Username      string
	Password      string
	Token         string
	Tags          []publish.Template
	PublishBranch string
	// RequiredApprovals is how many approvals what is published must have.
	RequiredApprovals int
	Mirrors           []registry.Mirror
	// PlainHTTP are registries' hosts.
	PlainHTTP    []string
	ca           string
	Attest       bool
	BuildArgs    []string
	Platform     *v1.Platform
	Isolation    builder.Isolation
	BuildTimeout time.Duration
	Limits       worker.Limits
	// UsageTests are those of usage.Basic that are wanted; with none, there are no usage tests at all.
	UsageTests   []string
	ReadyTimeout time.Duration
	// Reports are globs of other jobs' reports.
	Reports    []string
	Jobs       int
	CacheRepo  *name.Repository
	FailOn     FailOn
	CommitLint CommitLint
	Bump       Bump
	Comment    bool
	SARIFFile  string
}

// namespacePattern is that of names in the OCI distribution specification; an empty namespace is allowed too.
var namespacePattern = regexp.MustCompile(`^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/|$))*$`)

// pemBegin begins a certificate in PEM (RFC 7468, section 5).
const pemBegin = "-----BEGIN CERTIFICATE-----"

// CA are the certificates of the input registry-ca, read from a file below dir where it names one.
func (i *Inputs) CA(dir string) ([]byte, error) {
	if i.ca == "" || strings.Contains(i.ca, pemBegin) {
		return []byte(i.ca), nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(i.ca)
}

// Definition describes one input.
type Definition struct {
	Name string
	// Default is the default in action.yml.
	Default string
	// About says in a line what the input means.
	About string

	set func(*Inputs, string) error
}

// All are the inputs in the order of the README.
var All = []Definition{
	{"mode", "auto", "How far to go: `auto`, `plan`, `check`, `build` or `publish`. `auto`: pull request and merge group → check, build and try the image, push nothing; push to the publish branch → publish too; anything else → check. `summary` puts the reports of other jobs together.",
		word(func(i *Inputs, v Mode) { i.Mode = v }, Auto, Plan, Check, Build, Publish, Summary)},
	{"bundles", "changed", "Which bundles: `changed`, `all`, `missing` (their version is not in the registry), or paths and globs.",
		func(i *Inputs, v string) error {
			if i.Bundles = list(v); len(i.Bundles) == 0 {
				return errors.New("name at least one bundle, or one of changed, all, missing")
			}
			for _, special := range []string{selection.Changed, selection.All, selection.Missing} {
				if len(i.Bundles) > 1 && slices.Contains(i.Bundles, special) {
					return fmt.Errorf("%s stands alone; it cannot be mixed with paths", special)
				}
			}
			return nil
		}},
	{"root", "", "Where the kind folders are. Found by default: `executors`, `hub/executors`, `hub` or the top.",
		func(i *Inputs, v string) error { i.Root = v; return nil }},
	{"config", ".github/hub-publish.yml", "The hub's configuration file, relative to the repository; it may be absent.",
		func(i *Inputs, v string) error { i.Config = v; return nil }},
	{"registry", "docker.io", "The registry to publish to, or several.",
		func(i *Inputs, v string) error {
			if i.Registries = list(v); len(i.Registries) == 0 {
				return errors.New("name a registry, such as docker.io or ghcr.io")
			}
			for _, registry := range i.Registries {
				if _, err := name.NewRegistry(registry, name.StrictValidation); err != nil {
					return errors.New("write a host, such as docker.io or ghcr.io; a path under it is the input namespace's")
				}
			}
			return nil
		}},
	{"namespace", "jinahub", "The account or path under the registry.",
		func(i *Inputs, v string) error {
			i.Namespace = strings.Trim(v, "/")
			if !namespacePattern.MatchString(i.Namespace) {
				return errors.New("write it in lower case, such as jinahub or jina/hub")
			}
			return nil
		}},
	{"username", "", "The user for the registries. Without it: a Docker config, else anonymous.",
		func(i *Inputs, v string) error { i.Username = v; return nil }},
	{"password", "", "The user's password or token. It is never printed.",
		func(i *Inputs, v string) error { i.Password = v; return nil }},
	{"token", "${{ github.token }}", "The token for GitHub's API, which is asked where the checkout does not reach.",
		func(i *Inputs, v string) error { i.Token = v; return nil }},
	{"tags", "{version}, latest", "Templates of the tags: `{version}` `{major}` `{minor}` `{patch}` `{sha}` `{short_sha}` `{date}` and literals. A tag without the whole version only ever moves to a higher version, never to a pre-release.",
		func(i *Inputs, v string) error {
			i.Tags = nil
			for _, text := range list(v) {
				template, err := publish.ParseTemplate(text)
				if err != nil {
					return err
				}
				i.Tags = append(i.Tags, template)
			}
			if !slices.ContainsFunc(i.Tags, publish.Template.Identifies) {
				return errors.New("one of the tags must hold {version}, and nothing of the commit, so that a version is never published twice")
			}
			return nil
		}},
	{"publish-branch", "", "The branch whose pushes publish. By default the repository's default branch.",
		func(i *Inputs, v string) error { i.PublishBranch = v; return nil }},
	{"required-approvals", "1", "How many people, other than its author and with the right to write, must have approved the last state of the pull request that brought what is published; `0` asks for none.",
		func(i *Inputs, v string) (err error) {
			if i.RequiredApprovals, err = strconv.Atoi(v); err != nil || i.RequiredApprovals < 0 {
				return errors.New("write a number from 0 up")
			}
			return nil
		}},
	{"commit-lint", "conventional", "How the commit messages of a pull request are checked: `conventional`, by the rules of `@commitlint/config-conventional`, or `off`.",
		word(func(i *Inputs, v CommitLint) { i.CommitLint = v }, CommitLintConventional, CommitLintOff)},
	{"build-args", "", "Build arguments, `KEY=VALUE`.",
		func(i *Inputs, v string) error {
			i.BuildArgs = list(v)
			for _, arg := range i.BuildArgs {
				if key, _, ok := strings.Cut(arg, "="); !ok || key == "" {
					return fmt.Errorf("%q is not KEY=VALUE", arg)
				}
			}
			return nil
		}},
	{"platform", "", "The platform to build for, such as `linux/amd64`. By default the runner's.",
		func(i *Inputs, v string) (err error) {
			if i.Platform = nil; v == "" {
				return nil
			}
			if i.Platform, err = v1.ParsePlatform(v); err != nil || i.Platform.OS == "" || i.Platform.Architecture == "" {
				return errors.New("write it as os/architecture, such as linux/amd64")
			}
			return nil
		}},
	{"cache-repo", "", "A repository that keeps layers of RUN instructions for later builds, such as `ghcr.io/jina/cache`. Only a run that publishes writes to it.",
		func(i *Inputs, v string) error {
			if i.CacheRepo = nil; v == "" {
				return nil
			}
			repository, err := name.NewRepository(v, name.StrictValidation)
			if err != nil {
				return errors.New("write a registry and a path in it, such as ghcr.io/jina/cache")
			}
			i.CacheRepo = &repository
			return nil
		}},
	{"registry-mirrors", "", "Mirrors that are asked for base images first: `mirror.gcr.io` for Docker Hub's, `ghcr.io=mirror.example.com/ghcr` for those of another registry.",
		func(i *Inputs, v string) error {
			i.Mirrors = nil
			for _, text := range list(v) {
				of, at, ok := strings.Cut(text, "=")
				if !ok {
					of, at = name.DefaultRegistry, text
				}
				mirrored, err := name.NewRegistry(of, name.StrictValidation)
				if err != nil {
					return fmt.Errorf("%q is no registry's host; write REGISTRY=MIRROR, such as ghcr.io=mirror.example.com", of)
				}
				host, _, _ := strings.Cut(at, "/")
				_, err = name.NewRegistry(host, name.StrictValidation)
				if _, pathErr := name.NewRepository(at+"/image", name.StrictValidation); err != nil || pathErr != nil || strings.HasSuffix(host, ":") {
					return fmt.Errorf("%q is no mirror; write its host, such as mirror.gcr.io, or a host and a path in it", at)
				}
				i.Mirrors = append(i.Mirrors, registry.Mirror{Of: mirrored, At: at})
			}
			return nil
		}},
	{"registry-ca", "", "A certificate authority's certificates, in PEM, that registries are trusted by beside the usual ones: the text itself, or a file relative to the repository.",
		func(i *Inputs, v string) error {
			if i.ca = v; v != "" && !strings.Contains(v, pemBegin) && !filepath.IsLocal(v) {
				return errors.New("write the certificates in PEM, from " + pemBegin + " on, or a path in the repository, such as .github/ca.pem")
			}
			return nil
		}},
	{"plain-http", "", "Registries, as host and port, that are spoken to without TLS. Without it, only those on the runner itself are.",
		func(i *Inputs, v string) error {
			i.PlainHTTP = list(v)
			for _, host := range i.PlainHTTP {
				if _, err := name.NewRegistry(host, name.StrictValidation); err != nil {
					return fmt.Errorf("%q is no host; write one such as registry.example.com:5000", host)
				}
			}
			return nil
		}},
	{"isolation", "auto", "Where a build's root is: `auto` (the strongest that works), `sandbox` (namespaces), `sibling` (a second container, without the socket) or `in-place` (the action's own container).",
		word(func(i *Inputs, v builder.Isolation) { i.Isolation = v }, builder.Auto, builder.Sandbox, builder.Sibling, builder.InPlace)},
	{"build-timeout", "30m", "The longest that one bundle's build may take, such as `30m`.",
		duration(func(i *Inputs, d time.Duration) { i.BuildTimeout = d })},
	{"instruction-timeout", "20m", "The longest that one instruction of a Dockerfile may take.",
		duration(func(i *Inputs, d time.Duration) { i.Limits.Instruction = d })},
	{"disk-limit", "20GB", "How much disk one bundle's build may take.",
		size(func(i *Inputs, n int64) { i.Limits.Disk = n })},
	{"output-limit", "2MB", "How much of what one instruction prints the log shows.",
		size(func(i *Inputs, n int64) { i.Limits.Output = n })},
	{"usage-tests", "run, cli, flow", "The basic usage tests that a built image must pass: `run` starts it as `docker run` does, `cli` as `jina pod --uses docker://` does, `flow` makes a Flow of it. What a hub and its bundles add runs too. `off`: none at all.",
		func(i *Inputs, v string) error {
			if i.UsageTests = nil; v == "off" {
				return nil
			}
			if i.UsageTests = list(v); len(i.UsageTests) == 0 {
				return fmt.Errorf("write some of %s, or off", strings.Join(usage.Basic, ", "))
			}
			for _, test := range i.UsageTests {
				if !slices.Contains(usage.Basic, test) {
					return fmt.Errorf("write some of %s, or off", strings.Join(usage.Basic, ", "))
				}
			}
			return nil
		}},
	{"ready-timeout", "60s", "How long a started image may take to be ready.",
		duration(func(i *Inputs, d time.Duration) { i.ReadyTimeout = d })},
	{"bump", "suggest", "What to do about a version that was not raised: `off`, `suggest` (a suggestion that the contributor accepts with a click) or `commit` (the next version is committed to the pull request's branch, for dependency bots).",
		word(func(i *Inputs, v Bump) { i.Bump = v }, BumpOff, BumpSuggest, BumpCommit)},
	{"comment", "true", "Whether to keep one comment on the pull request, where the token may write it.",
		truth(func(i *Inputs, v bool) { i.Comment = v })},
	{"fail-on", "error", "The least severity that fails the run: `error`, `warning` or `never`.",
		word(func(i *Inputs, v FailOn) { i.FailOn = v }, FailOnError, FailOnWarning, FailOnNever)},
	{"sarif-file", "", "A file, relative to the repository, for the findings as SARIF 2.1.0.",
		func(i *Inputs, v string) error {
			if v != "" && !filepath.IsLocal(v) {
				return errors.New("write a path in the repository, such as hub-publish.sarif")
			}
			i.SARIFFile = v
			return nil
		}},
	{"attest", "false", "Whether to push an SBOM (SPDX) and provenance (SLSA) beside each image.",
		truth(func(i *Inputs, v bool) { i.Attest = v })},
	{"reports", "", "For the mode `summary`: the other jobs' reports, as paths and globs in the workspace.",
		func(i *Inputs, v string) error {
			i.Reports = list(v)
			for _, pattern := range i.Reports {
				if !doublestar.ValidatePattern(pattern) || !fs.ValidPath(pattern) {
					return fmt.Errorf("%q is no path in the workspace; write one such as .hub-publish/reports/**/report.json", pattern)
				}
			}
			return nil
		}},
	{"jobs", "", "How many bundles are built at once. By default as many as the runner has processors; in place always one.",
		func(i *Inputs, v string) (err error) {
			if i.Jobs = 0; v == "" {
				return nil
			}
			if i.Jobs, err = strconv.Atoi(v); err != nil || i.Jobs < 1 {
				return errors.New("write a number from 1 up, or leave the input out")
			}
			return nil
		}},
}

// Error says which input is wrong.
type Error struct {
	Name, Value, Expected string
}

func (e *Error) Error() string {
	value := fmt.Sprintf("%q", e.Value)
	if e.Name == "password" || e.Name == "token" {
		value = "that value"
	}
	return fmt.Sprintf("input %s: %s is not allowed: %s", e.Name, value, e.Expected)
}

// Flags adds a flag for each input to a set; given returns those that the command line had, once it is parsed.
func Flags(set *flag.FlagSet) (given func() map[string]string) {
	values := map[string]*string{}
	for _, d := range All {
		values[d.Name] = set.String(d.Name, d.Default, d.About)
	}
	return func() map[string]string {
		given := map[string]string{}
		set.Visit(func(f *flag.Flag) {
			if value, ok := values[f.Name]; ok { // a command has flags of its own
				given[f.Name] = *value
			}
		})
		return given
	}
}

// Read makes inputs of what the command line gave, else of the runner's environment, else of the defaults. Its error
// joins an *Error for each wrong value.
func Read(given map[string]string, getenv func(string) string) (*Inputs, error) {
	var inputs Inputs
	var wrong []error
	for _, d := range All {
		value := d.Default
		if d.Name == "token" {
			value = "" // the default is an expression that only a workflow can read
		}
		if set := strings.TrimSpace(getenv(EnvironmentName(d.Name))); set != "" {
			value = set
		}
		if set, ok := given[d.Name]; ok {
			value = strings.TrimSpace(set)
		}
		if err := d.set(&inputs, value); err != nil {
			wrong = append(wrong, &Error{d.Name, value, err.Error()})
		}
	}
	return &inputs, errors.Join(wrong...)
}

// EnvironmentName is the variable in which the runner hands an input over: it keeps hyphens.
func EnvironmentName(input string) string { return "INPUT_" + strings.ToUpper(input) }

// list splits a list that is written one item a line or with commas, or in JSON as the outputs are.
func list(text string) []string {
	var given []string
	if json.Unmarshal([]byte(text), &given) == nil {
		return given
	}
	var items []string
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// word is an input that is one of some words.
func word[T ~string](set func(*Inputs, T), allowed ...T) func(*Inputs, string) error {
	return func(i *Inputs, v string) error {
		if !slices.Contains(allowed, T(v)) {
			return errors.New("write one of " + join(allowed))
		}
		set(i, T(v))
		return nil
	}
}

// truth is an input that is true or false.
func truth(set func(*Inputs, bool)) func(*Inputs, string) error {
	return func(i *Inputs, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return errors.New("write true or false")
		}
		set(i, b)
		return nil
	}
}

// duration is an input that is a time.
func duration(set func(*Inputs, time.Duration)) func(*Inputs, string) error {
	return func(i *Inputs, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return errors.New("write a time such as 90s, 30m or 2h")
		}
		set(i, d)
		return nil
	}
}

// size is an input that is a number of bytes.
func size(set func(*Inputs, int64)) func(*Inputs, string) error {
	return func(i *Inputs, v string) error {
		parse := units.FromHumanSize
		if strings.HasSuffix(strings.ToLower(v), "ib") { // it would take a GiB for a GB
			parse = units.RAMInBytes
		}
		n, err := parse(v)
		if err != nil || n <= 0 || n > 1<<60 { // what is too large for an int64 is some number, which one depends on the processor
			return errors.New("write a size such as 500MB or 20GB")
		}
		set(i, n)
		return nil
	}
}

func join[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
