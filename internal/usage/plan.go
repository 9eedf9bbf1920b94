package usage

import (
	"maps"
	"slices"
	"time"
)

// Plan are the tests of one bundle's image, in their order: the basic ones that are wanted, with what the hub says of them,
// those that the hub adds, and the bundle's own. A bundle of type app has no CLI and no Flow. A test without a timeout gets
// the one given.
func Plan(wanted []string, app bool, hub, own []Test, timeout time.Duration) []Test {
	var plan []Test
	for _, name := range Basic {
		test := Test{Name: name}
		if i := slices.IndexFunc(hub, func(t Test) bool { return t.Name == name }); i >= 0 {
			test = hub[i]
		}
		if slices.Contains(wanted, name) && !test.Off && !(app && name != Run) {
			plan = append(plan, test)
		}
	}
	for _, test := range slices.Concat(hub, own) {
		if !slices.Contains(Basic, test.Name) {
			plan = append(plan, test)
		}
	}
	for i := range plan {
		if plan[i].Timeout == 0 {
			plan[i].Timeout = timeout
		}
	}
	return plan
}

// As says what a test is like, in the words of who uses the image; empty for one that a hub or a bundle has added.
func (t Test) As() string {
	if len(t.Command)+len(t.Arguments) > 0 {
		return ""
	}
	return map[string]string{
		Run: "`docker run IMAGE`", CLI: "`jina pod --uses docker://IMAGE`", Flow: "`Flow().add(uses='docker://IMAGE')`",
	}[t.Name]
}

// Variables are the environment's, as NAME=value, sorted by name.
func (t Test) Variables() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(t.Environment)) {
		list = append(list, name+"="+t.Environment[name])
	}
	return list
}
