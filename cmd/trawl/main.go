// Trawl is a distributed web crawler that says why it is slow.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"example.org/trawl/config"
	"example.org/trawl/submit"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once
	}()
	return submit.Exit(ctx, rootCommand())
}

func rootCommand() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:   "trawl",
		Short: "A web crawler that says why it is slow",
		Long: `Trawl crawls chosen sites, keeps every page as WARC, makes them searchable, and says why it is slow.

To crawl a site in one process:         trawl crawl https://example.org
To run everything, with a dashboard:    trawl up
To see it work on a simulated web:      trawl up --demo`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.configure(cmd) },
	}
	f := root.PersistentFlags()
	f.String("data", "", "data directory (TRAWL_DATA, ./data)")
	f.StringSlice("allow-net", nil, "private network that may be crawled, as CIDR (TRAWL_ALLOW_NETS)")
	f.StringSlice("dns", nil, "resolver to ask, ip:port (TRAWL_DNS)")
	root.SetFlagErrorFunc(submit.FlagError)
	root.AddCommand(
		crawlCommand(a), upCommand(a), submit.Command(&a.cfg.RedisURL), workerCommand(a), schedulerCommand(a), webCommand(a), migrateCommand(a),
		statusCommand(a), whyCommand(a), capacityCommand(a), hostsCommand(a), failuresCommand(a), pauseCommand(a), resumeCommand(a), cancelCommand(a), retryCommand(a), quotaCommand(a), schedulesCommand(a), explainCommand(a), searchCommand(a), exportCommand(a), tailCommand(a), tryCommand(a), doctorCommand(a), labCommand(a),
	)
	return root
}

// configure reads the environment and the flags that every command has.
func (a *app) configure(cmd *cobra.Command) error {
	cfg, err := config.Load(config.Environ())
	if err != nil {
		return &submit.UsageError{Err: err}
	}
	f := cmd.Flags()
	if d, _ := f.GetString("data"); d != "" {
		cfg.Data = d
	}
	nets, _ := f.GetStringSlice("allow-net")
	dns, _ := f.GetStringSlice("dns")
	if err := errors.Join(appendParsed(&cfg.AllowNets, nets, "--allow-net"), replaceParsed(&cfg.DNS, dns, "--dns")); err != nil {
		return &submit.UsageError{Err: err}
	}
	a.cfg = cfg
	a.log = newLog(cfg.Log)
	return nil
}

func appendParsed[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](to *[]T, values []string, flag string) error {
	for _, v := range values {
		var t T
		if err := P(&t).UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		*to = append(*to, t)
	}
	return nil
}

func replaceParsed[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](to *[]T, values []string, flag string) error {
	if len(values) > 0 {
		*to = nil
	}
	return appendParsed[T, P](to, values, flag)
}
