package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const heading = "| scenario | tool | seconds | from – to | of BuildKit's | memory, MB |\n|---|---|---|---|---|---|\n"

// results are a scenario's measurements, of each tool in the order of the rounds.
type results struct {
	scenario string
	tools    []tool
	of       map[string][]measurement
}

func newResults(scenario string, tools []tool) *results {
	return &results{scenario, tools, map[string][]measurement{}}
}

func (r *results) add(t tool, m measurement) { r.of[t.name] = append(r.of[t.name], m) }

// String is the scenario's rows of the table.
func (r *results) String() string {
	var text strings.Builder
	for _, t := range r.tools {
		var seconds, ratios []float64
		var memory []int64
		for round, m := range r.of[t.name] {
			seconds, memory = append(seconds, m.seconds), append(memory, m.memory)
			if yardsticks := r.of[t.yardstick]; round < len(yardsticks) {
				ratios = append(ratios, m.seconds/yardsticks[round].seconds)
			}
		}
		ratio := ""
		if len(ratios) > 0 && t.name != t.yardstick {
			ratio = fmt.Sprintf("%.2f of %s", median(ratios), strings.TrimPrefix(t.yardstick, "buildkit-"))
		}
		fmt.Fprintf(&text, "| %s | %s | %.2f | %.2f – %.2f | %s | %d |\n",
			r.scenario, t.name, median(seconds), slices.Min(seconds), slices.Max(seconds), ratio, median(memory)>>20)
	}
	return text.String()
}

// median is the middle one, or the upper of the two in the middle.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
