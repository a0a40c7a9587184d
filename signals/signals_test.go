package signals_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// visit is a page's event, n numbers the run.
func visit(at time.Duration, what events.What, stage tasks.Kind, n uint64) events.Event {
	return events.Event{
		At: began.Add(at), What: what, Stage: stage, URL: "https://www.example.org/a", Host: "https://www.example.org:443", Submitter: "ann", Tally: events.Tally{Run: n},
	}
}

// A run's time is counted in the beats in which it was spent, whatever comes of it later.
func TestFold(t *testing.T) {
	f := signals.NewFold(began)
	f.Record(visit(time.Second, events.Started, tasks.KindFetch, 1))
	f.Record(visit(4*time.Second, events.Started, tasks.KindFetch, 2))
	first := f.Beat(began.Add(5 * time.Second))
	if x := first.Stages[tasks.KindFetch]; x.Started != 2 || x.Busy != 5*time.Second || x.Active != 2 || x.Done != 0 {
		t.Errorf("first beat: %+v", x)
	}
	if len(first.Doing) != 2 || first.Doing[0].URL != "https://www.example.org/a" || !first.Doing[0].Since.Equal(began.Add(time.Second)) {
		t.Errorf("doing %+v", first.Doing)
	}

	done := visit(7*time.Second, events.Done, tasks.KindFetch, 1)
	done.Took, done.Status, done.Bytes, done.Type, done.Addr = 6*time.Second, 200, 1000, "Text/HTML; charset=utf-8", netip.MustParseAddr("192.0.2.77")
	done.Net = tasks.Took{FirstByte: 100 * time.Millisecond, Body: 50 * time.Millisecond}
	done.Follows = []tasks.Kind{tasks.KindStore}
	f.Record(done)
	bad := visit(8*time.Second, events.Retrying, tasks.KindFetch, 2)
	bad.Fault, bad.Took = fault.Reset, 4*time.Second
	f.Record(bad)
	f.Record(events.Event{At: began, What: events.Admitted, Stage: tasks.KindAdmit, URL: "https://www.example.org/b", Host: "https://www.example.org:443", Submitter: "ben", Tally: events.Tally{Origin: tasks.OriginLink}})
	gone := visit(8*time.Second, events.Ended, tasks.KindResolve, 3)
	gone.Reason = string(tasks.NoSuchHost)
	f.Record(gone)

	b := f.Beat(began.Add(10 * time.Second))
	x := b.Stages[tasks.KindFetch]
	if x.Busy != 2*time.Second+3*time.Second || x.Done != 1 || x.Retried != 1 || x.Faults[fault.Reset] != 1 || x.Active != 0 || x.Service.N() != 2 {
		t.Errorf("second beat: %+v", x)
	}
	if b.Stages[tasks.KindStore].Enqueued != 1 {
		t.Errorf("store: %+v", b.Stages[tasks.KindStore])
	}
	if b.Web.Answers != 1 || b.Web.Bytes != 1000 || b.Web.FirstByte.Sum() != 100*time.Millisecond || b.Web.Connect.N() != 0 || b.Web.Missing != 1 || b.Web.Lookups != 1 {
		t.Errorf("web: %+v", b.Web)
	}
	for key, want := range map[string]string{
		"arrivals/submitter": "ben", "arrivals/origin": "link", "arrivals/domain": "example.org", "bytes/type": "text/html", "bytes/block": "192.0.2.0/24",
		"missing/submitter": "ann", "troubles/host": "https://www.example.org:443", "busy/submitter": "ann",
	} {
		if s := b.Top[key].Shares(1); len(s) != 1 || s[0].Name != want || s[0].Share != 1 {
			t.Errorf("%s: %+v, want %s", key, s, want)
		}
	}
	if empty := f.Beat(began.Add(15 * time.Second)); len(empty.Stages)+len(empty.Top)+len(empty.Doing) != 0 {
		t.Errorf("after that: %+v", empty)
	}
}

// A transfer becomes a large one by its length while it lasts, and by its size when it ends.
func TestLargeTransfers(t *testing.T) {
	f := signals.NewFold(began)
	f.Record(visit(0, events.Started, tasks.KindFetch, 1))
	f.Record(visit(0, events.Started, tasks.KindFetch, 2))
	f.Record(visit(0, events.Started, tasks.KindFetch, 3))
	big := visit(4*time.Second, events.Done, tasks.KindFetch, 2)
	big.Bytes, big.Status, big.Took = signals.LargeTransfer, 200, 4*time.Second
	big.Net = tasks.Took{FirstByte: time.Second, Body: 3 * time.Second}
	f.Record(big)
	small := visit(4*time.Second, events.Done, tasks.KindFetch, 3)
	small.Bytes, small.Status, small.Took = 1000, 200, 4*time.Second
	small.Net = tasks.Took{Connect: time.Second / 2, TLS: time.Second / 2, FirstByte: time.Second} // and two seconds until it was its turn
	f.Record(small)
	if b := f.Beat(began.Add(5 * time.Second)); b.Web.Long != 1 || b.Web.LongBusy != 4*time.Second || b.Web.Busy != 6*time.Second {
		t.Errorf("by size: %d, %s of %s", b.Web.Long, b.Web.LongBusy, b.Web.Busy)
	}
	var long int64
	var busy, all time.Duration
	for s := 10 * time.Second; s <= time.Minute; s += 5 * time.Second {
		b := f.Beat(began.Add(s))
		long += b.Web.Long
		busy += b.Web.LongBusy
		all += b.Web.Busy
	}
	if long != 1 || busy != 30*time.Second || all != busy {
		t.Errorf("by length: %d, %s of %s", long, busy, all)
	}
}

func TestBeatAsJSON(t *testing.T) {
	f := signals.NewFold(began)
	f.Record(visit(0, events.Started, tasks.KindFetch, 1))
	e := visit(time.Second, events.Failed, tasks.KindFetch, 1)
	e.Fault, e.Took, e.Net = fault.FirstByte, 30*time.Second, tasks.Took{FirstByte: 30 * time.Second}
	f.Record(e)
	b := f.Beat(began.Add(5 * time.Second))
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back signals.Beat
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(text) {
		t.Errorf("%s\nbecame\n%s, %v", text, again, err)
	}
	if back.Stages[tasks.KindFetch].Service.Mean() != 30*time.Second || back.Top["troubles/host"].Total() != 1 {
		t.Errorf("%s", text)
	}
}

// Whoever has more than a 64th of the whole is found, and with a count that is too low by no more than that.
func TestTop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var top signals.Top
		truth := map[string]int64{}
		var all int64
		for range rapid.IntRange(1, 3000).Draw(t, "events") {
			name := fmt.Sprint(int(float64(rapid.IntRange(1, 400).Draw(t, "name")) * rapid.Float64Range(0, 1).Draw(t, "skew")))
			n := rapid.Int64Range(1, 50).Draw(t, "n")
			top.Add(name, n)
			truth[name] += n
			all += n
		}
		if top.Total() != all {
			t.Fatalf("total %d, want %d", top.Total(), all)
		}
		found := map[string]int64{}
		for _, s := range top.Shares(1000) {
			found[s.Name] = s.N
			if s.N > truth[s.Name] || s.N < truth[s.Name]-all/64 {
				t.Fatalf("%s: %d, in truth %d of %d", s.Name, s.N, truth[s.Name], all)
			}
		}
		for name, n := range truth {
			if _, ok := found[name]; !ok && n > all/64 {
				t.Fatalf("%s with %d of %d is not there", name, n, all)
			}
		}
	})
}

func TestHist(t *testing.T) {
	var h signals.Hist
	if h.Quantile(0.5) != 0 || h.Mean() != 0 {
		t.Errorf("of none: %s, %s", h.Quantile(0.5), h.Mean())
	}
	for ms := range 1000 {
		h.Add(time.Duration(ms) * time.Millisecond)
	}
	h.Add(time.Hour)
	for q, want := range map[float64]time.Duration{0.1: 100 * time.Millisecond, 0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond} {
		if got := h.Quantile(q); got < want*3/4 || got > want*5/4 {
			t.Errorf("quantile %g: %s, want about %s", q, got, want)
		}
	}
	if h.N() != 1001 || h.Sum() != 499_500*time.Millisecond+time.Hour {
		t.Errorf("%d, %s", h.N(), h.Sum())
	}
	var upTo int64
	h.Buckets(func(bound time.Duration, n int64) {
		if n < upTo || bound == 0 && n != 1001 {
			t.Errorf("up to %s: %d after %d", bound, n, upTo)
		}
		upTo = n
	})
}

// What several processes said in one tick is one tick; who has not said anything for long is dead.
func TestWindow(t *testing.T) {
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	beat := func(id string, s int, done int64) signals.Beat {
		return signals.Beat{At: at(s), Span: signals.Every, Process: signals.Process{ID: id}, Stages: map[tasks.Kind]*signals.Flow{tasks.KindStore: {Done: done}}}
	}
	state := beat("a", 23, 4)
	state.State = &signals.State{Open: 7}
	all := []signals.Beat{beat("old", 1, 100), beat("a", 3, 1), beat("b", 4, 10), beat("a", 8, 2), beat("b", 9, 20), beat("a", 13, 3), beat("a", 18, 3), state, beat("future", 300, 1000)}
	w := signals.NewWindow(at(26), 20*time.Second, all)
	var got []int64
	for _, x := range w.Ticks {
		n := int64(0)
		if f := x.Stages[tasks.KindStore]; f != nil {
			n = f.Done
		}
		got = append(got, n)
	}
	if diff := cmp.Diff([]int64{22, 3, 3, 4}, got); diff != "" {
		t.Errorf("done by tick: %s", diff)
	}
	if len(w.Ticks[0].Processes) != 2 || w.Ticks[3].State.Open != 7 || w.Ticks[2].State != nil || !w.Ticks[3].At.Equal(at(25)) {
		t.Errorf("%+v", w.Ticks)
	}
	if alive := w.Alive(); len(alive) != 2 {
		t.Errorf("alive: %+v", alive)
	}
	if alive := signals.NewWindow(at(30), 30*time.Second, all).Alive(); len(alive) != 1 || alive[0].ID != "a" {
		t.Errorf("alive later: %+v", alive)
	}
	if over := signals.Over(w.Ticks); over.Stages[tasks.KindStore].Done != 32 || over.Span != 20*time.Second || over.State.Open != 7 {
		t.Errorf("all of it: %+v", over)
	}
	if again := signals.Over(w.Ticks); again.Stages[tasks.KindStore].Done != 32 {
		t.Errorf("joining changed the ticks: %d", again.Stages[tasks.KindStore].Done)
	}
}

func TestStream(t *testing.T) {
	rdb, _ := redistest.Client(t)
	ctx := t.Context()
	if err := rdb.XAdd(ctx, streamOf("beat", "not one")).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := signals.Write(ctx, rdb, signals.Beat{At: began, Process: signals.Process{ID: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := signals.Read(ctx, rdb, time.Now().Add(-time.Minute))
	if err != nil || len(got) != 3 || got[2].Process.ID != "2" || !got[0].At.Equal(began) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = signals.Read(ctx, rdb, time.Now().Add(time.Minute)); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A history reads each beat once, and forgets those that are too old.
func TestHistory(t *testing.T) {
	rdb, _ := redistest.Client(t)
	ctx := t.Context()
	h := signals.NewHistory(rdb, time.Minute)
	write := func(ago time.Duration, done int64) {
		b := signals.Beat{At: time.Now().Add(-ago), Process: signals.Process{ID: "a"}, Stages: map[tasks.Kind]*signals.Flow{tasks.KindStore: {Done: done}}}
		if err := signals.Write(ctx, rdb, b); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []struct{ news, done int64 }{{0, 0}, {2, 10}, {1, 110}, {0, 110}} {
		switch i {
		case 1:
			write(20*time.Second, 10)
			write(2*time.Minute, 1000) // written late: it is in no tick
		case 2:
			write(10*time.Second, 100)
		}
		w, news, err := h.Window(ctx)
		if err != nil {
			t.Fatal(err)
		}
		done := int64(0)
		if f := signals.Over(w.Ticks).Stages[tasks.KindStore]; f != nil {
			done = f.Done
		}
		if int64(len(news)) != want.news || done != want.done {
			t.Errorf("window %d: %d new, %d done; want %+v", i, len(news), done, want)
		}
	}
}

// BenchmarkPage is what counting costs a page, of 5,000 hosts: an admission, and three stages.
func BenchmarkPage(b *testing.B) {
	f := signals.NewFold(began)
	stages := []tasks.Kind{tasks.KindResolve, tasks.KindFetch, tasks.KindStore}
	i := 0
	for b.Loop() {
		i++
		e := events.Event{
			At: time.Now(), URL: fmt.Sprintf("https://www.h%d.example.org/a", i%5000), Host: fmt.Sprintf("https://www.h%d.example.org:443", i%5000), Submitter: "ann",
			Took: time.Millisecond, Status: 200, Bytes: 20_000, Tally: events.Tally{Type: "text/html; charset=utf-8", Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})},
		}
		e.What, e.Stage = events.Admitted, tasks.KindAdmit
		f.Record(e)
		for _, k := range stages {
			e.What, e.Stage, e.Run = events.Started, k, uint64(i)
			f.Record(e)
			e.What = events.Done
			f.Record(e)
		}
		if i%10_000 == 0 {
			f.Beat(time.Now())
		}
	}
}

func streamOf(pairs ...any) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: signals.Stream, Values: pairs}
}

// TestDoing has two processes say what takes them long: the longest first, and of each whose it is.
func TestDoing(t *testing.T) {
	now := time.Now().Truncate(signals.Every).Add(time.Second)
	at := now.Add(-2 * time.Second)
	beat := func(id string, ago time.Duration) signals.Beat {
		return signals.Beat{At: at, Span: signals.Every, Process: signals.Process{ID: id}, Doing: []signals.Doing{{Stage: "fetch", URL: "http://a.test/" + id, Since: at.Add(-ago)}}}
	}
	w := signals.NewWindow(now, time.Minute, []signals.Beat{beat("one", time.Second), beat("two", time.Minute)})
	var got []string
	for _, d := range w.Doing() {
		got = append(got, d.Process+" "+d.URL)
	}
	if want := []string{"two http://a.test/two", "one http://a.test/one"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
