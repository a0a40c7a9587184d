package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

// Order is what enqueue and POST /api/urls submit: the URLs' settings by the names of the flags, and when.
type Order struct {
	*Flags
	Sitemaps []string
	at       string
	in       time.Duration
	every    string
}

// NewOrder adds the flags of an order to set.
func NewOrder(set *pflag.FlagSet) *Order {
	o := &Order{Flags: NewFlags(set, 0)}
	set.StringArrayVar(&o.Sitemaps, "sitemap", nil, "submit the pages that this sitemap or feed lists; may be given more than once")
	set.StringVar(&o.at, "at", "", "submit at this time (RFC 3339, as in 2027-01-31T08:00:00Z)")
	set.DurationVar(&o.in, "in", 0, "submit after this time")
	set.StringVar(&o.every, "every", "", "submit again and again: every 24h, or as cron has it, in UTC ('0 6 * * 1'); stored pages are visited again")
	return o
}

// Report is what became of an order.
type Report struct {
	Crawl     string     `json:"crawl"`
	Submitter string     `json:"submitter"`
	Submitted int        `json:"submitted"`
	At        *time.Time `json:"at,omitempty"`
	Every     string     `json:"every,omitempty"`
	Refused   []Refused  `json:"refused"`
	Workers   int        `json:"workers"` // processes that are there to do it
}

// urlsAtOnce bounds the URLs of one admit task.
const urlsAtOnce = 500

// Check tells what is wrong with the settings, by the names of their flags.
func (o *Order) Check(now time.Time) error {
	if _, err := o.when(now); err != nil {
		return err
	}
	if o.every != "" {
		if _, err := tasks.ParseEvery(o.every); err != nil {
			return fmt.Errorf("--%w", err)
		}
	}
	_, err := o.Admit(nil)
	return err
}

// Submit puts URLs and sitemaps into the queue, but for those that are refused. An order that Check finds wrong is not for it.
func (o *Order) Submit(ctx context.Context, rdb redis.UniversalClient, raw []string, now time.Time) (Report, error) {
	r := Report{Crawl: o.Crawl, Submitter: o.Submitter, Every: o.every, Refused: []Refused{}}
	when, err := o.when(now)
	if err != nil {
		return r, err
	}
	if !when.IsZero() {
		r.At = &when
	}
	urls, refused := Sort(raw)
	maps, bad := Sort(o.Sitemaps)
	urls, over, err := within(ctx, rdb, o.Submitter, urls)
	if err != nil {
		return r, err
	}
	r.Refused = slices.Concat(r.Refused, refused, bad, over)
	err = o.enqueue(ctx, rdb, urls, false, when, &r.Submitted)
	if err == nil {
		err = o.enqueue(ctx, rdb, maps, true, when, &r.Submitted)
	}
	if err != nil {
		return r, fmt.Errorf("%d of %d URLs submitted: %w", r.Submitted, len(urls)+len(maps), err)
	}
	r.Workers = workers(rdb)
	return r, nil
}

func (o *Order) when(now time.Time) (time.Time, error) {
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

// enqueue submits urls in batches and counts those that went.
func (o *Order) enqueue(ctx context.Context, rdb redis.UniversalClient, urls []string, sitemaps bool, when time.Time, n *int) error {
	client := queue.NewClient(rdb)
	for part := range slices.Chunk(urls, urlsAtOnce) {
		t, err := o.Admit(part)
		if err != nil {
			return err
		}
		t.Every, t.Sitemap = o.every, sitemaps
		if err := client.Enqueue(ctx, tasks.Next{Task: t, At: when}); err != nil {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			return err
		}
		*n += len(part)
	}
	return nil
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
