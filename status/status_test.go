package status

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/catalog"
	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/queue"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

func sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// Catalog and queues are read at different moments, so they may say anything of each other: the sum holds all the same.
func TestReasonsOfTheBacklogAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) int64 { return rapid.Int64Range(0, 1000).Draw(t, name) }
		s := Status{Backlog: map[string]int64{}}
		for _, k := range tasks.Stages() {
			s.Stages = append(s.Stages, Stage{Stage: k, Sched: int(n("scheduled")), Retry: int(n("retry"))})
		}
		queued, waiting := n("queued"), n("waiting")
		s.backlog(catalog.Backlog{Robots: n("robots"), Backoff: n("backoff"), Polite: n("polite"), Room: n("room"), Later: n("later")}, queued, queued+waiting)
		if got := sum(s.Backlog); got != queued+waiting {
			t.Fatalf("%v is %d, want %d waiting and %d queued", s.Backlog, got, waiting, queued)
		}
		for r, v := range s.Backlog {
			if v < 0 || !slices.Contains(Reasons(), r) {
				t.Fatalf("%s: %d", r, v)
			}
		}
		if len(s.Backlog) != len(Reasons()) {
			t.Fatalf("%d reasons are told, want all %d", len(s.Backlog), len(Reasons()))
		}
	})
}

func TestContractNamesOfReasons(t *testing.T) {
	if want := []string{"ready", "polite", "backoff", "dns", "robots", "retry", "budget", "paused", "backpressure", "revisit"}; !slices.Equal(Reasons(), want) {
		t.Errorf("%q, want %q", Reasons(), want)
	}
}

// fixed is a catalog that says always the same.
type fixed struct {
	all []catalog.Tally
	b   catalog.Backlog
}

func (f fixed) Status(context.Context) ([]catalog.Tally, error) { return f.all, nil }

func (f fixed) Backlog(context.Context, time.Time) (catalog.Backlog, error) { return f.b, nil }

func (f fixed) LeadsLeft(context.Context) (int64, error) { return 0, nil }

func (f fixed) Outages(context.Context) ([]catalog.Outage, error) { return nil, nil }

func (f fixed) Pauses(context.Context) ([]catalog.Pause, error) { return nil, nil }

func (f fixed) Slowest(context.Context, time.Time) (map[string]time.Duration, error) {
	return nil, nil
}

func (f fixed) IndexLag(context.Context) (int64, error) { return 7, nil }

func TestCollect(t *testing.T) {
	rdb, _ := redistest.Client(t)
	ctx := t.Context()
	c := fixed{
		all: []catalog.Tally{{Crawl: "a", Counts: catalog.Counts{Waiting: 10, Queued: 5, Stored: 3}}, {Crawl: "b", Counts: catalog.Counts{Ended: 4}}},
		b:   catalog.Backlog{Robots: 4, Polite: 6},
	}
	leg := func(v string) tasks.Leg { return tasks.Leg{Visit: tasks.Visit{ID: v}} }
	err := queue.NewClient(rdb).Enqueue(ctx,
		tasks.Next{Task: tasks.Fetch{Leg: leg("1")}},
		tasks.Next{Task: tasks.Fetch{Leg: leg("2")}, At: time.Now().Add(time.Hour)},
		tasks.Next{Task: tasks.Head{Leg: leg("3")}, At: time.Now().Add(time.Hour)},
		tasks.Next{Task: tasks.Admit{Batch: "4"}, At: time.Now().Add(time.Hour)}, // no page yet
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range []string{"p", "q"} {
		fold := signals.NewFold(time.Now().Add(-signals.Every))
		for ms := range 100 {
			fold.Record(events.Event{At: time.Now(), What: events.Done, Stage: tasks.KindStore, Took: time.Duration(ms) * time.Millisecond, Tally: events.Tally{Run: 1}})
		}
		fold.Record(events.Event{At: time.Now(), What: events.Retrying, Stage: tasks.KindStore, Fault: fault.StoreDown, Tally: events.Tally{Run: 2}})
		b := fold.Beat(time.Now())
		b.Process.ID = process
		if err := signals.Write(ctx, rdb, b); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Collect(ctx, c, NewQueues(rdb))
	if err != nil {
		t.Fatal(err)
	}
	if s.Backlog["robots"] != 4 || s.Backlog["polite"] != 6+2 || s.Backlog["ready"] != 3 || sum(s.Backlog) != 15 {
		t.Errorf("backlog %v", s.Backlog)
	}
	if s.IndexLag != 7 || s.Crawls[0].Admitted != 18 || s.Crawls[0].ETA <= 0 || s.Crawls[1].ETA != 0 {
		t.Errorf("%+v", s)
	}
	by := map[tasks.Kind]Stage{}
	for _, st := range s.Stages {
		by[st.Stage] = st
	}
	if f := by[tasks.KindFetch]; f.Pending != 1 || f.Sched != 1 || f.Workers != 0 {
		t.Errorf("fetch: %+v", f)
	}
	if st := by[tasks.KindStore]; st.P50 < 40 || st.P50 > 60 || st.P95 < 80 || st.P95 > 128 || math.Abs(st.DonePerS-40) > 1 || math.Abs(st.ErrPerS-0.4) > 0.1 {
		t.Errorf("store: %+v", st)
	}
	if h := by[tasks.KindHead]; h.DonePerS != 0 {
		t.Errorf("head: %+v", h)
	}

	without, err := Collect(ctx, c, nil)
	if err != nil || sum(without.Backlog) != 15 || len(without.Stages) != 0 || without.Crawls[0].ETA != -1 {
		t.Errorf("without Redis: %+v, %v", without, err)
	}
}
