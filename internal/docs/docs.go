// Package docs renders what action.yml and the README say of inputs, outputs and rules from the code that knows them.
// Its test holds both files against it; `go test ./internal/docs -update` writes them.
package docs

import (
	"fmt"
	"io/fs"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/report"
)

// text is a YAML value in double quotes, whatever it holds.
func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Style: yaml.DoubleQuotedStyle}
}

func word(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func mapping(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: content}
}

// Action is action.yml.
func Action() (string, error) {
	inputs, outputs := mapping(), mapping()
	for _, i := range input.All {
		about := mapping(word("description"), text(i.About))
		if i.Default != "" {
			about.Content = append(about.Content, word("default"), text(i.Default))
		}
		inputs.Content = append(inputs.Content, word(i.Name), about)
	}
	for _, o := range report.Outputs {
		outputs.Content = append(outputs.Content, word(o.Name), mapping(word("description"), text(o.About)))
	}
	var s strings.Builder
	encoder := yaml.NewEncoder(&s)
	encoder.SetIndent(2)
	err := encoder.Encode(mapping(
		word("name"), word("hub-publish"),
		word("description"), text("Check the bundles of a hub in pull requests, build their images without a daemon, and publish them after the merge."),
		word("author"), word("Jina AI"),
		word("branding"), mapping(word("icon"), word("package"), word("color"), word("blue")),
		word("inputs"), inputs,
		word("outputs"), outputs,
		word("runs"), mapping(word("using"), word("docker"), word("image"), word("Dockerfile")),
	))
	return s.String(), err
}

// Sections are the generated parts of the README, by the name that stands in its markers. The project's files hold the
// example workflows and the bundle whose findings are shown.
func Sections(project fs.FS) (map[string]string, error) {
	sections := map[string]string{"inputs": inputs(), "outputs": outputs(), "configuration": configuration()}
	var err error
	if sections["rules"], err = rules(project); err != nil {
		return nil, err
	}
	for _, name := range []string{"check", "publish", "fan-out", "code-scanning"} {
		data, err := fs.ReadFile(project, ".github/examples/"+name+".yml")
		if err != nil {
			return nil, err
		}
		_, workflow, _ := strings.Cut(string(data), "\n") // the first line says where to copy it
		sections[name] = "```yaml\n" + workflow + "```\n"
	}
	shown, err := terminal(project)
	sections["terminal"] = "```text\n" + shown + "```\n"
	return sections, err
}

func inputs() string {
	var s strings.Builder
	s.WriteString("| input | default | meaning |\n|---|---|---|\n")
	for _, i := range input.All {
		value := ""
		if i.Default != "" {
			value = "`" + i.Default + "`"
		}
		fmt.Fprintf(&s, "| `%s` | %s | %s |\n", i.Name, value, i.About)
	}
	return s.String()
}

func outputs() string {
	var s strings.Builder
	s.WriteString("| output | what |\n|---|---|\n")
	for _, o := range report.Outputs {
		fmt.Fprintf(&s, "| `%s` | %s |\n", o.Name, o.About)
	}
	return s.String()
}

// configuration are the keys of the hub's configuration file.
func configuration() string {
	var s strings.Builder
	s.WriteString("| key | default | meaning |\n|---|---|---|\n")
	for _, k := range config.Keys() {
		value := ""
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&s, "| `%s` | %s | %s |\n", k.Name, value, k.About)
	}
	return s.String()
}
