package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// CountsKey is a hash in Redis in which the workers write, about once a second, how many pages each crawl has in each state: for
// those who can reach Redis and not the database.
const CountsKey = "trawl:counts"

// Counts is an entry of CountsKey.
type Counts struct {
	catalog.Counts
	Leads int64     `json:"leads"` // pages of all crawls whose links are not admitted yet
	At    time.Time `json:"at"`
}

// Publish writes the counts of all crawls.
func Publish(ctx context.Context, rdb redis.UniversalClient, all []catalog.Tally, leads int64, now time.Time) error {
	if len(all) == 0 {
		return nil
	}
	values := make([]any, 0, 2*len(all))
	for _, t := range all {
		b, err := json.Marshal(Counts{t.Counts, leads, now})
		if err != nil {
			return err
		}
		values = append(values, t.Crawl, b)
	}
	if err := rdb.HSet(ctx, CountsKey, values...).Err(); err != nil {
		return fmt.Errorf("publish counts: %w", err)
	}
	return nil
}

// waitPatience is how long Redis may be away before Wait gives up.
const waitPatience = time.Minute

// Wait returns when the crawl has had nothing to do for a moment: no page open, and nothing on its way to admission.
func Wait(ctx context.Context, rdb redis.UniversalClient, crawl string) error {
	began := time.Now()
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	answered := began
	// Twice in a row: between the moment at which a page is closed and the one at which its links are in the queue, the crawl
	// looks done.
	for quiet := 0; quiet < 2; {
		select {
		case <-ctx.Done():
			return ErrInterrupted
		case <-tick.C:
		}
		done, err := idle(ctx, rdb, inspector, crawl, began)
		if err == nil {
			answered = time.Now()
		} else if time.Since(answered) > waitPatience {
			return fmt.Errorf("the URLs are submitted, but Redis has not answered for %s: %w", waitPatience, err)
		}
		if quiet++; !done {
			quiet = 0
		}
	}
	return nil
}

func idle(ctx context.Context, rdb redis.UniversalClient, inspector *asynq.Inspector, crawl string, since time.Time) (bool, error) {
	name := tasks.SpecOf(tasks.KindAdmit).Queue
	known, err := inspector.Queues() // GetQueueInfo's error for a queue that is not there yet cannot be told from others
	if err != nil {
		return false, fmt.Errorf("wait: %w", err)
	}
	q := &asynq.QueueInfo{}
	if slices.Contains(known, name) {
		if q, err = inspector.GetQueueInfo(name); err != nil {
			return false, fmt.Errorf("wait: %w", err)
		}
	}
	if q.Pending+q.Active+q.Scheduled+q.Retry > 0 {
		return false, nil
	}
	raw, err := rdb.HGet(ctx, CountsKey, crawl).Bytes()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("wait: %w", err)
	}
	var c Counts
	if err := json.Unmarshal(raw, &c); err != nil {
		return false, fmt.Errorf("wait: %w", err)
	}
	// Counts from before this moment say nothing of what was submitted.
	return c.At.After(since.Add(time.Second)) && c.Open()+c.Leads == 0, nil
}
