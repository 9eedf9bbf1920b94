package usage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/usage"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	hub := []usage.Test{{Name: "smoke", Timeout: time.Second}, {Name: "cli", Timeout: 2 * time.Minute}, {Name: "flow", Off: true}}
	own := []usage.Test{{Name: "mine"}}
	for name, test := range map[string]struct {
		wanted string
		app    bool
		hub    []usage.Test
		own    []usage.Test
		want   string
	}{
		"the basic ones":     {wanted: "run cli flow", want: "run 1m0s, cli 1m0s, flow 1m0s"},
		"some of them":       {wanted: "flow run", want: "run 1m0s, flow 1m0s"},
		"an app":             {wanted: "run cli flow", app: true, own: own, want: "run 1m0s, mine 1m0s"},
		"the hub's changes":  {wanted: "run cli flow", hub: hub, want: "run 1m0s, cli 2m0s, smoke 1s"},
		"the bundle's":       {wanted: "run", hub: hub, own: own, want: "run 1m0s, smoke 1s, mine 1m0s"},
		"a bundle's own run": {wanted: "run", own: []usage.Test{{Name: "run", Off: true}}, want: "run 1m0s"},
	} {
		var got []string
		for _, planned := range usage.Plan(strings.Fields(test.wanted), test.app, test.hub, test.own, time.Minute) {
			got = append(got, fmt.Sprintf("%s %s", planned.Name, planned.Timeout))
		}
		if joined := strings.Join(got, ", "); joined != test.want {
			t.Errorf("%s: %s; want %s", name, joined, test.want)
		}
	}
}
