package events

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/tasks"
)

// The bounds of the feed.
const (
	feedLength = 100_000 // entries that Redis keeps
	feedBatch  = 100     // entries of one round trip
	feedDelay  = 50 * time.Millisecond
	feedBuffer = 20_000 // events that wait for Redis; beyond that they are dropped, and counted
)

// Feed writes events to the stream, in batches and without ever holding up who records them.
type Feed struct {
	rdb  redis.UniversalClient
	log  *slog.Logger
	in   chan Event
	done sync.WaitGroup
	stop context.CancelFunc
}

// NewFeed returns a feed to rdb. Close it to write what is left.
func NewFeed(rdb redis.UniversalClient, log *slog.Logger) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &Feed{rdb: rdb, log: log, in: make(chan Event, feedBuffer), stop: cancel}
	f.done.Go(func() { f.loop(ctx) })
	return f
}

// Record implements pipeline.Recorder.
func (f *Feed) Record(e Event) {
	if e.ID == "" {
		e.ID = tasks.NewID()
	}
	select {
	case f.in <- e:
	default: // Redis is away; the catalog has the truth, the feed is a view of it
	}
}

// Close writes what was recorded so far and stops.
func (f *Feed) Close() {
	f.stop()
	f.done.Wait()
}

func (f *Feed) loop(ctx context.Context) {
	tick := time.NewTicker(feedDelay)
	defer tick.Stop()
	batch := make([]Event, 0, feedBatch)
	for {
		select {
		case e := <-f.in:
			if batch = append(batch, e); len(batch) < feedBatch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			f.drain(batch)
			return
		}
		batch = f.flush(ctx, batch)
	}
}

func (f *Feed) drain(batch []Event) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for {
		select {
		case e := <-f.in:
			batch = append(batch, e)
		default:
			if left := f.flush(ctx, batch); len(left) > 0 {
				f.log.Warn("events dropped", "events", len(left), "err", ctx.Err())
			}
			return
		}
	}
}

func (f *Feed) flush(ctx context.Context, batch []Event) []Event {
	if len(batch) == 0 {
		return batch
	}
	pipe := f.rdb.Pipeline()
	for _, e := range batch {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: FeedStream, MaxLen: feedLength, Approx: true, Values: e.fields()})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		if ctx.Err() != nil {
			return batch // the feed is being closed: drain writes it
		}
		f.log.WarnContext(ctx, "events dropped", "events", len(batch), "err", err)
	}
	return batch[:0]
}

// Nowhere drops every event.
type Nowhere struct{}

// Record implements pipeline.Recorder.
func (Nowhere) Record(Event) {}

// Last returns the newest n events that keep wants, the newest first, of the newest among.
func Last(ctx context.Context, rdb redis.UniversalClient, n, among int, keep func(Event) bool) (out []Event, err error) {
	end := "+"
	for part := 8 * n; among > 0; among -= part {
		entries, err := rdb.XRevRangeN(ctx, FeedStream, end, "-", int64(min(part, among))).Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", FeedStream, err)
		}
		for _, x := range entries {
			if e := parse(x.Values); keep(e) {
				if out = append(out, e); len(out) == n {
					return out, nil
				}
			}
			end = "(" + x.ID
		}
		if len(entries) < part {
			break
		}
	}
	return out, nil
}

// Follow calls fn for each event that comes, until ctx is done or fn returns an error. Since is the entry after which to begin:
// "$" for what comes from now on, "0" for all that there is.
func Follow(ctx context.Context, rdb redis.UniversalClient, since string, fn func(Event) error) error {
	if since == "$" { // Redis would take it anew at each read, and what comes between two of them would be missed
		last, err := newest(ctx, rdb)
		if err != nil {
			return err
		}
		since = last
	}
	for {
		got, err := rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{FeedStream, since}, Count: 500, Block: time.Second}).Result()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it bare
			return fmt.Errorf("follow %s: %w", FeedStream, err)
		}
		for _, s := range got {
			for _, m := range s.Messages {
				if err := fn(parse(m.Values)); err != nil {
					return err
				}
				since = m.ID
			}
		}
	}
}

// newest is the last entry's ID; that of none is "0".
func newest(ctx context.Context, rdb redis.UniversalClient) (string, error) {
	m, err := rdb.XRevRangeN(ctx, FeedStream, "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("follow %s: %w", FeedStream, err)
	}
	if len(m) == 0 {
		return "0", nil
	}
	return m[0].ID, nil
}
