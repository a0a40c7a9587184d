package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

// choice is the flags by which pages are chosen.
type choice struct {
	catalog.Choice
	json bool
}

func (o *choice) flags(cmd *cobra.Command, faults bool) {
	f := cmd.Flags()
	f.StringVar(&o.Crawl, "crawl", "", "of this crawl")
	f.StringVar(&o.Host, "host", "", "of this host (example.org, https://example.org:8443)")
	f.StringVar(&o.Submitter, "submitter", "", "of this submitter")
	if faults {
		f.StringVar(&o.Fault, "fault", "", "that failed of this kind, as trawl failures names it")
	}
	f.BoolVar(&o.json, "json", false, "print JSON")
}

// each calls fn for the choice, once for every host that its name may mean.
func (o *choice) each(ctx context.Context, c *sqlite.Catalog, fn func(catalog.Choice) error) error {
	if o.Fault != "" && string(fault.Of(fault.Kind(o.Fault)).Kind) != o.Fault {
		return &submit.UsageError{Err: fmt.Errorf("--fault %q: trawl failures lists the kinds", o.Fault)}
	}
	if o.Host == "" {
		return known(fn(o.Choice))
	}
	return eachHost(ctx, c, o.Host, func(name string) error {
		ch := o.Choice
		ch.Host = name
		return known(fn(ch))
	})
}

// eachHost calls fn for every host that a user may mean, of those that there are.
func eachHost(ctx context.Context, c *sqlite.Catalog, host string, fn func(name string) error) error {
	found := false
	for _, name := range hostNames(host) {
		if _, err := c.Host(ctx, name); errors.Is(err, catalog.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		found = true
		if err := fn(name); err != nil {
			return err
		}
	}
	if !found {
		return noSuch("host", host)
	}
	return nil
}

// known makes an error about a name that is not there say what to do.
func known(err error) error {
	if errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("%w: trawl status, trawl hosts and trawl quota list what there is", err)
	}
	return err
}

func pauseCommand(a *app) *cobra.Command {
	return switchCommand(a, &cobra.Command{
		Use:   "pause --crawl NAME | --host HOST | --submitter NAME",
		Short: "Stop visiting a crawl, a host or what a submitter asked for",
		Long: `Pause keeps pages from being visited until resume takes it back, also over restarts. It is effective within a second for visits
that have not started; nothing is lost. Without a flag it lists what is paused.`,
	}, "paused", func(ctx context.Context, c *sqlite.Catalog, what, name string) error {
		return c.Pause(ctx, what, name, time.Now())
	})
}

func resumeCommand(a *app) *cobra.Command {
	return switchCommand(a, &cobra.Command{
		Use:   "resume --crawl NAME | --host HOST | --submitter NAME",
		Short: "Take a pause back",
	}, "resumed", func(ctx context.Context, c *sqlite.Catalog, what, name string) error {
		err := c.Resume(ctx, what, name, time.Now())
		if errors.Is(err, catalog.ErrNotFound) {
			return fmt.Errorf("%s %q is not paused: trawl pause lists what is", what, name)
		}
		return err
	})
}

// switchCommand completes a command that pauses or resumes exactly one thing.
func switchCommand(a *app, cmd *cobra.Command, done string, do func(ctx context.Context, c *sqlite.Catalog, what, name string) error) *cobra.Command {
	var o choice
	o.flags(cmd, false)
	cmd.Args = submit.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, out := cmd.Context(), cmd.OutOrStdout()
		if (o.Crawl != "" && o.Host != "") || (o.Crawl+o.Host != "" && o.Submitter != "") {
			return &submit.UsageError{Err: errors.New("--crawl, --host and --submitter exclude each other: run the command once for each")}
		}
		return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
			if o.Choice == (catalog.Choice{}) {
				if done == "resumed" {
					return &submit.UsageError{Err: errors.New("say what to resume: --crawl, --host or --submitter (trawl pause lists what is paused)")}
				}
				return listPauses(ctx, out, c, o.json)
			}
			return o.each(ctx, c, func(ch catalog.Choice) error {
				what, name := "crawl", ch.Crawl
				switch {
				case ch.Host != "":
					what, name = "host", ch.Host
				case ch.Submitter != "":
					what, name = "submitter", ch.Submitter
				}
				if err := do(ctx, c, what, name); err != nil {
					return err
				}
				if o.json {
					return json.NewEncoder(out).Encode(map[string]string{done: what, "name": name})
				}
				_, err := fmt.Fprintf(out, "%s %s %s\n", done, what, name)
				return err
			})
		})
	}
	return cmd
}

func listPauses(ctx context.Context, w io.Writer, c *sqlite.Catalog, asJSON bool) error {
	all, err := c.Pauses(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if all == nil {
			all = []catalog.Pause{}
		}
		return json.NewEncoder(w).Encode(all)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "nothing is paused")
	}
	for _, p := range all {
		fmt.Fprintf(w, "%s %s, since %s\n", p.What, p.Name, p.Since.Local().Format(time.DateTime))
	}
	return nil
}

func cancelCommand(a *app) *cobra.Command {
	return manyCommand(a, &cobra.Command{
		Use:   "cancel",
		Short: "End the open pages of a crawl, a host or a submitter",
		Long: `Cancel ends pages that wait or are being visited, with the reason cancelled; several flags choose what belongs to all of them.
What is stored stays. Submissions that are not admitted yet come in later: pause first to keep them waiting.`,
		Example: "  trawl cancel --crawl docs\n  trawl cancel --host example.org --submitter bob",
	}, "cancelled", false, func(ctx context.Context, c *sqlite.Catalog, ch catalog.Choice) (int64, error) {
		return c.Cancel(ctx, ch, string(tasks.Cancelled), time.Now())
	})
}

func retryCommand(a *app) *cobra.Command {
	return manyCommand(a, &cobra.Command{
		Use:     "retry",
		Short:   "Visit failed pages again",
		Long:    "Retry makes failed pages wait for a visit again, with all their tries; several flags choose what belongs to all of them.",
		Example: "  trawl retry --fault dns_down\n  trawl retry --crawl docs --host example.org",
	}, "retried", true, func(ctx context.Context, c *sqlite.Catalog, ch catalog.Choice) (int64, error) {
		return c.Retry(ctx, ch, time.Now())
	})
}

// manyCommand completes a command that changes all chosen pages.
func manyCommand(a *app, cmd *cobra.Command, done string, faults bool, do func(context.Context, *sqlite.Catalog, catalog.Choice) (int64, error)) *cobra.Command {
	var o choice
	o.flags(cmd, faults)
	cmd.Args = submit.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Choice == (catalog.Choice{}) {
			return &submit.UsageError{Err: fmt.Errorf("say which pages: --crawl, --host, --submitter%s", map[bool]string{true: " or --fault"}[faults])}
		}
		return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
			total := int64(0)
			err := o.each(cmd.Context(), c, func(ch catalog.Choice) error {
				n, err := do(cmd.Context(), c, ch)
				total += n
				return err
			})
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]int64{done: total})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s pages %s\n", humanize.Comma(total), done)
			return nil
		})
	}
	return cmd
}

func failuresCommand(a *app) *cobra.Command {
	var o choice
	cmd := &cobra.Command{
		Use:     "failures",
		Short:   "Show the pages that failed, by kind",
		Long:    "Show what pages failed of: how many, of how many hosts, after how many tries, since when, and an example. trawl retry replays them.",
		Example: "  trawl failures\n  trawl failures --host example.org\n  trawl retry --fault connect_refused",
		Args:    submit.Args(cobra.NoArgs),
	}
	o.flags(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
			all := []catalog.Failures{}
			err := o.each(cmd.Context(), c, func(ch catalog.Choice) error {
				some, err := c.Failures(cmd.Context(), ch)
				all = append(all, some...)
				return err
			})
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			printFailures(cmd.OutOrStdout(), all)
			return nil
		})
	}
	return cmd
}

func printFailures(w io.Writer, all []catalog.Failures) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no page has failed")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "fault\tpages\thosts\ttries\tlast\tmeans")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Fault, humanize.Comma(f.Pages), humanize.Comma(f.Hosts), humanize.Comma(f.Attempts),
			f.Last.Local().Format(time.DateTime), fault.Of(fault.Kind(f.Fault)).Means)
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, f := range all {
		fmt.Fprintf(w, "%s, for example %s: %s\n", f.Fault, printable(f.Example), printable(f.Err))
	}
}

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
		fmt.Fprintf(t, "%s\t%g\t%s\t%s\t%s\n", printable(o.Submitter), float64(o.Weight)/100, humanize.Comma(o.Waiting), orAny(o.Most), orAny(o.PerMinute))
	}
	return t.Flush()
}

func orAny(n int64) string {
	if n == 0 {
		return "any"
	}
	return humanize.Comma(n)
}
