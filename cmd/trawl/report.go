package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/events"
	"example.org/trawl/queue"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

// briefRedis connects to the Redis of the running processes, if there is one: nil without REDIS_URL.
func (a *app) briefRedis(ctx context.Context) (redis.UniversalClient, func(), error) {
	if a.cfg.RedisURL == "" {
		return nil, func() {}, nil
	}
	rdb, err := queue.OpenBriefly(ctx, a.cfg.RedisURL)
	if err != nil {
		return nil, nil, err
	}
	return rdb, func() { _ = rdb.Close() }, nil
}

// withBoth runs fn with the catalog and, where REDIS_URL says where it is, the Redis of the running processes; else with nil.
func (a *app) withBoth(ctx context.Context, fn func(*sqlite.Catalog, redis.UniversalClient) error) error {
	rdb, done, err := a.briefRedis(ctx)
	if err != nil {
		return err
	}
	defer done()
	return a.withCatalog(ctx, func(c *sqlite.Catalog) error { return fn(c, rdb) })
}

func statusCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show counts, backlog by reason and stages",
		Long:  "Show how many pages each crawl has in each state and what the open ones wait for; with REDIS_URL also the stages.",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.withBoth(ctx, func(c *sqlite.Catalog, rdb redis.UniversalClient) error {
				s, err := status.Collect(ctx, c, status.NewQueues(rdb))
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
				}
				printStatus(cmd.OutOrStdout(), s)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(w io.Writer, s status.Status) {
	if len(s.Crawls) == 0 {
		fmt.Fprintln(w, "there is no crawl yet")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "crawl\tadmitted\twaiting\tqueued\tstored\tfailed\tended\tsize\t")
	for _, c := range s.Crawls {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", c.Name, humanize.Comma(c.Admitted), humanize.Comma(c.Waiting), humanize.Comma(c.Queued),
			humanize.Comma(c.Stored), humanize.Comma(c.Failed), humanize.Comma(c.Ended), bytesOf(c.Bytes))
	}
	t.Flush()
	var waits []string
	for _, r := range status.Reasons() {
		if n := s.Backlog[r]; n > 0 {
			waits = append(waits, fmt.Sprintf("%s %s", humanize.Comma(n), r))
		}
	}
	if len(waits) > 0 {
		fmt.Fprintf(w, "\nbacklog: %s\n", strings.Join(waits, ", "))
	}
	if s.IndexLag > 0 {
		fmt.Fprintf(w, "not searchable yet: %s\n", humanize.Comma(s.IndexLag))
	}
	if len(s.Stages) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tpending\tactive\tscheduled\tretry\tdone/s\terrors/s\tp50 ms\tp95 ms\tworkers\t")
	for _, st := range s.Stages {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", st.Stage, st.Pending, st.Active, st.Sched, st.Retry, st.DonePerS, st.ErrPerS, st.P50, st.P95, st.Workers)
	}
	t.Flush()
}

func tailCommand(a *app) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow the event feed",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if a.cfg.RedisURL == "" {
				return errNoRedis
			}
			rdb, done, err := a.briefRedis(ctx)
			if err != nil {
				return err
			}
			defer done()
			since := "$"
			if all {
				since = "0"
			}
			err = events.Follow(ctx, rdb, since, func(e events.Event) error { return printEvent(cmd.OutOrStdout(), e, asJSON) })
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line")
	cmd.Flags().BoolVar(&all, "all", false, "begin with the oldest event that is kept")
	return cmd
}

func printEvent(w io.Writer, e events.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(e.Map())
	}
	why := ""
	switch {
	case e.Fault != "":
		why = string(e.Fault) + " "
	case e.Reason != "":
		why = e.Reason + " "
	}
	_, err := fmt.Fprintf(w, "%s  %-9s %-8s %7.1f ms  %s%s\n", e.At.Format("15:04:05.000"), e.Stage, e.What, float64(e.Took.Microseconds())/1000, status.Printable(why), status.Printable(e.URL))
	return err
}
