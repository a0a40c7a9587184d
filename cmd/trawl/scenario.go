package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/scenario"
	"example.org/trawl/submit"
)

func labScenariosCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scenarios",
		Short: "List what can be made to go wrong",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(scenario.List())
			}
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "SCENARIO\tVERDICT\tWHAT GOES WRONG\tNAMES\tNEEDS")
			for _, s := range scenario.List() {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Want, s.About, s.Who, s.Need)
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// scenarioOptions are the flags of lab run.
type scenarioOptions struct {
	seed         uint64
	keep, asJSON bool
	table        string
	within       time.Duration
}

func labRunCommand(a *app) *cobra.Command {
	var o scenarioOptions
	cmd := &cobra.Command{
		Use:   "run NAME…|all",
		Short: "Have something go wrong in a real crawl, and see whether the diagnosis says what",
		Long: `Crawl the simulated web with processes and a redis-server of its own, have something go wrong, wait until trawl why says what it
is, mend it, and wait until trawl why says no more of it. It takes two to five minutes, and leaves nothing behind. The status is 0
when the diagnosis was right: named within a minute, with whoever is to blame, and forgotten within another.`,
		Example: "  trawl lab scenarios\n  trawl lab run dns-refuses --seed 7\n  trawl lab run all --seed 1 --table table.md",
		Args:    submit.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			for _, s := range scenario.List() {
				names = append(names, s.Name)
			}
			return append(names, "all"), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runScenarios(cmd, args, o) },
	}
	f := cmd.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "the same seed gives the same web, the same hosts in trouble and the same numbers")
	f.BoolVar(&o.keep, "keep", false, "keep data and logs, and say where")
	f.BoolVar(&o.asJSON, "json", false, "print each outcome as JSON, and nothing else")
	f.StringVar(&o.table, "table", "", "append the table of outcomes to this file, as Markdown")
	f.DurationVar(&o.within, "within", time.Minute, "how long it may take until it is named, and until it is forgotten")
	return cmd
}

func (a *app) runScenarios(cmd *cobra.Command, names []string, o scenarioOptions) error {
	all, err := chosen(names)
	if err != nil {
		return &submit.UsageError{Err: err}
	}
	out := cmd.OutOrStdout()
	var outcomes []scenario.Outcome
	var wrong []string
	for _, s := range all {
		if err := s.Check(); err != nil && len(all) > 1 {
			fmt.Fprintln(cmd.ErrOrStderr(), "left out:", err)
			continue
		}
		x, err := a.runScenario(cmd, s.Name, o)
		switch {
		case cmd.Context().Err() != nil:
			return submit.ErrInterrupted
		case err != nil && len(all) == 1:
			return err
		case err != nil: // the others can be run all the same
			fmt.Fprintln(cmd.ErrOrStderr(), "not run:", err)
			wrong = append(wrong, s.Name)
			continue
		case !x.Right:
			wrong = append(wrong, s.Name)
		}
		if o.asJSON {
			if err := json.NewEncoder(out).Encode(x); err != nil {
				return err
			}
		}
		outcomes = append(outcomes, x)
	}
	text := scenario.Table(outcomes)
	if !o.asJSON {
		fmt.Fprint(out, "\n", text)
	}
	if o.table != "" {
		if err := appendTo(o.table, text); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d scenarios: the diagnosis was not right in %s: run it with --keep, which keeps the logs", len(wrong), len(all), strings.Join(wrong, ", "))
	}
	return nil
}

// chosen are the scenarios of those names; all of them for all.
func chosen(names []string) (out []scenario.Scenario, err error) {
	if len(names) == 1 && names[0] == "all" {
		return scenario.List(), nil
	}
	for _, name := range names {
		s, ferr := scenario.Find(name)
		out, err = append(out, s), errors.Join(err, ferr)
	}
	return out, err
}

func (a *app) runScenario(cmd *cobra.Command, name string, o scenarioOptions) (scenario.Outcome, error) {
	x := scenario.Options{Name: name, Seed: o.seed, Out: cmd.OutOrStdout(), Log: slog.New(slog.DiscardHandler), Within: o.within}
	if o.asJSON {
		x.Out = io.Discard
	}
	if o.keep {
		dir, err := os.MkdirTemp("", "trawl-"+name+"-")
		if err != nil {
			return scenario.Outcome{}, err
		}
		x.Dir = dir
		defer fmt.Fprintln(cmd.ErrOrStderr(), "data and logs are in", dir)
	}
	return scenario.Run(cmd.Context(), x)
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
