package ignore

import (
	"bytes"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"gopkg.in/yaml.v3"
)

// parseYAML returns the texts of a YAML file, as far as it can be parsed.
func parseYAML(data []byte) (texts []string, blocks []block) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var collect func(n *yaml.Node)
	collect = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			texts = append(texts, n.Value)
		}
		for _, child := range n.Content {
			collect(child)
		}
	}
	for {
		var document yaml.Node
		if decoder.Decode(&document) != nil {
			return texts, nil
		}
		collect(&document)
	}
}

// parseDockerfile returns the heredocs of a Dockerfile and the lines of its instructions.
func parseDockerfile(data []byte) (texts []string, blocks []block) {
	result, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, nil
	}
	for _, n := range result.AST.Children {
		blocks = append(blocks, block{n.StartLine, n.EndLine})
		for _, heredoc := range n.Heredocs {
			texts = append(texts, heredoc.Content)
		}
	}
	return texts, blocks
}
