package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/lab"
	"example.org/trawl/submit"
)

func labCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "lab", Short: "The simulated web: hosts, pages and DNS on this machine, the same for the same seed", Args: submit.Args(cobra.NoArgs), RunE: showHelp}
	cmd.AddCommand(labServeCommand(a), labScenariosCommand(), labRunCommand(a))
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func labServeCommand(a *app) *cobra.Command {
	var c lab.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the simulated web until interrupted",
		Long: `Serve a simulated web on addresses of this machine alone, 127.0.1.1 and up, with a DNS server of its own. Every host, and a
control address that stays when hosts are down, answers /_truth (which pages there are, which may be fetched and with which
digest), /_log (the requests), /_gaps?by=host|domain|ip (the least time between two of them), /_questions (asked of the DNS
server), /_dead?n=100 (URLs of hosts that do not exist) and /_trouble: GET tells how the web misbehaves, POST makes it, as in
  {"dns":"refuse","down":["h1.lab.test"],"push":{"h2.lab.test":{"status":429,"retry_after":"60"}},"slow":{"*":"300ms"}}
  {"line":100000,"drip":{"h1.lab.test":200},"huge":{"h2.lab.test":20000000},"poison":{"h3.lab.test":"nested"}}
and {} makes it well again. Line is the bytes a second of all hosts together, drip those of one answer.`,
		Example: "  trawl lab serve --seed 7 --hosts 3 --pages 2000\n  curl -d '{\"dns\":\"silent\"}' http://127.0.0.1:8799/_trouble",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Hosts < 1 || c.Pages < c.Hosts {
				return &submit.UsageError{Err: fmt.Errorf("--hosts %d --pages %d: want at least one host, and a page for each", c.Hosts, c.Pages)}
			}
			if !(c.Giant >= 0 && c.Giant <= 1) {
				return &submit.UsageError{Err: fmt.Errorf("--giant %v: want a part of all pages, from 0 to 1", c.Giant)}
			}
			c.Log = a.log
			web, err := lab.Start(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer web.Close()
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "serving %d pages on %d hosts, seed %d\n\n", c.Pages, c.Hosts, c.Seed)
			fmt.Fprintf(out, "export TRAWL_DNS=%s TRAWL_ALLOW_NETS=127.0.0.0/8\n", web.DNS())
			fmt.Fprintf(out, "trawl crawl --delay 0 %s\n\n", strings.Join(web.Seeds(), " "))
			fmt.Fprintf(out, "what is right: %s/_truth\nmake trouble:  curl -d '{\"down\":[\"*\"]}' %s/_trouble\n", web.Control(), web.Control())
			<-cmd.Context().Done()
			return web.Close()
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&c.Seed, "seed", 1, "the same seed gives the same web")
	f.IntVar(&c.Hosts, "hosts", 10, "number of hosts")
	f.IntVar(&c.Pages, "pages", 2000, "number of pages, on all hosts")
	f.Float64Var(&c.Giant, "giant", 0, "part of all pages that the first host has, as in 0.95; 0 for no giant")
	f.IntVar(&c.Port, "port", 8800, "HTTP port of every host; 0 for any free one")
	f.IntVar(&c.DNSPort, "dns-port", 5300, "port of the DNS server; 0 for any free one")
	f.IntVar(&c.ControlPort, "control-port", 8799, "port of the control address, on 127.0.0.1; 0 for any free one")
	f.IntVar(&c.Domains, "domains", 0, "registrable domains that the hosts are spread over; 0 for one, lab.test")
	f.IntVar(&c.Addresses, "addresses", 0, "addresses that the hosts share; 0 for one each, up to 250")
	f.DurationSliceVar(&c.Rates, "change", nil, "how often pages change, on average; several take turns, as in 1m,1h,0s")
	f.BoolVar(&c.Traps, "traps", false, "endless calendars, facets, session ids and paths")
	f.BoolVar(&c.Validators, "validators", false, "an ETag or a date on every page")
	f.BoolVar(&c.Feeds, "feeds", false, "feeds, and dates in the sitemaps")
	f.BoolVar(&c.Plain, "plain", false, "plain pages only: no redirects, errors, odd charsets or codings")
	f.BoolVar(&c.Errors, "errors", false, "some pages answer 500")
	f.BoolVar(&c.NoLog, "no-log", false, "keep no log of the requests")
	f.DurationVar(&c.CrawlDelay, "crawl-delay", time.Duration(0), "Crawl-delay in every robots.txt")
	return cmd
}
