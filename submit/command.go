package submit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/queue"
)

// Quiet keeps the Redis client from writing to standard error what comes back as an error too.
func Quiet() { queue.QuietRedis(slog.New(slog.DiscardHandler)) }

// Command is enqueue: it needs Redis, whose address is in redisURL by the time it runs, and nothing else.
func Command(redisURL *string) *cobra.Command {
	var file string
	var wait, asJSON bool
	var o *Order
	cmd := &cobra.Command{
		Use:   "enqueue [URL…|-]",
		Short: "Submit URLs to the workers",
		Long: `Enqueue puts URLs into the queue of the crawl, from where the workers take them. It needs REDIS_URL and nothing else. Without
--depth only the URLs themselves are visited.`,
		Example: "  enqueue https://example.org/page\n  enqueue --crawl docs --depth -1 https://docs.example.org\n  enqueue --file urls.txt --wait",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && file == "" && len(o.Sitemaps) == 0 {
				return &UsageError{Err: errors.New("no URL given: name some, - for standard input, --file or --sitemap")}
			}
			if err := o.Check(time.Now()); err != nil {
				return &UsageError{Err: err}
			}
			if *redisURL == "" {
				return errNoRedisURL
			}
			raw, err := Read(args, cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			rdb, err := queue.OpenBriefly(ctx, *redisURL)
			if err != nil {
				return err
			}
			defer rdb.Close()
			r, err := o.Submit(ctx, rdb, raw, time.Now())
			Tell(cmd.ErrOrStderr(), r.Refused)
			if err != nil {
				return err
			}
			if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if wait && r.Submitted > 0 {
				if err := Wait(ctx, rdb, o.Crawl); err != nil {
					return err
				}
			}
			if len(r.Refused) > 0 {
				return ErrPart
			}
			return nil
		},
	}
	f := cmd.Flags()
	o = NewOrder(f)
	f.StringVar(&file, "file", "", "file with a URL a line")
	f.BoolVar(&wait, "wait", false, "wait until the crawl has nothing left to do")
	f.BoolVar(&asJSON, "json", false, "print what was submitted as JSON")
	return cmd
}

var errNoRedisURL = errors.New("REDIS_URL is not set: say where the workers' Redis is, as in REDIS_URL=redis://localhost:6379")

func (r Report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	msg := fmt.Sprintf("%d URLs submitted to crawl %s", r.Submitted, r.Crawl)
	if r.Submitted == 1 {
		msg = fmt.Sprintf("1 URL submitted to crawl %s", r.Crawl)
	}
	if r.At != nil {
		msg += ", due " + r.At.Format(time.RFC3339)
	}
	if r.Every != "" {
		msg += ", and again every " + r.Every + " (trawl schedules lists that)"
	}
	if r.Workers == 0 {
		msg += "; no worker is running: start one with trawl worker or trawl up"
	}
	_, err := fmt.Fprintln(w, msg)
	return err
}
