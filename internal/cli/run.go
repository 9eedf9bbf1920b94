package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/jina/hub-publish/internal/beneath"
	"github.com/jina/hub-publish/internal/compare"
	"github.com/jina/hub-publish/internal/event"
	"github.com/jina/hub-publish/internal/forge"
	"github.com/jina/hub-publish/internal/history"
	"github.com/jina/hub-publish/internal/input"
	"github.com/jina/hub-publish/internal/pipeline"
	"github.com/jina/hub-publish/internal/report"
	"github.com/jina/hub-publish/internal/selection"
)

// run is the command that goes as far as a mode says, or, with no mode, as far as the inputs do.
func run(mode string) func(context.Context, []string, Environment) (int, error) {
	return func(ctx context.Context, args []string, e Environment) (int, error) {
		set := flag.NewFlagSet(strings.TrimSpace("hub-publish "+mode), flag.ContinueOnError)
		flags := input.Flags(set)
		begin := new(bool)
		if mode == "check" {
			begin = set.Bool("init", false, "Check all bundles, and write a configuration file that lets pass what is wrong with them today.")
		}
		paths, err := parse(set, args, e)
		if err != nil {
			return Wrong, err
		}
		given := flags()
		if mode != "" {
			given["mode"] = mode
		}
		if _, ok := given["bundles"]; *begin && !ok {
			given["bundles"] = selection.All
		}
		r, files, err := prepare(given, paths, e)
		if err != nil {
			return Wrong, err
		}
		defer files.Close()
		if *begin {
			return begins(ctx, r, e)
		}
		result, runErr := r.Do(ctx)
		if err := tell(result, r, e); err != nil {
			return Wrong, errors.Join(runErr, err)
		}
		if e.inActions() && r.Inputs.Mode != input.Summary {
			announce(ctx, result, r, e)
		}
		switch {
		case runErr != nil:
			return Wrong, runErr
		case r.Failed():
			return Failed, nil
		}
		return OK, nil
	}
}

// prepare reads what a run needs from its surroundings.
func prepare(given map[string]string, paths []string, e Environment) (*pipeline.Run, io.Closer, error) {
	ev, err := event.Read(e.Getenv)
	if err != nil {
		return nil, nil, err
	}
	start := e.Dir
	if e.inActions() && e.Getenv("GITHUB_WORKSPACE") != "" {
		start = e.Getenv("GITHUB_WORKSPACE")
	}
	repository, err := history.Open(start)
	if err != nil {
		if e.inActions() && errors.Is(err, history.ErrNone) {
			err = fmt.Errorf("%w; run actions/checkout before this step", err)
		}
		return nil, nil, err
	}
	dir, err := repository.Dir()
	if err != nil {
		return nil, nil, err
	}
	if len(paths) > 0 {
		if given["bundles"], err = inRepository(dir, e.Dir, paths); err != nil {
			return nil, nil, err
		}
	}
	inputs, err := input.Read(given, e.Getenv)
	if err != nil {
		return nil, nil, err
	}
	root, err := beneath.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	r := &pipeline.Run{
		Inputs: inputs, Event: ev, Dir: dir, Files: root, Repository: repository,
		API: compare.NoAPI{}, Log: report.NewLog(e.Out, e.inActions()), Store: e.store(),
	}
	if ev.Repository != "" {
		client, err := forge.New(e.Getenv("GITHUB_API_URL"), ev.Repository, inputs.Token)
		if err != nil {
			return nil, nil, err
		}
		r.API, r.Approvals = client, client
		r.RepositoryURL = e.Getenv("GITHUB_SERVER_URL") + "/" + ev.Repository
		r.SourceURL = r.RepositoryURL + "/tree/" + ev.SHA
		r.Origin = pipeline.Origin{
			Workflow: e.Getenv("GITHUB_WORKFLOW_REF"), Runner: e.Getenv("RUNNER_ENVIRONMENT"), Action: e.Getenv("GITHUB_ACTION_REF"),
			Run: fmt.Sprintf("%s/actions/runs/%s/attempts/%s", r.RepositoryURL, e.Getenv("GITHUB_RUN_ID"), e.Getenv("GITHUB_RUN_ATTEMPT")),
		}
	}
	if e.inActions() {
		action := actions(e)
		for _, secret := range []string{inputs.Password, inputs.Token} {
			if secret != "" {
				action.AddMask(secret)
			}
		}
	}
	return r, root, nil
}

// inRepository turns paths as a person types them into the input bundles.
func inRepository(dir, from string, paths []string) (string, error) {
	var bundles []string
	for _, p := range paths {
		absolute := p
		if !filepath.IsAbs(p) {
			absolute = filepath.Join(from, p)
		}
		below, err := filepath.Rel(dir, absolute)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			return "", fmt.Errorf("%s is outside of the repository %s", p, dir)
		}
		bundles = append(bundles, filepath.ToSlash(below))
	}
	return strings.Join(bundles, "\n"), nil
}

func actions(e Environment) *githubactions.Action {
	return githubactions.New(githubactions.WithWriter(e.Out), githubactions.WithGetenv(e.Getenv))
}

// tell shows a report to whoever is there to read it.
func tell(result *report.Report, r *pipeline.Run, e Environment) error {
	if err := writeSARIF(result, r); err != nil {
		return err
	}
	if !e.inActions() {
		if result.Error != "" {
			return nil // complain says it
		}
		report.Terminal{Out: e.Out, Files: r.Files, Color: e.color()}.Print(result)
		return nil
	}
	action := actions(e)
	if r.Inputs.Mode != input.Summary { // the jobs have said it
		report.Annotate(action, result.Ranked())
	}
	for _, b := range result.Bundles {
		r.Log.Printf("%-9s %s %s", b.Status, b.Path, b.Version)
	}
	outputs, err := result.Values()
	if err != nil {
		return err
	}
	if outputs["report"], err = result.WriteJSON(r.Dir); err != nil {
		return err
	}
	if outputs["catalog"], err = r.WriteCatalog(); err != nil {
		return err
	}
	if e.Getenv("GITHUB_OUTPUT") != "" {
		report.SetOutputs(action, outputs)
	}
	if e.Getenv("GITHUB_STEP_SUMMARY") != "" {
		action.AddStepSummary(result.Summary())
	}
	return nil
}

// writeSARIF writes the findings for tools, where the inputs name a file.
func writeSARIF(result *report.Report, r *pipeline.Run) error {
	if r.Inputs.SARIFFile == "" {
		return nil
	}
	data, err := result.SARIF(version())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Dir, filepath.FromSlash(r.Inputs.SARIFFile)), data, 0o644); err != nil {
		return fmt.Errorf("input sarif-file: %w", err)
	}
	return nil
}

// complain says what kept the program from its work.
func complain(e Environment, err error) {
	if e.inActions() {
		actions(e).Errorf("%s", err)
		return
	}
	fmt.Fprintln(e.Err, "hub-publish:", err)
}
