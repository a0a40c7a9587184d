package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/control"
	"example.org/trawl/fault"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

func cancelCommand(a *app) *cobra.Command {
	return manyCommand(a, &cobra.Command{
		Use:   "cancel",
		Short: "End the open pages of a crawl, a host or a submitter",
		Long: `Cancel ends pages that wait or are being visited, with the reason cancelled; several flags choose what belongs to all of them.
What is stored stays. Submissions that are not admitted yet come in later: pause first to keep them waiting.`,
		Example: "  trawl cancel --crawl docs\n  trawl cancel --host example.org --submitter bob",
	}, control.Cancel)
}

func retryCommand(a *app) *cobra.Command {
	return manyCommand(a, &cobra.Command{
		Use:     "retry",
		Short:   "Visit failed pages again",
		Long:    "Retry makes failed pages wait for a visit again, with all their tries; several flags choose what belongs to all of them.",
		Example: "  trawl retry --fault dns_down\n  trawl retry --crawl docs --host example.org",
	}, control.Retry)
}

// manyCommand completes a command that changes all chosen pages.
func manyCommand(a *app, cmd *cobra.Command, v control.Verb) *cobra.Command {
	var o choice
	o.flags(cmd, v == control.Retry)
	cmd.Args = submit.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
			done, err := o.do(cmd.Context(), c, v)
			for _, e := range done {
				if o.json {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(e)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s pages %s\n", humanize.Comma(e.Pages), v.Done())
			}
			return err
		})
	}
	return cmd
}

func failuresCommand(a *app) *cobra.Command {
	var o choice
	var pages bool
	var limit int
	cmd := &cobra.Command{
		Use:     "failures",
		Short:   "Show the pages that failed, by kind",
		Long:    "Show what pages failed of: how many, of how many hosts, after how many tries, since when, and an example. trawl retry replays them.",
		Example: "  trawl failures\n  trawl failures --host example.org\n  trawl failures --fault tls --pages\n  trawl retry --fault connect_refused",
		Args:    submit.Args(cobra.NoArgs),
	}
	o.flags(cmd, true)
	cmd.Flags().BoolVar(&pages, "pages", false, "list the pages themselves, the last that were admitted first")
	cmd.Flags().IntVar(&limit, "limit", 100, "most pages to list")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 {
			return &submit.UsageError{Err: fmt.Errorf("--limit %d: want at least 1", limit)}
		}
		return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
			if pages {
				return printFailedPages(cmd, c, o, limit)
			}
			meant, err := o.meant(cmd.Context(), c)
			if err != nil {
				return err
			}
			all := []catalog.Failures{}
			for _, ch := range meant {
				some, err := c.Failures(cmd.Context(), ch)
				if err != nil {
					return known(err)
				}
				all = append(all, some...)
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

func printFailedPages(cmd *cobra.Command, c *sqlite.Catalog, o choice, limit int) error {
	all, err := control.FailedPages(cmd.Context(), c, o.Choice, 0, limit)
	switch {
	case err != nil:
		return asked(err)
	case o.json:
		return json.NewEncoder(cmd.OutOrStdout()).Encode(append([]catalog.FailedPage{}, all...))
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "page\tcrawl\tfault\tstage\ttries\tlast\terror")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", status.Printable(f.URL), f.Crawl, f.Fault, f.Stage, f.Attempts, f.Last.Local().Format(time.DateTime), status.Printable(f.Err))
	}
	return t.Flush()
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
		fmt.Fprintf(w, "%s, for example %s: %s\n", f.Fault, status.Printable(f.Example), status.Printable(f.Err))
	}
}
