package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

// Quiet keeps the Redis client from writing to standard error what comes back as an error too.
func Quiet() { queue.QuietRedis(slog.New(slog.DiscardHandler)) }

// Command is enqueue: it needs Redis, whose address is in redisURL by the time it runs, and nothing else.
func Command(redisURL *string) *cobra.Command {
	var o enqueueOptions
	cmd := &cobra.Command{
		Use:   "enqueue [URL…|-]",
		Short: "Submit URLs to the workers",
		Long: `Enqueue puts URLs into the queue of the crawl, from where the workers take them. It needs REDIS_URL and nothing else. Without
--depth only the URLs themselves are visited.`,
		Example: "  enqueue https://example.org/page\n  enqueue --crawl docs --depth -1 https://docs.example.org\n  enqueue --file urls.txt --wait",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, *redisURL, args)
		},
	}
	f := cmd.Flags()
	o.flags = NewFlags(f, 0)
	f.StringVar(&o.file, "file", "", "file with a URL a line")
	f.StringArrayVar(&o.sitemaps, "sitemap", nil, "submit the pages that this sitemap or feed lists; may be given more than once")
	f.StringVar(&o.at, "at", "", "submit at this time (RFC 3339, as in 2027-01-31T08:00:00Z)")
	f.DurationVar(&o.in, "in", 0, "submit after this time")
	f.StringVar(&o.every, "every", "", "submit again and again: every 24h, or as cron has it, in UTC ('0 6 * * 1'); stored pages are visited again")
	f.BoolVar(&o.wait, "wait", false, "wait until the crawl has nothing left to do")
	f.BoolVar(&o.json, "json", false, "print what was submitted as JSON")
	return cmd
}

type enqueueOptions struct {
	flags    *Flags
	file     string
	at       string
	in       time.Duration
	every    string
	sitemaps []string
	wait     bool
	json     bool
}

// Report is what enqueue prints with --json.
type Report struct {
	Crawl     string     `json:"crawl"`
	Submitter string     `json:"submitter"`
	Submitted int        `json:"submitted"`
	At        *time.Time `json:"at,omitempty"`
	Every     string     `json:"every,omitempty"`
	Refused   []Refused  `json:"refused"`
	Workers   int        `json:"workers"`
}

// urlsAtOnce bounds the URLs of one admit task.
const urlsAtOnce = 500

var errNoRedisURL = errors.New("REDIS_URL is not set: say where the workers' Redis is, as in REDIS_URL=redis://localhost:6379")

func (o *enqueueOptions) run(cmd *cobra.Command, redisURL string, args []string) error {
	if len(args) == 0 && o.file == "" && len(o.sitemaps) == 0 {
		return &UsageError{Err: errors.New("no URL given: name some, - for standard input, --file or --sitemap")}
	}
	when, err := o.when(time.Now())
	if err != nil {
		return &UsageError{Err: err}
	}
	if o.every != "" {
		if _, err := tasks.ParseEvery(o.every); err != nil {
			return &UsageError{Err: fmt.Errorf("--%w", err)}
		}
	}
	if redisURL == "" {
		return errNoRedisURL
	}
	raw, err := Read(args, cmd.InOrStdin(), o.file)
	if err != nil {
		return err
	}
	urls, refused := Sort(raw)
	maps, bad := Sort(o.sitemaps)
	refused = append(refused, bad...)
	if _, err := o.flags.Admit(nil); err != nil {
		return &UsageError{Err: err}
	}
	ctx := cmd.Context()
	rdb, err := queue.OpenBriefly(ctx, redisURL)
	if err != nil {
		return err
	}
	defer rdb.Close()
	urls, over, err := within(ctx, rdb, o.flags.Submitter, urls)
	if err != nil {
		return err
	}
	refused = append(refused, over...)
	Tell(cmd.ErrOrStderr(), refused)
	n, err := o.enqueue(ctx, rdb, urls, false, when)
	if err == nil {
		var m int
		m, err = o.enqueue(ctx, rdb, maps, true, when)
		n += m
	}
	if err != nil {
		return fmt.Errorf("%d of %d URLs submitted: %w", n, len(urls)+len(maps), err)
	}
	r := Report{Crawl: o.flags.Crawl, Submitter: o.flags.Submitter, Submitted: n, Every: o.every, Refused: refused, Workers: workers(rdb)}
	if !when.IsZero() {
		r.At = &when
	}
	if err := r.print(cmd.OutOrStdout(), o.json); err != nil {
		return err
	}
	if o.wait && n > 0 {
		if err := Wait(ctx, rdb, o.flags.Crawl); err != nil {
			return err
		}
	}
	if len(refused) > 0 {
		return ErrPart
	}
	return nil
}

func (o *enqueueOptions) when(now time.Time) (time.Time, error) {
	switch {
	case o.at != "" && o.in != 0:
		return time.Time{}, errors.New("--at and --in exclude each other")
	case o.in < 0:
		return time.Time{}, fmt.Errorf("--in %s: want 0 or more", o.in)
	case o.in > 0:
		return now.Add(o.in), nil
	case o.at == "":
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, o.at)
	if err != nil {
		return t, fmt.Errorf("--at %q: want a time such as 2027-01-31T08:00:00Z", o.at)
	}
	return t, nil
}

// enqueue submits urls in batches and returns how many went.
func (o *enqueueOptions) enqueue(ctx context.Context, rdb redis.UniversalClient, urls []string, sitemaps bool, when time.Time) (n int, err error) {
	client := queue.NewClient(rdb)
	for part := range slices.Chunk(urls, urlsAtOnce) {
		t, err := o.flags.Admit(part)
		if err != nil {
			return n, err
		}
		t.Every, t.Sitemap = o.every, sitemaps
		if err := client.Enqueue(ctx, tasks.Next{Task: t, At: when}); err != nil {
			if ctx.Err() != nil {
				return n, ErrInterrupted
			}
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// workers is how many processes serve the queues; 0 also when that cannot be told.
func workers(rdb redis.UniversalClient) int {
	servers, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
	if err != nil {
		return 0
	}
	seen := map[string]bool{}
	for _, s := range servers {
		seen[fmt.Sprintf("%s %d", s.Host, s.PID)] = true
	}
	return len(seen)
}

func (r Report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		if r.Refused == nil {
			r.Refused = []Refused{}
		}
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
