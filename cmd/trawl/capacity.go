package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"example.org/trawl/signals"
	"example.org/trawl/submit"
	"example.org/trawl/why"
)

func capacityCommand(a *app) *cobra.Command {
	var asJSON bool
	var load float64
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Say how many workers each stage needs",
		Long: `Say how many workers each stage needs for the present load, or for one in pages a second, and what would be exhausted first if
it grew. It goes by what the pages of the last five minutes took, so let the crawl run for a while first.`,
		Example: "  trawl capacity\n  trawl capacity --load 500",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if load < 0 {
				return &submit.UsageError{Err: fmt.Errorf("--load %g: want pages a second", load)}
			}
			if a.cfg.RedisURL == "" {
				return errNoRedis
			}
			rdb, done, err := a.briefRedis(ctx)
			if err != nil {
				return err
			}
			defer done()
			w, _, err := signals.NewHistory(rdb, why.Length).Window(ctx)
			if err != nil {
				return err
			}
			c := why.Plan(w, load)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(c)
			}
			return printCapacity(cmd.OutOrStdout(), c)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().Float64Var(&load, "load", 0, "pages a second to plan for (the present load)")
	return cmd
}

func printCapacity(out io.Writer, c why.Capacity) error {
	fmt.Fprintln(out, c.Summary)
	if len(c.Stages) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\ttasks/page\tmean time\tplaces\tneeded\tprocesses\tat most pages/s\t")
	for _, n := range c.Stages {
		most := "–"
		if n.AtMost > 0 {
			most = fmt.Sprintf("%.0f", n.AtMost)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t%d\t%d\t%d\t%s\t\n", n.Stage, n.PerPage, why.Span(n.Took), n.Slots, n.Needed, n.Processes, most)
	}
	err := t.Flush()
	_, perr := fmt.Fprintf(out, "\nprocessors: %s a page, so %.1f of %d cores at %.0f pages a second\n", why.Span(c.CPU), c.Cores, c.HaveCores, c.PagesPerS)
	return errors.Join(err, perr)
}
