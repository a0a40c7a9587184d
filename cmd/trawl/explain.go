package main

import (
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/explain"
	"example.org/trawl/queue"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

func explainCommand(a *app) *cobra.Command {
	var crawl string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain URL...",
		Short: "Show one page's life: every decision, and when it is due",
		Args:  submit.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withBoth(ctx, func(c *sqlite.Catalog, rdb redis.UniversalClient) error {
				e := explain.Explainer{Catalog: c, Agent: agent}
				if rdb != nil {
					e.Where = queue.NewWork(rdb).Whereabouts
				}
				for i, url := range args {
					x, err := e.URL(ctx, crawl, url)
					if err != nil {
						return err
					}
					if asJSON {
						if err := json.NewEncoder(cmd.OutOrStdout()).Encode(x); err != nil {
							return err
						}
						continue
					}
					if i > 0 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					for _, s := range x.Steps {
						fmt.Fprintf(cmd.OutOrStdout(), "%-10s %s\n", s.What, status.Printable(s.Says))
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&crawl, "crawl", "default", "name of the crawl")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return cmd
}
