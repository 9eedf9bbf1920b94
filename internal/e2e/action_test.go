//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workspaceOwner is who owns the workspace on GitHub's own runners; the action runs as root.
const workspaceOwner = "1001:118"

// action is one step of a workflow that uses the action.
type action struct {
	event     string
	payload   object
	workspace string // copied: the step does not change it
	inputs    map[string]string
	place     place // where none is named, as on GitHub's runners
}

// outcome is what a step leaves behind.
type outcome struct {
	exit        int
	log         string
	seconds     float64
	annotations []annotation
	violations  []string // commands in the log that make the runner fail the step
	outputs     map[string]string
	environment string // what the step would set for the steps after it
	summary     string
	workspace   string // the workspace that the step saw
	container   string // the name that its container had
	report      report
}

type annotation struct {
	level, file string
	line        int
	title       string
	message     string
}

// report is .hub-publish/report.json, as far as the tests read it.
type report struct {
	Version  int
	Mode     string
	Bundles  []reportedBundle
	Findings []finding
}

type reportedBundle struct {
	Path, Type, Status string
	Tests              []struct {
		Name, Result  string
		Seconds       float64
		Ready_seconds float64
		Note          string
	}
	Findings []finding
}

// tests are the results of the bundle's usage tests.
func (b reportedBundle) tests() string {
	var results []string
	for _, test := range b.Tests {
		results = append(results, test.Name+" "+test.Result)
	}
	return strings.Join(results, ", ")
}

type finding struct {
	Rule, Severity, File, Message string
	Line                          int
}

// all is the report's findings, those of bundles included.
func (r report) all() []finding {
	findings := r.Findings
	for _, b := range r.Bundles {
		findings = append(findings, b.Findings...)
	}
	return findings
}

func (r report) has(rules ...string) bool {
	for _, f := range r.all() {
		for _, rule := range rules {
			if f.Rule == rule {
				return true
			}
		}
	}
	return false
}

func (r report) status(path string) string {
	for _, b := range r.Bundles {
		if b.Path == path {
			return b.Status
		}
	}
	return ""
}

// run runs the step as GitHub's runner does and fails the test where the runner would find fault
// with the commands in the log.
func (a action) run(t *testing.T) outcome {
	t.Helper()
	temp := t.TempDir()
	payload, err := json.Marshal(a.payload)
	if err != nil {
		t.Fatal(err)
	}
	event := filepath.Join(temp, "payload.json")
	if err := os.WriteFile(event, payload, 0o644); err != nil {
		t.Fatal(err)
	}

	inputs := declaredInputs(t)
	// Without a token no approval can be asked for.
	inputs["required-approvals"] = "0"
	inputs["plain-http"] = registry(t)
	maps.Copy(inputs, a.inputs)
	env := []string{
		"TMPDIR=" + temp, "RA_KEEP=1", "RA_OWNER=" + workspaceOwner,
		// No test may reach the real API.
		"GITHUB_API_URL=http://127.0.0.1:9", "GITHUB_GRAPHQL_URL=http://127.0.0.1:9/graphql",
	}
	for name, value := range inputs {
		env = append(env, "INPUT_"+strings.ToUpper(strings.ReplaceAll(name, " ", "_"))+"="+value)
	}
	env = append(env, a.place.runnerEnvironment(t)...)
	var result outcome
	result.exit, result.log = command{
		env:  env,
		name: required(t, "E2E_RUN_ACTION"),
		args: []string{actionImage(t), a.workspace, event, a.event},
	}.run(t)
	if result.exit == 125 {
		t.Fatalf("the action did not start\n%s", result.log)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: exit status %d\n%s", a.event, result.exit, result.log)
		}
	})

	kept, err := filepath.Glob(filepath.Join(temp, "ra-work.*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("what the runner kept: %v, %v", kept, err)
	}
	if name := containerName.FindStringSubmatch(result.log); name != nil {
		result.container = name[1]
	} else {
		t.Fatalf("the container has no name\n%s", result.log)
	}
	result.workspace = filepath.Join(kept[0], "r", "r")
	result.summary = fileCommand(t, kept[0], "step_summary")
	result.environment = fileCommand(t, kept[0], "set_env") + fileCommand(t, kept[0], "add_path")
	result.outputs = parseOutputs(t, fileCommand(t, kept[0], "set_output"))
	result.readVerdict(t)
	if text, err := os.ReadFile(filepath.Join(result.workspace, ".hub-publish", "report.json")); err != nil {
		t.Errorf("the report: %v", err)
	} else if err := json.Unmarshal(text, &result.report); err != nil {
		t.Errorf("the report: %v\n%s", err, text)
	}
	if len(result.violations) > 0 {
		t.Errorf("the runner fails the step: %q", result.violations)
	}
	return result
}

// declaredInputs is what the runner passes where a workflow says nothing: every input of action.yml,
// with its default. An expression is empty here.
func declaredInputs(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(actionMetadata)
	if err != nil {
		t.Fatal(err)
	}
	var metadata struct {
		Inputs map[string]struct{ Default string }
	}
	if err := yaml.Unmarshal(text, &metadata); err != nil {
		t.Fatalf("%s: %v", actionMetadata, err)
	}
	values := map[string]string{}
	for name, input := range metadata.Inputs {
		if strings.Contains(input.Default, "${{") {
			input.Default = ""
		}
		values[name] = input.Default
	}
	return values
}

var actionMetadata = filepath.Join("..", "..", "action.yml")

// fileCommand is the content of one of the files by which a step talks to the runner.
func fileCommand(t *testing.T, work, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(work, "_temp", "_runner_file_commands", name+"_*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the file of %s: %v, %v", name, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parseOutputs reads NAME=VALUE and NAME<<DELIMITER, as the runner does.
func parseOutputs(t *testing.T, text string) map[string]string {
	t.Helper()
	outputs := map[string]string{}
	rest := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for len(rest) > 0 && rest[0] != "" {
		line := rest[0]
		rest = rest[1:]
		name, delimiter, heredoc := strings.Cut(line, "<<")
		if plain, value, ok := strings.Cut(line, "="); ok && (!heredoc || len(plain) < len(name)) {
			outputs[plain] = value
			continue
		}
		if !heredoc {
			t.Fatalf("not an output: %q", line)
		}
		var value []string
		for len(rest) > 0 && rest[0] != delimiter {
			value = append(value, rest[0])
			rest = rest[1:]
		}
		if len(rest) == 0 {
			t.Fatalf("output %s has no end %q", name, delimiter)
		}
		rest = rest[1:]
		outputs[name] = strings.Join(value, "\n")
	}
	return outputs
}

var (
	verdictStart    = "\n---- annotations: "
	annotationLine  = regexp.MustCompile(`(?m)^  (error|warning|notice) +(.*?):(\d+)-(?:\d+) col=\S+ title=(None|'.*?'|".*?") msg=('.*'|".*")$`)
	violationLine   = regexp.MustCompile(`(?m)^  !! (.*)$`)
	exitLine        = regexp.MustCompile(`(?m)^---- exit code: \d+  \(([\d.]+) s\)$`)
	exitStatusStart = "\n---- exit code: "
	containerName   = regexp.MustCompile(`(?m)^##\[command\].* --name (\S+) `)
)

// readVerdict reads what the log's reader says at its end: the annotations that would exist, the
// commands that would fail the step, and the time of the container.
func (o *outcome) readVerdict(t *testing.T) {
	t.Helper()
	start := strings.LastIndex(o.log, verdictStart)
	end := strings.LastIndex(o.log, exitStatusStart)
	if start < 0 || end < start {
		t.Fatalf("no verdict in the log\n%s", o.log)
	}
	verdict := o.log[start:end]
	count, _, _ := strings.Cut(strings.TrimPrefix(verdict, verdictStart), " ")
	for _, match := range annotationLine.FindAllStringSubmatch(verdict, -1) {
		line, err := strconv.Atoi(match[3])
		if err != nil {
			t.Fatal(err)
		}
		o.annotations = append(o.annotations, annotation{
			level: match[1], file: match[2], line: line, title: unquote(t, match[4]), message: unquote(t, match[5]),
		})
	}
	if strconv.Itoa(len(o.annotations)) != count {
		t.Fatalf("read %d annotations of %s\n%s", len(o.annotations), count, verdict)
	}
	for _, match := range violationLine.FindAllStringSubmatch(verdict, -1) {
		o.violations = append(o.violations, match[1])
	}
	if match := exitLine.FindStringSubmatch(o.log[end:]); match != nil {
		o.seconds, _ = strconv.ParseFloat(match[1], 64)
	}
	if o.seconds == 0 {
		t.Fatal("no time of the container in the log: is bc installed?")
	}
}

// unquote reads a string as Python writes it.
func unquote(t *testing.T, text string) string {
	t.Helper()
	if text == "None" {
		return ""
	}
	quote, rest := text[0], text[1:len(text)-1]
	var plain strings.Builder
	for rest != "" {
		value, _, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		plain.WriteRune(value)
		rest = tail
	}
	return plain.String()
}

// errors is the annotations of the level error.
func (o outcome) errors() []annotation {
	var errors []annotation
	for _, a := range o.annotations {
		if a.level == "error" {
			errors = append(errors, a)
		}
	}
	return errors
}

// list is an output that is a JSON list.
func list[T any](t *testing.T, o outcome, name string) []T {
	t.Helper()
	var values []T
	if err := json.Unmarshal([]byte(o.outputs[name]), &values); err != nil {
		t.Fatalf("output %s %q: %v", name, o.outputs[name], err)
	}
	return values
}

// expectExit fails the test at once where nothing after it would make sense.
func (o outcome) expectExit(t *testing.T, status int) {
	t.Helper()
	if o.exit != status {
		t.Fatalf("exit status %d, expected %d", o.exit, status)
	}
}
