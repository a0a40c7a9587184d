// Enqueue submits URLs to Trawl's workers. It needs Redis and nothing else.
package main

import (
	"context"
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
	var redisURL string
	cmd := submit.Command(&redisURL)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetFlagErrorFunc(submit.FlagError)
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		cfg, err := config.Load(config.Environ())
		if err != nil {
			return &submit.UsageError{Err: err}
		}
		redisURL = cfg.RedisURL
		submit.Quiet()
		return nil
	}
	return submit.Exit(ctx, cmd)
}
