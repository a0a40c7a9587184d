package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/submit"
)

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
