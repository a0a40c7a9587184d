package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		}
	}
}

var full = events.Event{
	ID: "e1", At: time.UnixMilli(1_772_000_000_123), What: events.Done, Stage: tasks.KindFetch, Visit: "v", Crawl: "c", Submitter: "s", URL: "http://a.test/x", Host: "http://a.test:80",
	Took: 12345 * time.Microsecond, Bytes: 678, Fault: fault.Reset, Reason: "because", Status: 200, Digest: "sha256:00", WARC: tasks.WARC{File: "odd:name.warc.gz", Offset: 12, Length: 34},
}

// The names are a promise to programs in any language.
func TestFieldsOfTheFeed(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	f := events.NewFeed(rdb, discard)
	f.Record(full)
	f.Record(events.Event{At: full.At, What: events.Admitted})
	f.Close()
	got, err := rdb.XRange(t.Context(), "trawl:events", "-", "+").Result()
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	want := map[string]any{
		"id": "e1", "at": "1772000000123", "event": "done", "stage": "fetch", "visit": "v", "crawl": "c", "submitter": "s", "url": "http://a.test/x", "host": "http://a.test:80",
		"ms": "12.345", "bytes": "678", "fault": "connection_reset", "reason": "because", "status": "200", "digest": "sha256:00", "warc": "odd:name.warc.gz:12:34",
	}
	if diff := cmp.Diff(want, got[0].Values); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	id, _ := got[1].Values["id"].(string)
	delete(got[1].Values, "id")
	if diff := cmp.Diff(map[string]any{"at": "1772000000123", "event": "admitted"}, got[1].Values); diff != "" || id == "" {
		t.Errorf("what has no value is left out, and the ID %q is given (-want +got):\n%s", id, diff)
	}
	back, err := events.Last(t.Context(), rdb, 10, 1000, func(events.Event) bool { return true })
	if err != nil || len(back) != 2 {
		t.Fatal(back, err)
	}
	if diff := cmp.Diff(full, back[1], cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}

// Last looks as far back as it is told to for what is wanted.
func TestLast(t *testing.T) {
	rdb, _ := redistest.Client(t)
	f := events.NewFeed(rdb, slog.New(slog.DiscardHandler))
	numbered(f, 0, 100)
	f.Close()
	for _, x := range []struct {
		n, among, each int
		want           []string
	}{
		{2, 1000, 1, []string{"99", "98"}},
		{3, 1000, 40, []string{"80", "40", "0"}}, // beyond the first part that is read
		{3, 70, 40, []string{"80", "40"}},
		{3, 20, 40, []string{"80"}},
		{3, 19, 40, nil},
	} {
		got, err := events.Last(t.Context(), rdb, x.n, x.among, func(e events.Event) bool {
			i, err := strconv.Atoi(e.URL)
			return err == nil && i%x.each == 0
		})
		var urls []string
		for _, e := range got {
			urls = append(urls, e.URL)
		}
		if !slices.Equal(urls, x.want) || err != nil {
			t.Errorf("%+v: %v (%v)", x, urls, err)
		}
	}
}

// numbered records n events, whose URLs are their numbers from first on.
func numbered(f *events.Feed, first, n int) {
	for i := first; i < first+n; i++ {
		f.Record(events.Event{At: time.Now(), What: events.Done, URL: fmt.Sprint(i)})
	}
}

// follow collects the URLs of n events.
func follow(ctx context.Context, rdb redis.UniversalClient, since string, n int) (urls []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // an event that is missed would be waited for in vain
	defer cancel()
	enough := errors.New("enough")
	err = events.Follow(ctx, rdb, since, func(e events.Event) error {
		if urls = append(urls, e.URL); len(urls) == n {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return urls, err
}

func TestFollowSeesEveryEventInOrder(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	const n = 3000
	f := events.NewFeed(rdb, discard)
	var got []string
	var wg sync.WaitGroup
	wg.Go(func() {
		var err error
		if got, err = follow(t.Context(), rdb, "0", n); err != nil {
			t.Error(err)
		}
	})
	numbered(f, 0, n)
	f.Close()
	wg.Wait()
	for i, u := range got {
		if u != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, u)
		}
	}
}

// afterFirstRead is a hook that does something when the first XREAD has come back.
type afterFirstRead func()

func (afterFirstRead) DialHook(next redis.DialHook) redis.DialHook { return next }

func (afterFirstRead) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (do afterFirstRead) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	var once sync.Once
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "xread" {
			once.Do(do)
		}
		return err
	}
}

func TestFollowFromNowOnMissesNothingBetweenTwoReads(t *testing.T) {
	t.Parallel()
	for _, earlier := range []int{0, 3} {
		url := redistest.Start(t)
		o, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		rdb, writer := redis.NewClient(o), redis.NewClient(o)
		defer rdb.Close()
		defer writer.Close()
		add := func(u string) {
			if err := writer.XAdd(t.Context(), &redis.XAddArgs{Stream: events.FeedStream, Values: []any{"url", u}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for range earlier {
			add("earlier")
		}
		// An event comes when the first read has ended without any, and before the next one begins.
		rdb.AddHook(afterFirstRead(func() { add("between") }))
		got, err := follow(t.Context(), rdb, "$", 1)
		if err != nil || !slices.Equal(got, []string{"between"}) {
			t.Errorf("after %d earlier events: %q, %v", earlier, got, err)
		}
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := follow(ctx, rdb, "$", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Closing comes at any moment of a write that is under way, and everything recorded before it is written.
func TestCloseWritesWhatIsLeft(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	total := 0
	for n := range 25 {
		f := events.NewFeed(rdb, discard)
		numbered(f, 0, 37*n)
		f.Close()
		total += 37 * n
		if got := rdb.XLen(t.Context(), events.FeedStream).Val(); got != int64(total) {
			t.Fatalf("%d events were recorded, %d are in the feed", total, got)
		}
	}
}

func TestRecordNeverBlocks(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: "/nowhere/at/all", MaxRetries: -1})
	defer rdb.Close()
	f := events.NewFeed(rdb, discard)
	numbered(f, 0, 50_000) // more than the feed holds
	f.Close()
}

// gate is an admit that the test steers.
type gate struct {
	mu   sync.Mutex
	got  []tasks.Admit
	fail error
	seen func()
}

func (g *gate) admit(_ context.Context, t tasks.Admit) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen != nil {
		g.seen()
	}
	if g.fail != nil {
		return g.fail
	}
	t.Batch = ""
	g.got = append(g.got, t)
	return nil
}

func (g *gate) admitted() []tasks.Admit {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.got)
}

// intake runs one until the test ends.
func intake(t *testing.T, rdb redis.UniversalClient, g *gate, idle time.Duration) {
	t.Helper()
	in := events.NewIntake(rdb, g.admit, discard)
	if idle > 0 {
		in.MinIdle = idle
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { in.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func submit(t *testing.T, rdb redis.UniversalClient, fields ...any) string {
	t.Helper()
	id, err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: "trawl:submit", Values: fields}).Result()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestIntake(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	submit(t, rdb, "url", "HTTP://A.test/x#y")
	submit(t, rdb, "url", "http://b.test/", "crawl", "docs", "submitter", "me", "depth", "-1", "priority", "high")
	submit(t, rdb, "url", "http://c.test/", "crawl", "docs", "submitter", "me", "depth", "-1", "priority", "high", "colour", "red")
	bad := map[string][]any{
		submit(t, rdb, "address", "http://d.test/"):                        {"address", "http://d.test/"},
		submit(t, rdb, "url", "mailto:x@d.test"):                           {"url", "mailto:x@d.test"},
		submit(t, rdb, "url", "http://d.test/", "depth", "deep"):           {"url", "http://d.test/", "depth", "deep"},
		submit(t, rdb, "url", "http://d.test/", "depth", "-2"):             {"url", "http://d.test/", "depth", "-2"},
		submit(t, rdb, "url", "http://d.test/", "priority", "urgent"):      {"url", "http://d.test/", "priority", "urgent"},
		submit(t, rdb, "url", "http://d.test/ü", "priority", "9", "x", ""): {"url", "http://d.test/ü", "priority", "9", "x", ""},
	}
	g := &gate{}
	g.seen = func() { // what is acknowledged is gone; nothing may be before admit has returned
		for _, e := range rdb.XRange(context.Background(), "trawl:submit", "-", "+").Val() {
			if e.Values["url"] == "http://b.test/" {
				return
			}
		}
		if len(g.got) == 0 {
			t.Error("an entry was acknowledged before it was admitted")
		}
	}
	intake(t, rdb, g, 0)
	eventually(t, "all entries are gone from the stream", func() bool { return rdb.XLen(t.Context(), "trawl:submit").Val() == 0 })
	got := g.admitted()
	slices.SortFunc(got, func(a, b tasks.Admit) int { return len(a.URLs) - len(b.URLs) })
	want := []tasks.Admit{
		{Crawl: "default", Submitter: "stream", Origin: tasks.OriginSeed, URLs: []string{"http://a.test/x"}},
		{Crawl: "docs", Submitter: "me", Origin: tasks.OriginSeed, Reach: tasks.NoLimit, Priority: 1, URLs: []string{"http://b.test/", "http://c.test/"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("admitted (-want +got):\n%s", diff)
	}
	if p := rdb.XPending(t.Context(), "trawl:submit", "trawl").Val(); p == nil || p.Count != 0 {
		t.Errorf("not acknowledged: %+v", p)
	}
	rejected, err := rdb.XRange(t.Context(), "trawl:submit:rejected", "-", "+").Result()
	if err != nil || len(rejected) != len(bad) {
		t.Fatalf("%d entries were rejected, want %d (%v)", len(rejected), len(bad), err)
	}
	for _, m := range rejected {
		sent := bad[m.Values["id"].(string)]
		for i := 0; i < len(sent); i += 2 {
			if m.Values[sent[i].(string)] != sent[i+1] {
				t.Errorf("%v was kept as %v", sent, m.Values)
			}
		}
		if m.Values["error"] == "" || m.Values["error"] == nil {
			t.Errorf("%v: no reason", m.Values)
		}
	}
}

// What admit did not take stays, and is tried again: nothing that was submitted is lost while the database is away.
func TestIntakeKeepsWhatCannotBeAdmitted(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	submit(t, rdb, "url", "http://a.test/")
	tried := make(chan struct{}, 100)
	g := &gate{fail: errors.New("database is away"), seen: func() { tried <- struct{}{} }}
	intake(t, rdb, g, time.Millisecond)
	<-tried
	<-tried
	if n := rdb.XLen(t.Context(), "trawl:submit").Val(); n != 1 {
		t.Fatalf("%d entries are left", n)
	}
	g.mu.Lock()
	g.fail = nil
	g.mu.Unlock()
	eventually(t, "the entry is admitted", func() bool { return len(g.admitted()) == 1 && rdb.XLen(t.Context(), "trawl:submit").Val() == 0 })
}

func TestIntakeTakesOverFromTheDead(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	submit(t, rdb, "url", "http://a.test/")
	if err := rdb.XGroupCreate(t.Context(), "trawl:submit", "trawl", "0").Err(); err != nil {
		t.Fatal(err)
	}
	got, err := rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "trawl", Consumer: "dead", Streams: []string{"trawl:submit", ">"}}).Result()
	if err != nil || len(got[0].Messages) != 1 {
		t.Fatal(got, err)
	}
	g := &gate{}
	intake(t, rdb, g, time.Millisecond)
	eventually(t, "the entry of the dead consumer is admitted", func() bool { return len(g.admitted()) == 1 && rdb.XLen(t.Context(), "trawl:submit").Val() == 0 })
}
