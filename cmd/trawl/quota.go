package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

func quotaCommand(a *app) *cobra.Command {
	var q catalog.Quota
	var share float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "quota [SUBMITTER]",
		Short: "Show or set what submitters are allowed",
		Long: `Show what each submitter is allowed and has waiting; or, with a name and flags, set it. Submitters take turns at being handed
out pages, by their weight: who has the weight 2 gets two pages for each of another's. Links that are over a quota wait, and
enqueue refuses what is over it.`,
		Example: "  trawl quota\n  trawl quota bob --weight 0.5 --max-waiting 100000 --per-minute 600",
		Args:    submit.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				q.Submitter, q.Weight = args[0], int64(share*100+0.5)
				if q.Weight < 1 || q.Most < 0 || q.PerMinute < 0 {
					return &submit.UsageError{Err: errors.New("--weight must be at least 0.01, --max-waiting and --per-minute at least 0, which is no limit")}
				}
			}
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error { return runQuota(cmd, c, args, q, asJSON) })
		},
	}
	f := cmd.Flags()
	f.Float64Var(&share, "weight", 1, "its share of the turns, beside 1 for everybody else")
	f.Int64Var(&q.Most, "max-waiting", 0, "pages that may wait; 0 for any number")
	f.Int64Var(&q.PerMinute, "per-minute", 0, "pages that are handed out a minute; 0 for any number")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runQuota(cmd *cobra.Command, c *sqlite.Catalog, args []string, q catalog.Quota, asJSON bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	f := cmd.Flags()
	if len(args) > 0 && (f.Changed("weight") || f.Changed("max-waiting") || f.Changed("per-minute")) {
		old, err := c.Quotas(ctx)
		if err != nil {
			return err
		}
		for _, o := range old { // what is not named stays
			if o.Submitter != q.Submitter {
				continue
			}
			if !f.Changed("weight") {
				q.Weight = o.Weight
			}
			if !f.Changed("max-waiting") {
				q.Most = o.Most
			}
			if !f.Changed("per-minute") {
				q.PerMinute = o.PerMinute
			}
		}
		if err := c.SetQuota(ctx, q); err != nil {
			return err
		}
	}
	all, err := c.Quotas(ctx)
	if err != nil {
		return err
	}
	some := []catalog.Quota{}
	for _, o := range all {
		if len(args) == 0 || o.Submitter == q.Submitter {
			some = append(some, o)
		}
	}
	if len(some) == 0 && len(args) > 0 {
		return noSuch("submitter", q.Submitter)
	}
	if asJSON {
		return json.NewEncoder(out).Encode(some)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "submitter\tweight\twaiting\tmost waiting\ta minute")
	for _, o := range some {
		fmt.Fprintf(t, "%s\t%g\t%s\t%s\t%s\n", status.Printable(o.Submitter), float64(o.Weight)/100, humanize.Comma(o.Waiting), orAny(o.Most), orAny(o.PerMinute))
	}
	return t.Flush()
}

func orAny(n int64) string {
	if n == 0 {
		return "any"
	}
	return humanize.Comma(n)
}
