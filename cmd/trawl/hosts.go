package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

func hostsCommand(a *app) *cobra.Command {
	var state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "hosts [HOST…]",
		Short: "Show hosts: their state, until when and why, and how much waits there",
		Long: `Show the hosts with the most waiting pages, or those named (example.org, https://example.org:8443). A host is ok; or in
backoff (it asked for fewer requests), dns (its name cannot be resolved), robots (its robots.txt cannot be had), dead (it does
not answer) or paused. While it is not ok its pages wait, and keep their tries. Own is what trawl hosts set has set for it.`,
		Example: "  trawl hosts\n  trawl hosts --state dead\n  trawl hosts example.org\n  trawl hosts set example.org --delay 5s",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return &submit.UsageError{Err: fmt.Errorf("--limit %d: want at least 1", limit)}
			}
			if s := catalog.HostState(state); s != "" && s != catalog.HostPaused && !slices.Contains(catalog.HostStates()[1:], s) {
				return &submit.UsageError{Err: fmt.Errorf("--state %q: want backoff, dns, robots, dead or paused", state)}
			}
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
				hosts, err := findHosts(cmd.Context(), c, args, catalog.HostState(state), limit)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(hosts)
				}
				printHosts(cmd.OutOrStdout(), hosts)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only hosts in this state: backoff, dns, robots, dead or paused")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many hosts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(hostsSetCommand(a), hostsResetCommand(a))
	return cmd
}

func hostsSetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set HOST --delay D",
		Short: "Set the delay of one host, whatever its crawls say",
		Long: `Set the least time between two starts at one host, and how many connections there are to it at once. Both go before what its
crawls say, be it more or less, for all crawls and until trawl hosts reset takes them back; a Crawl-delay in its robots.txt still
raises the delay. It is effective within two seconds, also for what was handed out before.`,
		Example: "  trawl hosts set example.org --delay 5s\n  trawl hosts set https://example.org:8443 --delay 0 --per-host 4",
		Args:    submit.Args(cobra.ExactArgs(1)),
	}
	// The flags are those of a crawl, and mean the same.
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	crawl := submit.NewFlags(all, 0)
	for _, name := range []string{"delay", "per-host"} {
		cmd.Flags().AddFlag(all.Lookup(name))
	}
	all.Lookup("delay").Usage, all.Lookup("delay").DefValue = "least time between two starts (500ms, 2s); 0 for none", ""
	all.Lookup("per-host").Usage = "connections at once (1 unless the delay is 0, then 16)"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("delay") {
			return &submit.UsageError{Err: errors.New("say how long the delay is to be: --delay 5s, or 0 for none (trawl hosts reset leaves it to the crawls again)")}
		}
		t, err := crawl.Admit(nil)
		if err != nil {
			return &submit.UsageError{Err: err}
		}
		s, err := tasks.Defaults().Merge(t.Settings)
		if err != nil {
			return &submit.UsageError{Err: err}
		}
		return setHosts(cmd, a, args[0], &catalog.HostLimits{Delay: s.Delay, PerHost: s.PerHost})
	}
	return cmd
}

func hostsResetCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "reset HOST",
		Short:   "Leave the delay of one host to its crawls again",
		Long:    "Take back what trawl hosts set has set for a host. It is effective within two seconds.",
		Example: "  trawl hosts reset example.org",
		Args:    submit.Args(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return setHosts(cmd, a, args[0], nil) },
	}
}

// setHosts sets the limits of every host that its name may mean.
func setHosts(cmd *cobra.Command, a *app, host string, own *catalog.HostLimits) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
		return eachHost(ctx, c, host, func(name string) error {
			if err := c.SetHost(ctx, name, own, time.Now()); err != nil {
				return known(err)
			}
			if own == nil {
				_, err := fmt.Fprintf(out, "%s: as its crawls say\n", name)
				return err
			}
			_, err := fmt.Fprintf(out, "%s: %s between two starts, %d at once\n", name, own.Delay, own.PerHost)
			return err
		})
	})
}

func findHosts(ctx context.Context, c *sqlite.Catalog, names []string, state catalog.HostState, limit int) ([]status.Host, error) {
	out := []status.Host{}
	now := time.Now()
	if len(names) == 0 {
		all, err := c.Hosts(ctx, state, limit)
		for _, h := range all {
			out = append(out, status.HostOf(h, now))
		}
		return out, err
	}
	for _, n := range names {
		found, err := status.NamedHosts(ctx, c, n)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil, noSuch("host", n)
		}
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			if s := status.HostOf(h, now); state == "" || s.State == state {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

func noSuch(what, name string) error {
	return fmt.Errorf("there is no %s %q: trawl status and trawl hosts list what there is", what, name)
}

func printHosts(w io.Writer, hosts []status.Host) {
	if len(hosts) == 0 {
		fmt.Fprintln(w, "no such host")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "host\tstate\twaiting\tqueued\tstored\tfailed\tpace\town\tleft\twhy")
	for _, h := range hosts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Host, h.State, humanize.Comma(h.Waiting), humanize.Comma(h.Queued), humanize.Comma(h.Stored),
			humanize.Comma(h.Failed), seconds(h.Pace), ownWords(h.Own), seconds(h.ETA), h.Why())
	}
	t.Flush()
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// ownWords says what an operator has set for a host.
func ownWords(o *status.Own) string {
	if o == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %d at once", time.Duration(o.Delay*float64(time.Second)), o.PerHost)
}
