package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/weburl"
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
not answer) or paused. While it is not ok its pages wait, and keep their tries.`,
		Example: "  trawl hosts\n  trawl hosts --state dead\n  trawl hosts example.org",
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
	return cmd
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
		found := false
		for _, name := range hostNames(n) {
			h, err := c.Host(ctx, name)
			if errors.Is(err, catalog.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = true
			if s := status.HostOf(h, now); state == "" || s.State == state {
				out = append(out, s)
			}
		}
		if !found {
			return nil, noSuch("host", n)
		}
	}
	return out, nil
}

// hostNames are the hosts that a user may mean: with a scheme there is one, without there are two.
func hostNames(s string) (out []string) {
	raw := []string{s}
	if !strings.Contains(s, "://") {
		raw = []string{"https://" + s, "http://" + s}
	}
	for _, r := range raw {
		if u, err := weburl.Canonical(r); err == nil {
			out = append(out, weburl.Host(u))
		}
	}
	return out
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
	fmt.Fprintln(t, "host\tstate\twaiting\tqueued\tstored\tfailed\tpace\tleft\twhy")
	for _, h := range hosts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Host, h.State, humanize.Comma(h.Waiting), humanize.Comma(h.Queued), humanize.Comma(h.Stored),
			humanize.Comma(h.Failed), seconds(h.Pace), seconds(h.ETA), whyHost(h))
	}
	t.Flush()
}

func seconds(s float64) string {
	if s == 0 {
		return "-"
	}
	return time.Duration(s * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// whyHost says in a few words why a host is not ok.
func whyHost(h status.Host) string {
	switch {
	case h.Fault == "" || h.Until == nil:
		return ""
	case h.GivenUp:
		return fmt.Sprintf("%s since %s: its pages fail", h.Fault, h.Since.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("%s, %d in a row, tried again at %s: %s", h.Fault, h.Fails, h.Until.Local().Format(time.TimeOnly), printable(h.Err))
}
