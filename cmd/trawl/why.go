package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/observe"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/why"
)

func whyCommand(a *app) *cobra.Command {
	var asJSON, watch, table bool
	cmd := &cobra.Command{
		Use:   "why",
		Short: "Say what is piling up, and why",
		Long: `Say in one sentence what is piling up and why, with the numbers that speak for it, what was ruled out and by which number, and
what to do. It judges what the processes measured in the last half minute against what was normal in the half hour before.`,
		Example: "  trawl why\n  trawl why --watch\n  trawl why --json | jq -r .verdict\n  trawl why --thresholds",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			if table {
				return printThresholds(out, asJSON)
			}
			if a.cfg.RedisURL == "" {
				return errNoRedis
			}
			rdb, done, err := a.briefRedis(ctx)
			if fault.KindOf(err) == fault.RedisDown {
				return printReport(out, why.Away(err.Error(), time.Now()), asJSON, false)
			}
			if err != nil {
				return err
			}
			defer done()
			return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
				past := signals.NewHistory(rdb, why.Length)
				for {
					r, err := observe.Diagnose(ctx, past, a.look(rdb, c, nil))
					if err == nil {
						err = printReport(out, r, asJSON, watch)
					}
					if err != nil || !watch {
						return err
					}
					select {
					case <-ctx.Done():
						return nil
					case <-time.After(signals.Every):
					}
				}
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "say it again every few seconds")
	cmd.Flags().BoolVar(&table, "thresholds", false, "print the numbers that the diagnosis goes by")
	return cmd
}

func printThresholds(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(why.Table())
	}
	for _, t := range why.Table() {
		fmt.Fprintf(out, "%-12s %12g %-10s %s\n", t.Name, t.Value, t.Unit, t.Means)
	}
	return nil
}

func printReport(out io.Writer, r why.Report, asJSON, watch bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	if watch {
		fmt.Fprintf(out, "── %s\n", time.Now().Format(time.TimeOnly))
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-10s %s\n", name, status.Printable(fmt.Sprintf(format, args...)))
	}
	row(string(r.Verdict), "%s", r.Summary)
	if r.Since != nil {
		row("since", "%s", r.Since.Local().Format(time.DateTime))
	}
	if r.Cost != "" {
		row("cost", "%s", r.Cost)
	}
	switch {
	case r.ETA > 0:
		row("through in", "%s", time.Duration(r.ETA*float64(time.Second)).Round(time.Second))
	case r.ETA < 0:
		row("through in", "nobody can tell while it lasts")
	}
	for _, w := range r.Who {
		row("who", "%s %s: %.0f %%", w.Dimension, w.Name, 100*w.Share)
	}
	for _, e := range r.Evidence {
		row("evidence", "%s", evidenceWords(e))
	}
	if len(r.Also) > 0 {
		var also []string
		for _, v := range r.Also {
			also = append(also, string(v))
		}
		row("also", "%s", strings.Join(also, ", "))
	}
	for _, x := range r.RuledOut {
		row("not", "%s: %s", x.Verdict, x.Because)
	}
	for _, x := range r.Actions {
		if x.Command != "" {
			row("do", "%s: %s", x.Do, x.Command)
		} else {
			row("do", "%s", x.Do)
		}
	}
	row("seen", "%s ago", time.Duration(r.Freshness*float64(time.Second)).Round(100*time.Millisecond))
	return nil
}

func evidenceWords(e why.Evidence) string {
	s := fmt.Sprintf("%s: %s", e.Signal, why.Quantity(e.Value, e.Unit))
	var more []string
	if e.Normal > 0 {
		more = append(more, "normally "+why.Quantity(e.Normal, e.Unit))
	}
	if e.Threshold > 0 {
		more = append(more, "threshold "+why.Quantity(e.Threshold, e.Unit))
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}
