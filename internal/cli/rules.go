package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/jina/hub-publish/internal/rule"
)

// listRules prints every rule with its severity and what it asks for.
func listRules(_ context.Context, args []string, e Environment) (int, error) {
	if len(args) > 0 {
		return Wrong, fmt.Errorf("rules takes no arguments, but got %q", args)
	}
	table := tabwriter.NewWriter(e.Out, 0, 0, 2, ' ', 0)
	for _, r := range rule.All {
		fmt.Fprintf(table, "%s\t%s\t%s\n", r.ID, r.Severity, r.About)
	}
	return OK, table.Flush()
}
