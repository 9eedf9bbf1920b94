package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/jina/hub-publish/internal/config"
	"github.com/jina/hub-publish/internal/rule"
)

// TestSchemaFile holds the file that editors read against the table and the rules that there are.
func TestSchemaFile(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, r := range rule.All {
		ids = append(ids, r.ID)
	}
	want, err := config.Schema(ids)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("schema.json"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("schema.json is not what the code says (%v); run: go test ./internal/config -update", err)
	}
	compile(t, want)
}

// compile also holds the schema against that of schemas.
func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(config.SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(config.SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestSchemaSaysWhatTheParserSays asks the schema about the parser's examples.
func TestSchemaSaysWhatTheParserSays(t *testing.T) {
	t.Parallel()
	text, err := config.Schema(rules)
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, text)
	for _, archive := range archives {
		for _, e := range examples(t, archive) {
			t.Run(archive+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				value, ok := asJSON(t, e.text)
				if !ok {
					if archive == "accepted" {
						t.Error("an editor could not read it")
					}
					return
				}
				if err := schema.Validate(value); (err == nil) != (archive != "refused") {
					t.Errorf("the schema says: %v", err)
				}
			})
		}
	}
}

// asJSON is a YAML file as an editor hands it to a schema; it is not ok where it is no such thing.
func asJSON(t *testing.T, data []byte) (value any, ok bool) {
	t.Helper()
	var read any
	if err := yaml.Unmarshal(data, &read); err != nil {
		return nil, false
	}
	text, err := json.Marshal(withTexts(read))
	if err != nil {
		t.Fatal(err)
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value, true
}

// withTexts makes texts of all keys: JSON has no others.
func withTexts(value any) any {
	texts := map[string]any{}
	switch value := value.(type) {
	case map[string]any:
		for key, v := range value {
			texts[key] = withTexts(v)
		}
	case map[any]any:
		for key, v := range value {
			if key == nil {
				key = "null"
			}
			texts[fmt.Sprint(key)] = withTexts(v)
		}
	default:
		return value
	}
	return texts
}
