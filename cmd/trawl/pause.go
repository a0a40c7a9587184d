package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/control"
	"example.org/trawl/submit"
)

func pauseCommand(a *app) *cobra.Command {
	return switchCommand(a, &cobra.Command{
		Use:   "pause --crawl NAME | --host HOST | --submitter NAME",
		Short: "Stop visiting a crawl, a host or what a submitter asked for",
		Long: `Pause keeps pages from being visited until resume takes it back, also over restarts. It is effective within a second for visits
that have not started; nothing is lost. Without a flag it lists what is paused.`,
	}, control.Pause)
}

func resumeCommand(a *app) *cobra.Command {
	return switchCommand(a, &cobra.Command{
		Use:   "resume --crawl NAME | --host HOST | --submitter NAME",
		Short: "Take a pause back",
	}, control.Resume)
}

// switchCommand completes a command that pauses or resumes exactly one thing.
func switchCommand(a *app, cmd *cobra.Command, v control.Verb) *cobra.Command {
	var o choice
	o.flags(cmd, false)
	cmd.Args = submit.Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, out := cmd.Context(), cmd.OutOrStdout()
		return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
			if v == control.Pause && o.Choice == (catalog.Choice{}) {
				return listPauses(ctx, out, c, o.json)
			}
			done, err := o.do(ctx, c, v)
			for _, e := range done {
				if o.json {
					err = json.NewEncoder(out).Encode(e)
				} else {
					_, err = fmt.Fprintf(out, "%s %s %s\n", v.Done(), e.What, e.Name)
				}
			}
			return err
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
