package parity

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// config is an image's configuration: each property by its name, as JSON has it. Reading it into a library's struct
// would drop what that library does not know.
type config struct {
	properties map[string]any
	history    int
}

// neverCompared are the properties that have other values for every build or stand for the files, which are compared
// themselves, and those in which Docker's old builder kept notes. Names that begin with "moby." are BuildKit's notes.
var neverCompared = []string{"created", "history", "rootfs", "container", "container_config", "docker_version", "id", "parent"}

// parseConfig reads the configuration of an image that has so many layers.
func parseConfig(raw []byte, layers int) (*config, error) {
	var top map[string]any
	if err := json.Unmarshal(raw, &top); err != nil {
		return nil, fmt.Errorf("the configuration: %w", err)
	}
	c := &config{properties: map[string]any{}}
	for name, value := range top {
		switch {
		case slices.Contains(neverCompared, name) || strings.HasPrefix(name, "moby."):
		case name == "config":
			inner, ok := value.(map[string]any)
			if !ok && value != nil {
				return nil, fmt.Errorf("the configuration: config is %v, expected an object", value)
			}
			for name, value := range inner {
				c.add("config."+name, value)
			}
		default:
			c.add(name, value)
		}
	}
	return c, c.readHistory(top["history"], layers)
}

// add keeps a property, unless its value is the one that a property has when it is left out.
func (c *config) add(name string, value any) {
	switch v := value.(type) {
	case nil:
		return
	case []any:
		if len(v) == 0 {
			return
		}
	case map[string]any:
		if len(v) == 0 {
			return
		}
	default:
		if reflect.ValueOf(value).IsZero() {
			return
		}
	}
	c.properties[name] = value
}

// readHistory checks that the history tells of every layer: who reads it maps its entries to layers by their order. An
// image without any history is allowed by the OCI image specification.
func (c *config) readHistory(value any, layers int) error {
	entries, _ := value.([]any)
	c.history = len(entries)
	if c.history == 0 {
		return nil
	}
	told := 0
	for _, entry := range entries {
		if fields, _ := entry.(map[string]any); fields["empty_layer"] != true {
			told++
		}
	}
	if told != layers {
		return fmt.Errorf("the configuration: the history tells of %d layers, but there are %d", told, layers)
	}
	return nil
}

func compareConfigs(want, got *config) []string {
	names := map[string]bool{}
	for name := range want.properties {
		names[name] = true
	}
	for name := range got.properties {
		names[name] = true
	}
	var differences []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		w, g := want.properties[name], got.properties[name]
		if !reflect.DeepEqual(w, g) {
			differences = append(differences, fmt.Sprintf("configuration: %s is %s, want %s", name, asJSON(g), asJSON(w)))
		}
	}
	if want.history != got.history {
		differences = append(differences, fmt.Sprintf("configuration: history has %d entries, want %d", got.history, want.history))
	}
	return differences
}

// asJSON shows a value that was read from JSON.
func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
