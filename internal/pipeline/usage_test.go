package pipeline_test

import (
	"strings"
	"testing"

	"github.com/jina/hub-publish/internal/builder/buildertest"
	"github.com/jina/hub-publish/internal/report"
)

// TestUsage publishes a bundle whose image starts nothing, as the hub's configuration and the inputs have it.
func TestUsage(t *testing.T) {
	t.Parallel()
	buildertest.RequireSandbox(t)
	const own = "\n-- executors/encoders/GoodEncoder/tests/usage/smoke.yml --\ncommand: [/nothing]\nready: {exit: 0}\n"
	for name, test := range map[string]struct {
		config, files string
		given         map[string]string
		want          string // the bundle's state with its findings
		tests         string // the tests with their results
	}{
		"basic":                {want: "GoodEncoder failed usage/run", tests: "run failed, cli not applicable, flow not applicable"},
		"one of them":          {given: map[string]string{"usage-tests": "cli"}, want: "GoodEncoder published", tests: "cli not applicable"},
		"none":                 {given: map[string]string{"usage-tests": "off"}, files: own, want: "GoodEncoder published"},
		"the hub's severity":   {config: "rules: {usage/run: warning}", want: "GoodEncoder published", tests: "run failed, cli not applicable, flow not applicable"},
		"a test turned off":    {config: "usage-tests: {run: off, flow: off}", want: "GoodEncoder published", tests: "cli not applicable"},
		"Jina is required":     {config: "require-jina: true\nusage-tests: {run: off}", want: "GoodEncoder failed usage/cli usage/flow", tests: "cli failed, flow failed"},
		"the hub's own test":   {config: "usage-tests: {run: off, cli: off, flow: off, help: {arguments: [--help]}}", want: "GoodEncoder failed usage/own", tests: "help failed"},
		"the bundle's own one": {given: map[string]string{"usage-tests": "cli"}, files: own, want: "GoodEncoder failed usage/own", tests: "cli not applicable, smoke failed"},
		"whatever fail-on is":  {given: map[string]string{"fail-on": "never"}, want: "GoodEncoder failed usage/run", tests: "run failed, cli not applicable, flow not applicable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, server := newHub(t), newServer(t)
			files := good + test.files
			if test.config != "" {
				files += "\n-- .github/hub-publish.yml --\n" + test.config + "\n"
			}
			given := map[string]string{"usage-tests": "run, cli, flow", "registry": server.host}
			for key, value := range test.given {
				given[key] = value
			}
			r := h.push("", h.commit(files), given)
			expect(t, r, test.want)
			var results []string
			for _, row := range r.Bundles[0].Tests {
				results = append(results, row.Name+" "+string(row.Result))
			}
			if got := strings.Join(results, ", "); got != test.tests {
				t.Errorf("the tests are %q, want %q", got, test.tests)
			}
			if len(r.Bundles[0].Published) > 0 != (r.Bundles[0].Status == report.Published) {
				t.Errorf("it is %s, and published are %v", r.Bundles[0].Status, r.Bundles[0].Published)
			}
		})
	}
}
