package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

func schedulesCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "schedules",
		Short:   "Show what is submitted again and again",
		Long:    "Show what enqueue --every has set up: when it is due next, and what it submits.",
		Example: "  trawl schedules\n  trawl schedules remove 3",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error { return printSchedules(cmd, c, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(&cobra.Command{
		Use:   "remove ID",
		Short: "Submit it no more",
		Args:  submit.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return &submit.UsageError{Err: fmt.Errorf("%q: want the number of a schedule, as trawl schedules shows it", args[0])}
			}
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
				err := c.RemoveSchedule(cmd.Context(), id)
				if errors.Is(err, catalog.ErrNotFound) {
					return fmt.Errorf("there is no schedule %d: trawl schedules lists them", id)
				}
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "removed schedule %d\n", id)
				}
				return err
			})
		},
	})
	return cmd
}

func printSchedules(cmd *cobra.Command, c *sqlite.Catalog, asJSON bool) error {
	all, err := status.Schedules(cmd.Context(), c)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		list := []catalog.Schedule{}
		for _, s := range all {
			list = append(list, s.Schedule)
		}
		return json.NewEncoder(out).Encode(list)
	}
	if len(all) == 0 {
		fmt.Fprintln(out, "nothing is scheduled: enqueue --every 24h URL sets something up")
		return nil
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\twhen\tnext\tlast\tcrawl\tsubmitter\tURLs")
	for _, s := range all {
		last := "-"
		if s.Last != nil {
			last = s.Last.Local().Format(time.DateTime)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Spec, s.Next.Local().Format(time.DateTime), last, s.Submits.Crawl, s.Submits.Submitter, s.What())
	}
	return t.Flush()
}
