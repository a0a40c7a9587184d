package catalogtest

import (
	"fmt"
	"testing"
	"time"

	"example.org/trawl/catalog"
)

func quotas(w *world) {
	ctx := w.Context()
	all := func() []catalog.Quota {
		w.Helper()
		got, err := w.Quotas(ctx)
		w.must(err)
		return got
	}
	w.same("quotas", len(all()), 0)
	w.by("bob", w.crawl("a"), many("a", 1, 3)...)
	never := catalog.Quota{Submitter: "ann", Weight: 250, Most: 10, PerMinute: 20}
	w.must(w.SetQuota(ctx, never))
	w.same("quotas", all(), []catalog.Quota{never, {Submitter: "bob", Weight: 100, Waiting: 3}})
	w.must(w.SetQuota(ctx, catalog.Quota{Submitter: "ann", Weight: 100}))
	w.same("quotas", all(), []catalog.Quota{{Submitter: "ann", Weight: 100}, {Submitter: "bob", Weight: 100, Waiting: 3}})
	w.exact()
}

// A submitter whose pages fill its quota gets no further ones in; links wait where they were found until there is room.
func maxWaiting(w *world) {
	ctx := w.Context()
	cr, other := w.crawl("a"), w.crawl("b")
	w.must(w.SetQuota(ctx, catalog.Quota{Submitter: "ann", Weight: 100, Most: 3}))
	got := w.by("ann", cr, many("a", 1, 2)...)
	w.same("new", len(got.New), 2)
	got = w.by("ann", other, many("b", 1, 3)...)
	w.same("of three in another crawl", got, catalog.Admitted{New: []string{"http://b0.example/0"}, Quota: 2})
	// What is known costs nothing and is still raised; who has no quota is not held up.
	got = w.by("ann", cr, page("http://a0.example/0", priority(1)), page("http://a0.example/new"))
	w.same("of a known and a new one", got, catalog.Admitted{Quota: 1})
	w.same("priority", w.page("a", "http://a0.example/0").Priority, 1)
	got = w.by("bob", cr, page("http://a0.example/bob"))
	w.same("of somebody else", len(got.New), 1)
	w.exact()
	// The crawl's own limit is named first.
	w.crawl("full", func(c *catalog.Crawl) { c.MaxPages = 0 })
	full, err := w.Catalog.Crawl(ctx, "full")
	w.must(err)
	w.same("of a full crawl", w.by("ann", full, page("http://a0.example/")), catalog.Admitted{Over: 1})

	w.open()
	pages := w.handOut()
	if len(pages) != 4 {
		w.Fatalf("%d pages were handed out", len(pages))
	}
	// Handed out, they no longer wait: there is room again.
	w.same("new", w.by("ann", cr, many("c", 1, 3)...).New, []string{"http://c0.example/0", "http://c0.example/1", "http://c0.example/2"})
	lead := w.store(pages[0])
	links := catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "link", From: pages[0].URL, Lead: lead, Now: w.now, Pages: []catalog.Candidate{page("http://a0.example/link", at(1, 1))}}
	w.same("links", w.admission(links), catalog.Admitted{Quota: 1})
	w.same("leads now", len(w.leads(w.now)), 0)
	later := w.leads(w.later())
	w.same("leads of later", later, []catalog.Lead{*lead})
	w.exact()
	w.open()
	w.handOut()
	w.pass(10 * time.Minute)
	w.same("leads after a while", w.leads(w.now), []catalog.Lead{*lead})
	links.Now = w.now
	w.same("links", w.admission(links).New, []string{"http://a0.example/link"})
	w.same("leads", len(w.leads(w.later())), 0)
	w.exact()
}

// A quota of pages a minute holds however often promotion runs, and is not saved up.
func perMinute(w *world) {
	for i, tt := range []struct {
		perMinute int64
		every     time.Duration
	}{
		{60, 100 * time.Millisecond}, {60, 700 * time.Millisecond}, {600, 130 * time.Millisecond}, {30, time.Second}, {7, 2 * time.Second}, {1200, 250 * time.Millisecond},
	} {
		if testing.Short() && i > 1 {
			break
		}
		w.Run(fmt.Sprintf("%d a minute every %v", tt.perMinute, tt.every), func(t *testing.T) {
			v := *w
			v.T = t
			v.pages(fmt.Sprintf("s%d", i), tt.perMinute, tt.every)
			w.now = v.now
		})
	}
}

// pages holds the pages that are handed out of a new submitter in four minutes against its quota.
func (w *world) pages(name string, perMinute int64, every time.Duration) {
	const minutes = 2
	cr := w.crawl(name, roomy)
	w.must(w.SetQuota(w.Context(), catalog.Quota{Submitter: name, Weight: 100, PerMinute: perMinute}))
	w.by(name, cr, many(name, 4, int(perMinute)*2)...)
	w.open()
	w.must(w.SetQuota(w.Context(), catalog.Quota{Submitter: name, Weight: 100, PerMinute: perMinute}))
	burst := len(w.handOut(total(10_000)))
	if most := max(perMinute/10, 1); int64(burst) > most+1 {
		w.Errorf("%d pages at once, of %d a minute", burst, perMinute)
	}
	got := 0
	for end := w.now.Add(minutes * time.Minute); w.now.Before(end); {
		w.pass(every)
		got += len(w.handOut(total(10_000)))
	}
	if want := perMinute * minutes; int64(got) < want*9/10-1 || int64(got) > want*11/10+1 {
		w.Errorf("%d pages in %d minutes, want %d within a tenth", got, minutes, want)
	}
	b, err := w.Backlog(w.Context(), w.now)
	w.must(err)
	if b.Budget == 0 {
		w.Errorf("backlog %+v, and pages wait for the quota", b)
	}
	w.exact()
	_, err = w.Cancel(w.Context(), catalog.Choice{Submitter: name}, "cancelled", w.now)
	w.must(err)
}

// What is to be visited before a page: those of its host that are handed out, that are of a higher priority, or older.
func ahead(w *world) {
	cr := w.crawl("a", slow)
	w.admit(cr, many("a", 1, 10)...)
	w.open()
	queue := func(url string) catalog.Queue {
		w.Helper()
		q, err := w.Queue(w.Context(), w.page("a", url).ID, w.now)
		w.must(err)
		q.From = q.From.UTC()
		return q
	}
	w.same("the first", queue("http://a0.example/0"), catalog.Queue{Pace: 10 * time.Second, From: w.now})
	w.same("the last", queue("http://a0.example/9"), catalog.Queue{Ahead: 9, Pace: 10 * time.Second, From: w.now})
	w.admit(cr, page("http://a0.example/high", priority(1)), page("http://a0.example/low", priority(-1)))
	w.same("after one of high priority", queue("http://a0.example/3").Ahead, int64(4))
	w.same("of low priority", queue("http://a0.example/low").Ahead, int64(11))
	pages := w.handOut(minute)
	w.same("of high priority", pages[0].URL, "http://a0.example/high")
	w.same("after those that are handed out", queue("http://a0.example/9").Ahead, int64(9+1))
	slowest := func() map[string]time.Duration {
		w.Helper()
		got, err := w.Slowest(w.Context(), w.now)
		w.must(err)
		return got
	}
	w.same("how long it takes", slowest(), map[string]time.Duration{"a": 12 * 10 * time.Second})
	held := w.hold(pages[1])
	w.same("how long it takes a host in trouble", slowest(), map[string]time.Duration{"a": 12*10*time.Second + time.Minute})
	w.same("of a host in trouble", queue("http://a0.example/9").From, held.Until)
	w.must(w.Pause(w.Context(), "crawl", "a", w.now))
	w.same("paused", queue("http://a0.example/9").Paused, "crawl a")
	_, err := w.Queue(w.Context(), 1<<40, w.now)
	w.is(err, catalog.ErrNotFound)
	w.exact()
}
