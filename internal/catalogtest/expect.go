package catalogtest

import (
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

func (w *world) queue(crawl, url string) catalog.Queue {
	w.Helper()
	q, err := w.Queue(w.Context(), w.page(crawl, url).ID, w.now)
	w.must(err)
	q.From = q.From.UTC()
	return q
}

// Whoever has pages at a host takes turns with the others of its priority; no page is visited later than was said.
func aheadInTurns(w *world) {
	for i, tt := range []struct {
		page, want int
	}{{0, 0 + 1 + 1 + 3}, {3, 3 + 2 + 4 + 3}, {7, 7 + 2 + 8 + 3}} {
		host := fmt.Sprint("http://h", i, ".example/")
		paths := func(name string, n int, change ...func(*catalog.Candidate)) (out []catalog.Candidate) {
			for j := range n {
				out = append(out, page(fmt.Sprint(host, name, "/", j), change...))
			}
			return out
		}
		a, b := w.crawl(fmt.Sprint("a", i)), w.crawl(fmt.Sprint("b", i))
		w.by("ann", a, paths("mine", 8)...)
		w.by("bob", a, paths("few", 2)...)
		w.by("ann", b, paths("many", 20)...)
		w.by("bob", b, paths("high", 3, priority(1))...)
		w.by("bob", b, paths("low", 3, priority(-1))...)
		w.open()
		mine := fmt.Sprint(host, "mine/", tt.page)
		w.same("ahead of "+mine, w.queue(a.Name, mine).Ahead, int64(tt.want))
		w.same("ahead of one of low priority", w.queue(b.Name, host+"low/0").Ahead, int64(8+2+20+3))
		w.same("ahead of one of high priority", w.queue(b.Name, host+"high/2").Ahead, int64(2))
		n := 0
		for ; n <= tt.want; n++ {
			p := w.handOut(total(1))
			if len(p) != 1 {
				w.Fatalf("%d pages were handed out into a window of one", len(p))
			}
			w.store(p[0])
			if p[0].URL == mine {
				break
			}
		}
		if n > tt.want {
			w.Errorf("%s was not among the first %d, and %d were to come before it", mine, n, tt.want)
		}
		_, err := w.Cancel(w.Context(), catalog.Choice{}, "cancelled", w.now)
		w.must(err)
		w.exact()
	}
}

// How far apart starts are, from when on there are any, and whether an operator keeps them from happening.
func aheadOfLate(w *world) {
	ctx := w.Context()
	cr := w.crawl("a", slow)
	w.admit(cr, many("a", 1, 2)...)
	b := w.promote()[0]
	w.must(w.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsRead, CrawlDelay: 20 * time.Second, At: w.now, Until: w.later()}))
	p := w.handOut(total(1))[0]
	w.same("of robots.txt", w.queue("a", "http://a0.example/1").Pace, 20*time.Second)
	w.must(w.NoteHost(ctx, "http://a0.example:80", "192.0.2.1", 30*time.Second))
	w.same("of a slow host", w.queue("a", "http://a0.example/1"), catalog.Queue{Ahead: 1, Pace: 30 * time.Second, From: w.now})
	due := w.now.Add(time.Hour)
	w.must(w.Postpone(ctx, catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: due}))
	w.same("of a page that is not due", w.queue("a", p.URL), catalog.Queue{Ahead: 1, Pace: 30 * time.Second, From: due})
	w.same("of one that is", w.queue("a", "http://a0.example/1").Ahead, int64(0))
	w.pass(2 * time.Hour)
	w.same("of a page that is late", w.queue("a", p.URL).From, w.now)
	w.urls(w.crawl("b"), "http://b.example/")
	for what, names := range map[string][2]string{
		"crawl": {"b", "a"}, "host": {"http://b.example:80", "http://a0.example:80"}, "submitter": {"", "ann"},
	} {
		if names[0] != "" {
			w.must(w.Pause(ctx, what, names[0], w.now))
			w.same("paused elsewhere", w.queue("a", p.URL).Paused, "")
			w.must(w.Resume(ctx, what, names[0], w.now))
		}
		w.must(w.Pause(ctx, what, names[1], w.now))
		w.same("paused", w.queue("a", p.URL).Paused, what+" "+names[1])
		w.must(w.Resume(ctx, what, names[1], w.now))
	}
	w.exact()
}

// What a crawl will take is what its slowest host will.
func slowestHost(w *world) {
	is := func(want map[string]time.Duration) {
		w.Helper()
		got, err := w.Slowest(w.Context(), w.now)
		w.must(err)
		w.same("how long it takes", got, want)
		w.exact()
	}
	is(map[string]time.Duration{})
	a, b := w.crawl("a", slow), w.crawl("b", func(c *catalog.Crawl) { c.Delay = time.Second })
	w.crawl("empty", slow)
	w.admit(a, many("x", 1, 3)...)
	w.admit(a, many("y", 1, 5)...)
	w.admit(b, many("z", 1, 4)...)
	w.open()
	is(map[string]time.Duration{"a": 50 * time.Second, "b": 4 * time.Second})
	w.must(w.NoteHost(w.Context(), "http://x0.example:80", "", 20*time.Second))
	is(map[string]time.Duration{"a": 60 * time.Second, "b": 4 * time.Second})
	for _, p := range w.handOut() {
		if p.Crawl == "b" || hostOf(p.URL) == "http://x0.example:80" {
			w.store(p)
		}
	}
	is(map[string]time.Duration{"a": 50 * time.Second})
}

// owned compares whether a page is a visit's.
func (w *world) owned(page int64, visit string, want bool) {
	w.Helper()
	got, err := w.Owns(w.Context(), page, visit)
	w.must(err)
	if got != want {
		w.Errorf("visit %q owns page %d: %v, want %v", visit, page, got, want)
	}
}

// A page is one visit's, from when it is handed out until it is closed, waits again or is cancelled.
func owned(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.owned(1, "", false)
	w.admit(cr, many("a", 1, 6)...)
	w.owned(w.page("a", "http://a0.example/0").ID, "", false)
	w.open()
	pages := w.handOut()
	for i, p := range pages {
		w.owned(p.ID, p.Visit, true)
		w.owned(p.ID, pages[(i+1)%len(pages)].Visit, false)
		w.owned(p.ID, "", false)
	}
	w.store(pages[0])
	w.end(pages[1], "not_found")
	w.fail(pages[2], "reset")
	w.must(w.Postpone(ctx, catalog.Postponed{Page: pages[3].ID, Visit: pages[3].Visit, Due: w.now}))
	_, err := w.Requeue(ctx, []catalog.Lease{{Page: pages[4].ID, Visit: pages[4].Visit}}, w.now)
	w.must(err)
	again := w.handOut()
	w.same("handed out again", len(again), 2)
	for _, p := range again {
		w.owned(p.ID, p.Visit, true)
	}
	is := func(want string) {
		w.Helper()
		got, err := w.Meta(ctx, catalog.CancelledKey)
		w.must(err)
		w.same("cancelled last", got, want)
	}
	is("")
	for range 2 {
		w.pass(time.Second)
		_, err = w.Cancel(ctx, catalog.Choice{Crawl: "a"}, "cancelled", w.now)
		w.must(err)
		is(fmt.Sprint(w.now.UnixMilli()))
	}
	for _, p := range append(pages, again...) {
		w.owned(p.ID, p.Visit, false)
	}
	w.exact()
}

// Whatever came of a try that met an error, it is remembered with where its time went.
func attempts(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 2)...)
	w.open()
	pages := w.handOut()
	p, beside := pages[0], pages[1]
	w.fail(beside, "tls")
	try := func(n int, stage, fault string) catalog.Attempt {
		d := time.Duration(n)
		return catalog.Attempt{At: w.now, Stage: stage, Fault: fault, Err: "try " + fmt.Sprint(n), Took: catalog.Took{Connect: d * time.Microsecond, TLS: d * time.Millisecond, FirstByte: d * time.Second, Body: d * time.Hour, DNS: d * time.Minute}}
	}
	first := try(1, "head", "stalled")
	w.must(w.Postpone(ctx, catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now, Spent: true, Attempt: first}))
	w.pass(time.Minute)
	p = w.one()
	second := try(2, "fetch", "unreachable")
	until := w.hold(p, func(h *catalog.Hold) { h.Attempt = second }).Until
	w.now = until
	p = w.probe()
	// That it gave its page back for no fault of the page's is no try.
	w.must(w.Postpone(ctx, catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now, Attempt: catalog.Attempt{At: w.now, Stage: "fetch"}}))
	w.must(w.ReleaseHost(ctx, hostOf(p.URL), w.now))
	w.pass(time.Minute)
	p = w.one()
	third := try(3, "fetch", "server_error")
	w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: third.Fault, Now: w.now, Took: third.Took, Stage: third.Stage, Attempts: 2, Err: third.Err})
	got, err := w.Attempts(ctx, p.ID)
	w.must(err)
	w.same("attempts", got, []catalog.Attempt{first, second, third})
	w.same("where the time of the last went", w.page("a", p.URL).Took, third.Took)
	got, err = w.Attempts(ctx, beside.ID)
	w.must(err)
	w.same("attempts at another page", len(got), 1)
	got, err = w.Attempts(ctx, 1<<40)
	w.must(err)
	w.same("attempts at no page", len(got), 0)
	w.exact()
}
