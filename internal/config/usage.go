package config

import (
	"fmt"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/finding"
	"github.com/jina/hub-publish/internal/usage"
	"github.com/jina/hub-publish/internal/wording"
)

// maxTests is how many usage tests a configuration file may have. Each starts every bundle's image once.
const maxTests = 50

// testExample shows what a test may say.
const testExample = "ready: {port: 8080}"

// testKeys are the keys of one usage test, in a configuration file and in a bundle's file.
var testKeys = exclusive{one: []string{"command", "arguments"}, of: fields{
	{name: "command", example: `command: [python, -c, "import app"]`,
		about: "What is started, instead of the image's entry point and command.",
		shape: items{of: argument(), first: program(), repeats: true, example: "python", mend: "write its words one by one, such as `[python, -m, app]`"}},
	{name: "arguments", example: "arguments: [--verbose]",
		about: "What stands behind the image's entry point, instead of the image's command. Not together with command.",
		shape: items{of: argument(), repeats: true, example: "--verbose", mend: "write them one by one, such as `[--level, debug]`"}},
	{name: "environment", example: "environment: {LOG: debug}",
		about: "Variables that are added to the image's environment. Numbers and truth values need no quotes.",
		shape: named{key: variable(), of: variableValue(), exampleName: "LOG", example: "''"}},
	{name: "ready", example: testExample,
		about: "How it is seen that the image is ready: exactly one of port, log, exit and alive. By default, it listens on a TCP port.",
		shape: exclusive{needed: true, one: []string{"port", "log", "exit", "alive"}, of: fields{
			{name: "port", example: "port: 8080", shape: integer{1, 1<<16 - 1, "8080"},
				about: "It listens on this TCP port."},
			{name: "log", example: "log: ready and listening", shape: linePattern(),
				about: "It prints a line that this regular expression, in RE2's syntax, matches somewhere."},
			{name: "exit", example: "exit: 0", shape: integer{0, 1<<8 - 1, "0"},
				about: "It ends by itself, with this exit status."},
			{name: "alive", example: "alive: 3s", shape: span{"3s"},
				about: "It has lived for this time, such as 3s; at most 1h."},
		}}},
	{name: "timeout", example: "timeout: 90s", shape: span{"90s"},
		about: "How long it may take until it is ready, such as 90s; at most 1h. By default, as long as the input ready-timeout says."},
}}

// noNUL are the texts that a program can be started with.
var noNUL = regexp.MustCompile(`^[^\x00]*$`)

func argument() word {
	return word{is: "an argument", pattern: noNUL, mend: "write it without the character U+0000"}
}

func program() word {
	return word{
		is:      "a program",
		pattern: regexp.MustCompile(`^[^\x00]+$`),
		mend:    "write the name or the path of a program, such as python, and its arguments behind it",
	}
}

func variable() word {
	return word{
		is:      "the name of an environment variable",
		pattern: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`),
		mend:    "write letters, digits and underscores, no digit first, such as LOG_LEVEL",
	}
}

func variableValue() word {
	return word{is: "a value", plain: true, pattern: noNUL, mend: "write it without the character U+0000"}
}

// maxLinePattern is how long a pattern of a line may be: shorter than one of a name, as there may be maxTests of them, and
// each is held against whole logs. The worst that fit take about a second to read, all together.
const maxLinePattern = 200

func linePattern() word {
	return word{
		is:      "a pattern of a line",
		pattern: regexp.MustCompile(`^[^\n]+$`),
		mend:    "write on one line what stands in the line that says that the image is ready, such as `listening on`",
		valid:   compiles(maxLinePattern),
	}
}

// nameRule is usage.NamePattern in words.
const nameRule = "from 1 to 40 lower-case letters, digits and hyphens, no hyphen first, such as smoke"

// tests is a mapping of usage tests: the basic ones, which may be off, and others.
func tests() named {
	s := named{
		key:  word{is: "the name of a usage test", pattern: usage.NamePattern, mend: "write " + nameRule},
		of:   test{},
		most: maxTests, exampleName: usage.Run, example: "{" + testExample + "}",
	}
	for _, name := range usage.Basic {
		s.known = append(s.known, field{name: name, shape: basicTest{}, about: "What differs in the basic test " + name + ", or off, to leave it out."})
	}
	return s
}

// test is what one usage test says.
type test struct{}

func (test) check(c *checker, n *yaml.Node, where string) {
	if isOff(n) && where != top {
		c.report(n, "%s is not one of the basic tests, and only those, %s, can be off;%s write keys and values, such as `%s`, or remove the key",
			where, wording.List(usage.Basic), wording.DidYouMean(where, usage.Basic), testExample)
		return
	}
	testKeys.check(c, n, where)
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		c.report(n, "%s says nothing; write keys and values, such as `%s`", where, testExample)
	}
}

func (test) schema([]string) object { return object{"$ref": "#/$defs/usage-test"} }

// testSchema is what $ref refers to.
func testSchema(rules []string) object {
	o := testKeys.schema(rules)
	o["minProperties"] = 1
	return o
}

// basicTest is off, or what differs in a basic usage test.
type basicTest struct{}

func (basicTest) check(c *checker, n *yaml.Node, where string) {
	switch {
	case isOff(n):
	case n.Kind == yaml.MappingNode || n.Kind == yaml.AliasNode:
		test{}.check(c, n, where)
	default:
		c.report(n, "%s must be off or a mapping, but YAML reads %s; write off, or keys and values, such as `%s`", where, what(n), testExample)
	}
}

func (basicTest) schema(rules []string) object {
	return object{"anyOf": []object{{"const": "off"}, test{}.schema(rules)}}
}

// isOff is of off with or without quotes: for this YAML, both are texts.
func isOff(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == text.tag && n.Value == "off"
}

// ParseUsageTest reads a bundle's own usage test, a file tests/usage/NAME.yml with the keys of one test. The name must match
// usage.NamePattern, and be none of usage.Basic. Its error is an *Error with every problem of the name, which is on line 1,
// and of the file, the first 50 at the most.
func ParseUsageTest(name string, data []byte) (usage.Test, error) {
	check := &checker{}
	line := finding.Line(1)
	if slices.Contains(usage.Basic, name) {
		check.problems = append(check.problems, &Problem{line, fmt.Sprintf(
			"%s is a basic test, which a bundle cannot change; rename the file %s/%s.yml, for example to %s/my-%s.yml", name, usage.Dir, name, usage.Dir, name)})
	} else if !usage.NamePattern.MatchString(name) {
		check.problems = append(check.problems, &Problem{line, fmt.Sprintf(
			"%q is not the name of a usage test; rename the file to %s/NAME.yml, where NAME is %s", wording.Shorten(name), usage.Dir, nameRule)})
	}
	root, lines, problem := decode(data)
	switch {
	case problem != nil:
		check.problems = append(check.problems, problem)
	case root == nil:
		check.problems = append(check.problems, &Problem{line, "the file says nothing; write keys and values, such as `" + testExample + "`"})
	default:
		check.lines = lines
		test{}.check(check, root, top)
	}
	if len(check.problems) > 0 {
		return usage.Test{}, &Error{check.sorted()}
	}
	return testOf(name, root), nil
}

// testsOf are the usage tests that a mapping says. It is known to be right.
func testsOf(n *yaml.Node) []usage.Test {
	var all []usage.Test
	for i := 0; i < len(n.Content); i += 2 {
		all = append(all, testOf(n.Content[i].Value, n.Content[i+1]))
	}
	return all
}

// testOf is the usage test that a value says. It is known to be right.
func testOf(name string, n *yaml.Node) usage.Test {
	t := usage.Test{Name: name, Off: isOff(n)}
	for i := 0; i < len(n.Content); i += 2 {
		switch value := n.Content[i+1]; n.Content[i].Value {
		case "command":
			t.Command = textsOf(value)
		case "arguments":
			t.Arguments = textsOf(value)
		case "environment":
			t.Environment = map[string]string{}
			for i := 0; i < len(value.Content); i += 2 {
				t.Environment[value.Content[i].Value] = value.Content[i+1].Value
			}
		case "ready":
			t.Ready = readyOf(value.Content[0].Value, value.Content[1])
		case "timeout":
			t.Timeout, _ = spanOf(value)
		}
	}
	return t
}

func readyOf(key string, n *yaml.Node) (r usage.Ready) {
	value, _ := intOf(n)
	switch key {
	case "port":
		r.Port = value
	case "log":
		r.Log = regexp.MustCompile(n.Value)
	case "exit":
		r.Exit = &value
	case "alive":
		r.Alive, _ = spanOf(n)
	}
	return r
}

func textsOf(n *yaml.Node) []string {
	var texts []string
	for _, item := range n.Content {
		texts = append(texts, item.Value)
	}
	return texts
}
