package input_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/builder"
	"github.com/jina/hub-publish/internal/input"
)

// read reads inputs from the runner's environment; the keys are the inputs' names.
func read(environment map[string]string) (*input.Inputs, error) {
	return input.Read(nil, getenv(environment))
}

func getenv(environment map[string]string) func(string) string {
	variables := map[string]string{}
	for name, value := range environment {
		variables[input.EnvironmentName(name)] = value
	}
	return func(name string) string { return variables[name] }
}

// show is every input as text.
func show(i *input.Inputs) map[string]string {
	platform := ""
	if i.Platform != nil {
		platform = i.Platform.String()
	}
	cache := ""
	if i.CacheRepo != nil {
		cache = i.CacheRepo.Name()
	}
	var tags []string
	for _, t := range i.Tags {
		tags = append(tags, t.String())
	}
	var mirrors []string
	for _, m := range i.Mirrors {
		mirrors = append(mirrors, m.Of.Name()+"="+m.At)
	}
	return map[string]string{
		"mode": string(i.Mode), "bundles": strings.Join(i.Bundles, "|"), "root": i.Root, "config": i.Config, "registry": strings.Join(i.Registries, "|"),
		"namespace": i.Namespace, "username": i.Username, "password": i.Password, "token": i.Token, "tags": strings.Join(tags, "|"),
		"publish-branch": i.PublishBranch, "build-args": strings.Join(i.BuildArgs, "|"), "platform": platform, "isolation": string(i.Isolation),
		"build-timeout": i.BuildTimeout.String(), "instruction-timeout": i.Limits.Instruction.String(), "disk-limit": fmt.Sprint(i.Limits.Disk),
		"output-limit": fmt.Sprint(i.Limits.Output), "fail-on": string(i.FailOn), "jobs": fmt.Sprint(i.Jobs), "cache-repo": cache,
		"commit-lint": string(i.CommitLint), "bump": string(i.Bump), "comment": fmt.Sprint(i.Comment), "sarif-file": i.SARIFFile,
		"required-approvals": fmt.Sprint(i.RequiredApprovals), "registry-mirrors": strings.Join(mirrors, "|"), "plain-http": strings.Join(i.PlainHTTP, "|"), "attest": fmt.Sprint(i.Attest),
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	inputs, err := read(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"mode": "auto", "bundles": "changed", "root": "", "config": ".github/hub-publish.yml", "registry": "docker.io", "namespace": "jinahub",
		"username": "", "password": "", "token": "", "tags": "{version}|latest", "publish-branch": "", "build-args": "", "platform": "",
		"isolation": string(builder.Auto), "build-timeout": "30m0s", "instruction-timeout": "20m0s", "disk-limit": "20000000000",
		"output-limit": "2000000", "fail-on": "error", "jobs": "0", "cache-repo": "",
		"commit-lint": "conventional", "bump": "suggest", "comment": "true", "sarif-file": "", "required-approvals": "1", "registry-mirrors": "", "plain-http": "", "attest": "false",
	}
	if got := show(inputs); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestContract holds the inputs and their defaults against the action's contract.
func TestContract(t *testing.T) {
	t.Parallel()
	const want = `mode=auto
bundles=changed
root=
config=.github/hub-publish.yml
registry=docker.io
namespace=jinahub
username=
password=
token=${{ github.token }}
tags={version}, latest
publish-branch=
required-approvals=1
commit-lint=conventional
build-args=
platform=
cache-repo=
registry-mirrors=
registry-ca=
plain-http=
isolation=auto
build-timeout=30m
instruction-timeout=20m
disk-limit=20GB
output-limit=2MB
usage-tests=run, cli, flow
ready-timeout=60s
bump=suggest
comment=true
fail-on=error
sarif-file=
attest=false
reports=
jobs=
`
	var got strings.Builder
	for _, d := range input.All {
		fmt.Fprintf(&got, "%s=%s\n", d.Name, d.Default)
		if d.About == "" {
			t.Errorf("%s: nothing says what it means", d.Name)
		}
	}
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ input, value, want string }{
		"a mode":                           {"mode", "publish", "publish"},
		"blanks around a value":            {"mode", " check\n", "check"},
		"an empty value is the default":    {"mode", "", "auto"},
		"blanks only are the default":      {"mode", " \n", "auto"},
		"bundles, one a line":              {"bundles", "encoders/nlp/A\nencoders/nlp/B\n", "encoders/nlp/A|encoders/nlp/B"},
		"bundles with CRLF":                {"bundles", "a\r\nb\r\n", "a|b"},
		"bundles with commas":              {"bundles", "a, b,,c ,", "a|b|c"},
		"bundles with both":                {"bundles", "a, b\n\n  c\n", "a|b|c"},
		"a path with a blank":              {"bundles", "a b\nc", "a b|c"},
		"several registries":               {"registry", "docker.io, ghcr.io", "docker.io|ghcr.io"},
		"a namespace with slashes":         {"namespace", "/jina/hub/", "jina/hub"},
		"no namespace":                     {"namespace", "/", ""},
		"a registry with a port":           {"registry", "localhost:5000", "localhost:5000"},
		"tags":                             {"tags", "v{version}\n{major}.{minor}, latest", "v{version}|{major}.{minor}|latest"},
		"build arguments":                  {"build-args", "A=1\nB=x=y\nC=", "A=1|B=x=y|C="},
		"a platform":                       {"platform", "linux/arm64/v8", "linux/arm64/v8"},
		"an isolation":                     {"isolation", "in-place", string(builder.InPlace)},
		"a time":                           {"build-timeout", "1h30m", "1h30m0s"},
		"a sibling":                        {"isolation", "sibling", string(builder.Sibling)},
		"an instruction's time":            {"instruction-timeout", "90s", "1m30s"},
		"a size of disk":                   {"disk-limit", "1.5GB", "1500000000"},
		"a size in small letters":          {"disk-limit", " 500 mb ", "500000000"},
		"a size in bytes":                  {"output-limit", "4096", "4096"},
		"a size in powers of two":          {"output-limit", "1MiB", "1048576"},
		"a number of jobs":                 {"jobs", " 16 ", "16"},
		"no number of jobs":                {"jobs", "", "0"},
		"a cache":                          {"cache-repo", "ghcr.io/jina/cache", "ghcr.io/jina/cache"},
		"a cache at a port":                {"cache-repo", "localhost:5000/cache", "localhost:5000/cache"},
		"no commit lint":                   {"commit-lint", "off", "off"},
		"a bump by commit":                 {"bump", "commit", "commit"},
		"no comment":                       {"comment", "false", "false"},
		"a SARIF file":                     {"sarif-file", "out/hub-publish.sarif", "out/hub-publish.sarif"},
		"a name with a hyphen":             {"fail-on", "never", "never"},
		"a password is taken as it is":     {"password", `p"a$s,s`, `p"a$s,s`},
		"another name for the main branch": {"publish-branch", "release/1.x", "release/1.x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs, err := read(map[string]string{c.input: c.value})
			if err != nil {
				t.Fatal(err)
			}
			if got := show(inputs)[c.input]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestEnvironmentNames has what the runner makes of names: upper case, with hyphens kept.
func TestEnvironmentNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"mode": "INPUT_MODE", "fail-on": "INPUT_FAIL-ON", "build-args": "INPUT_BUILD-ARGS"} {
		if got := input.EnvironmentName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ input, value, allowed string }{
		"a mode that is none":             {"mode", "deploy", "write one of auto, plan, check, build, publish"},
		"a mode in other letters":         {"mode", "Check", "write one of auto, plan, check, build, publish"},
		"no bundle at all":                {"bundles", ",", "name at least one bundle, or one of changed, all, missing"},
		"changed beside a path":           {"bundles", "changed, a", "changed stands alone; it cannot be mixed with paths"},
		"all beside changed":              {"bundles", "all, changed", "changed stands alone"},
		"missing beside a path":           {"bundles", "a\nmissing", "missing stands alone"},
		"no registry at all":              {"registry", ",", "name a registry, such as docker.io or ghcr.io"},
		"a registry with its scheme":      {"registry", "https://ghcr.io", "write a host, such as docker.io or ghcr.io"},
		"a registry with a path":          {"registry", "ghcr.io/jina", "write a host, such as docker.io or ghcr.io"},
		"a namespace with capitals":       {"namespace", "JinaHub", "write it in lower case, such as jinahub or jina/hub"},
		"a namespace with a blank":        {"namespace", "jina hub", "write it in lower case, such as jinahub or jina/hub"},
		"a namespace that goes up":        {"namespace", "../jina", "write it in lower case, such as jinahub or jina/hub"},
		"tags without the version":        {"tags", "latest, {major}.{minor}", "one of the tags must hold {version}"},
		"no tag at all":                   {"tags", ",", "one of the tags must hold {version}"},
		"a tag with an unknown place":     {"tags", "{version}, {branch}", "{version}, {major}, {minor}, {patch}, {sha}, {short_sha}, {date}"},
		"a tag that is none":              {"tags", "{version}, my tag", "a tag has letters, digits, _, . and -"},
		"a build argument without value":  {"build-args", "A=1, B", `"B" is not KEY=VALUE`},
		"a build argument without key":    {"build-args", "=1", `"=1" is not KEY=VALUE`},
		"a platform without architecture": {"platform", "linux", "write it as os/architecture, such as linux/amd64"},
		"a platform of too many parts":    {"platform", "a/b/c/d", "write it as os/architecture, such as linux/amd64"},
		"an isolation that is none":       {"isolation", "chroot", "write one of auto, sandbox, sibling, in-place"},
		"a limit without a number":        {"disk-limit", "much", "write a size such as 500MB or 20GB"},
		"an output limit of nothing":      {"output-limit", "0", "write a size such as 500MB or 20GB"},
		"a limit below nothing":           {"disk-limit", "-1GB", "write a size such as 500MB or 20GB"},
		"a limit that is not reached":     {"disk-limit", "99999999999PB", "write a size such as 500MB or 20GB"},
		"a limit with another unit":       {"disk-limit", "20 apples", "write a size such as 500MB or 20GB"},
		"a limit of less than a byte":     {"output-limit", "0.1", "write a size such as 500MB or 20GB"},
		"an instruction's time in words":  {"instruction-timeout", "long", "write a time such as 90s, 30m or 2h"},
		"an instruction's time in hope":   {"instruction-timeout", "-5m", "write a time such as 90s, 30m or 2h"},
		"an instruction without time":     {"instruction-timeout", "0s", "write a time such as 90s, 30m or 2h"},
		"a time without unit":             {"build-timeout", "30", "write a time such as 90s, 30m or 2h"},
		"no time":                         {"build-timeout", "0s", "write a time such as 90s, 30m or 2h"},
		"a time before now":               {"build-timeout", "-1m", "write a time such as 90s, 30m or 2h"},
		"a severity that is none":         {"fail-on", "info", "write one of error, warning, never"},
		"approvals":                       {"required-approvals", "-1", "write a number from 0 up"},
		"another commit lint":             {"commit-lint", "angular", "write one of conventional, off"},
		"a cache":                         {"cache-repo", "x/y", "write a registry and a path in it, such as ghcr.io/jina/cache"},
		"a mirror that is an address":     {"registry-mirrors", "https://mirror.gcr.io", "is no mirror; write its host, such as mirror.gcr.io"},
		"a mirror of an address":          {"registry-mirrors", "a/b=mirror.gcr.io", "is no registry's host; write REGISTRY=MIRROR"},
		"a CA elsewhere":                  {"registry-ca", "/etc/ca.pem", "write the certificates in PEM, from -----BEGIN CERTIFICATE----- on, or a path in the repository"},
		"plain HTTP by an address":        {"plain-http", "http://registry:5000", "is no host; write one such as registry.example.com:5000"},
		"a tag by the commit alone":       {"tags", "{version}-{sha}", "one of the tags must hold {version}, and nothing of the commit"},
		"a usage test that is none":       {"usage-tests", "run, smoke", "write some of run, cli, flow, or off"},
		"no usage test at all":            {"usage-tests", ",", "write some of run, cli, flow, or off"},
		"a ready time without a unit":     {"ready-timeout", "5", "write a time such as 90s, 30m or 2h"},
		"a comment that is no yes or no":  {"comment", "yes", "write true or false"},
		"a SARIF file elsewhere":          {"sarif-file", "../x.sarif", "write a path in the repository"},
		"a bump that is none":             {"bump", "always", "write one of off, suggest, commit"},
		"an attestation":                  {"attest", "yes", "write true or false"},
		"no job":                          {"jobs", "0", "write a number from 1 up"},
		"jobs of which some are missing":  {"jobs", "-1", "write a number from 1 up"},
		"half a job":                      {"jobs", "1.5", "write a number from 1 up"},
		"more jobs than there are":        {"jobs", "99999999999999999999", "write a number from 1 up"},
		"isolations, several":             {"isolation", "sandbox, sibling", "write one of auto, sandbox, sibling, in-place"},
		"jobs in words":                   {"jobs", "two", "write a number from 1 up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(map[string]string{c.input: c.value})
			var wrong *input.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want an *input.Error", err)
			}
			if wrong.Name != c.input || wrong.Value != strings.TrimSpace(c.value) || !strings.Contains(wrong.Expected, c.allowed) {
				t.Errorf("got %+v, want it to say %q", wrong, c.allowed)
			}
			if want := fmt.Sprintf("input %s: %q is not allowed: %s", wrong.Name, wrong.Value, wrong.Expected); err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
		})
	}
}

func TestEveryWrongValueIsTold(t *testing.T) {
	t.Parallel()
	_, err := read(map[string]string{"mode": "deploy", "fail-on": "info", "platform": "linux", "attest": "yes", "namespace": "jinahub"})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T does not hold several errors: %v", err, err)
	}
	var names []string
	for _, err := range joined.Unwrap() {
		var wrong *input.Error
		if !errors.As(err, &wrong) {
			t.Fatalf("got %v, want an *input.Error", err)
		}
		names = append(names, wrong.Name)
	}
	if want := []string{"mode", "platform", "fail-on", "attest"}; !slices.Equal(names, want) {
		t.Errorf("got errors of %q, want %q", names, want)
	}
}

func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	_, err := read(map[string]string{"username": "me", "password": secret, "token": secret, "mode": "deploy"})
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"password", "token"} {
		err := &input.Error{Name: name, Value: secret, Expected: "it must be longer"}
		if want := "input " + name + ": that value is not allowed: it must be longer"; err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	set := flag.NewFlagSet("hub-publish", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	given := input.Flags(set)
	for _, d := range input.All {
		if set.Lookup(d.Name) == nil {
			t.Errorf("%s is no flag", d.Name)
		}
	}
	// An empty flag is given too: it takes back what the environment says.
	if err := set.Parse([]string{"--fail-on", "warning", "-bundles=a,b", "--publish-branch="}); err != nil {
		t.Fatal(err)
	}
	if got, want := given(), map[string]string{"fail-on": "warning", "bundles": "a,b", "publish-branch": ""}; !maps.Equal(got, want) {
		t.Errorf("got the flags %q, want %q", got, want)
	}
	inputs, err := input.Read(given(), getenv(map[string]string{"fail-on": "never", "mode": "check", "publish-branch": "main"}))
	if err != nil {
		t.Fatal(err)
	}
	got := show(inputs)
	for name, want := range map[string]string{"fail-on": "warning", "bundles": "a|b", "mode": "check", "publish-branch": "", "namespace": "jinahub"} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}
