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
	cmd.AddCommand(labServeCommand(a))
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func labServeCommand(a *app) *cobra.Command {
	var c lab.Config
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the simulated web until interrupted",
		Long: `Serve a simulated web on addresses of this machine alone, 127.0.1.1 and up, with a DNS server of its own. Every host answers
/_truth (which pages there are, which may be fetched and with which digest), /_log (the requests it got) and /_gaps (the least
time between two of them).`,
		Example: "  trawl lab serve --seed 7 --hosts 3 --pages 2000",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Hosts < 1 || c.Pages < c.Hosts {
				return &submit.UsageError{Err: fmt.Errorf("--hosts %d --pages %d: want at least one host, and a page for each", c.Hosts, c.Pages)}
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
			fmt.Fprintf(out, "what is right: %s\n", truthURL(web))
			<-cmd.Context().Done()
			return web.Close()
		},
	}
	f := cmd.Flags()
	f.Uint64Var(&c.Seed, "seed", 1, "the same seed gives the same web")
	f.IntVar(&c.Hosts, "hosts", 10, "number of hosts")
	f.IntVar(&c.Pages, "pages", 2000, "number of pages, on all hosts")
	f.IntVar(&c.Port, "port", 8800, "HTTP port of every host; 0 for any free one")
	f.IntVar(&c.DNSPort, "dns-port", 5300, "port of the DNS server; 0 for any free one")
	f.BoolVar(&c.Plain, "plain", false, "plain pages only: no redirects, errors, odd charsets or codings")
	f.BoolVar(&c.Errors, "errors", false, "some pages answer 500")
	f.BoolVar(&c.NoLog, "no-log", false, "keep no log of the requests")
	f.DurationVar(&c.CrawlDelay, "crawl-delay", time.Duration(0), "Crawl-delay in every robots.txt")
	return cmd
}

// truthURL is where the web says what is right, by address: its names are known to its own resolver alone.
func truthURL(web *lab.Web) string {
	seed := web.Seeds()[0]
	return "http://127.0.1.1" + seed[strings.LastIndexByte(seed, ':'):] + "_truth"
}
