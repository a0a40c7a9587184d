package catalogtest

import (
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

func robotsFirst(w *world) {
	cr := w.crawl("a")
	w.urls(cr, "http://a.example/1", "http://a.example/2", "http://b.example/1")
	got := w.promote()
	if len(got) != 2 {
		w.Fatalf("%d batches, want one for each host", len(got))
	}
	for _, b := range got {
		if b.RobotsVisit == "" || len(b.Pages) != 0 {
			w.Errorf("%s: robots visit %q and %d pages, want robots.txt to come first", b.Host, b.RobotsVisit, len(b.Pages))
		}
	}
	if got[0].RobotsVisit == got[1].RobotsVisit {
		w.Error("two hosts have one visit")
	}
	if again := w.promote(); len(again) != 0 {
		w.Errorf("promoted %v while robots.txt is being read", again)
	}
	w.must(w.SetRobots(w.Context(), got[0].HostID, got[0].RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.now.Add(time.Hour)}))
	for _, b := range w.promote() {
		if b.Host != got[0].Host || b.RobotsVisit != "" || len(b.Pages) == 0 {
			w.Errorf("promoted %+v, want pages of %s alone", b, got[0].Host)
		}
	}
	w.exact()

	// When what is known is too old, it is read again before any page.
	w.pass(time.Hour)
	w.urls(cr, got[0].Host[:len(got[0].Host)-len(":80")]+"/late")
	again := w.promote()
	if len(again) != 1 || again[0].RobotsVisit == "" || len(again[0].Pages) > 0 {
		w.Errorf("promoted %+v, want robots.txt again", again)
	}
	w.exact()
}

func order(w *world) {
	cr := w.crawl("a")
	u := func(s string) string { return "http://a.example/" + s }
	w.admit(cr, page(u("normal 1")), page(u("normal 2")), page(u("low"), priority(-1)))
	w.pass(time.Second)
	w.admit(cr, page(u("high, late"), priority(1)), page(u("normal, late")), page(u("raised"), priority(-1)))
	w.admit(cr, page(u("raised"), priority(1)))
	w.open()
	all := []string{u("high, late"), u("raised"), u("normal 1"), u("normal 2"), u("normal, late"), u("low")}
	for len(all) > 0 {
		n := min(4, len(all))
		got := w.handOut(func(win *catalog.Window) { win.Total = 4 })
		// Half of the window is the most that one host without a delay is given.
		if len(got) == 0 || len(got) > n {
			w.Fatalf("%d pages were handed out, want 1 to %d", len(got), n)
		}
		w.same("order", urlsOf(got), all[:len(got)])
		all = all[len(got):]
		for _, p := range got {
			w.store(p)
		}
	}
	w.exact()
}

func horizon(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.Delay = 10 * time.Second })
	for i := range 20 {
		w.urls(cr, fmt.Sprintf("http://a.example/%d", i), fmt.Sprintf("http://b.example/%d", i))
	}
	w.open()
	at := map[string][]catalog.Promoted{}
	for _, b := range w.promote(minute) {
		if len(b.Pages) != 6 || b.Delay != 10*time.Second {
			w.Errorf("%s was given %d pages at a delay of %v, want the 6 that fit into a minute", b.Host, len(b.Pages), b.Delay)
		}
		at[b.Host] = b.Pages
	}
	if got := w.handOut(minute); len(got) != 0 {
		w.Errorf("%d further pages for hosts that have their minute", len(got))
	}
	for _, p := range at["http://a.example:80"][:4] {
		w.store(p)
	}
	w.pass(time.Minute)
	if got := w.handOut(minute); len(got) != 4 {
		w.Errorf("%d further pages for a host that did 4", len(got))
	}
	w.same("queued", []int64{w.host("http://a.example/").Queued, w.host("http://b.example/").Queued}, []int64{6, 6})
	w.exact()

	// A host so slow that not even one page fits still gets one.
	slow := w.crawl("slow", func(c *catalog.Crawl) { c.Delay = 10 * time.Minute })
	w.urls(slow, "http://slow.example/1", "http://slow.example/2")
	w.open()
	if got := w.handOut(minute); len(got) != 1 {
		w.Errorf("%d pages for a slow host, want 1", len(got))
	}
	w.exact()
}

// Hosts that have to be visited slowly do not fill the window with their minute each: others, with nothing in it, find room.
func roomForOthers(w *world) {
	slow := func(c *catalog.Crawl) { c.Delay = time.Second }
	first, others := w.crawl("first", slow), w.crawl("others", slow)
	for i := range 60 {
		for h := range 10 {
			w.urls(first, fmt.Sprintf("http://h%d.example/%d", h, i))
		}
		for h := range 5 {
			w.urls(others, fmt.Sprintf("http://o%d.example/%d", h, i))
		}
	}
	w.open()
	of := func(win *catalog.Window) { win.Horizon, win.Total = time.Minute, 200 }
	w.must(w.Pause(w.Context(), "crawl", "others", w.now))
	for range 5 {
		w.promote(of)
		w.pass(time.Second)
	}
	w.must(w.Resume(w.Context(), "crawl", "others", w.now))
	seen := map[string]int{}
	for _, b := range w.promote(of) {
		seen[b.Host] += len(b.Pages)
	}
	for h := range 5 {
		if name := fmt.Sprintf("http://o%d.example:80", h); seen[name] < 5 {
			w.Errorf("%s was given %d pages, beside hosts that had their minute", name, seen[name])
		}
	}
	w.exact()
}

func window(w *world) {
	alone := w.crawl("alone")
	w.urls(alone, "http://alone.example/1", "http://alone.example/2")
	w.open()
	for range 2 {
		got := w.handOut(func(win *catalog.Window) { win.Total = 1 })
		if len(got) != 1 {
			w.Fatalf("%d pages in a window of 1", len(got))
		}
		w.store(got[0])
	}
	cr, other := w.crawl("a"), w.crawl("b")
	for h := range 10 {
		for i := range 5 {
			w.urls(cr, fmt.Sprintf("http://h%d.example/%d", h, i))
			w.urls(other, fmt.Sprintf("http://h%d.example/%d", h, i))
		}
	}
	w.open()
	first := w.handOut(total(12))
	if len(first) != 12 {
		w.Errorf("%d pages in a window of 12", len(first))
	}
	if got := w.promote(total(12)); len(got) != 0 {
		w.Errorf("promoted %v into a full window", got)
	}
	if got := w.promote(total(5)); len(got) != 0 {
		w.Errorf("promoted %v into an overfull window", got)
	}
	w.end(first[0], "not_found")
	w.fail(first[1], "reset")
	w.store(first[2])
	if got := w.handOut(total(12)); len(got) != 3 {
		w.Errorf("%d pages for 3 free places", len(got))
	}
	w.exact()
	// In the end all of them get through, in the smallest of windows.
	rest := w.handOut(total(plenty))
	if len(rest) != 100-15 {
		w.Errorf("%d pages are left, want 85", len(rest))
	}
	tiny := w.crawl("tiny")
	w.urls(tiny, "http://tiny.example/")
	w.open()
	for _, b := range w.promote(total(100 - 3 + 1)) {
		if len(b.Pages) != 1 || b.Pages[0].Crawl != "tiny" {
			w.Errorf("promoted %+v", b)
		}
	}
	w.state("tiny", "http://tiny.example/", catalog.Queued)
	w.exact()
}

func due(w *world) {
	cr := w.crawl("a")
	w.urls(cr, "http://a.example/1")
	w.open()
	w.store(w.one())
	hour := w.now.Add(time.Hour)
	if n, err := w.Recrawl(w.Context(), cr.ID, hour); n != 1 || err != nil {
		w.Fatalf("%d pages are to be visited again (%v)", n, err)
	}
	if got := w.promote(); len(got) != 0 {
		w.Errorf("promoted %v an hour too early", got)
	}
	w.same("due", w.page("a", "http://a.example/1").Due, hour)
	// A page that is due is not held up by one that is not.
	w.urls(cr, "http://a.example/now")
	if got := w.one(); got.URL != "http://a.example/now" {
		w.Errorf("handed out %s", got.URL)
	}
	w.exact()
	w.now = hour
	if got := w.one(); got.URL != "http://a.example/1" {
		w.Errorf("handed out %s", got.URL)
	}
	w.exact()
}

// Several crawls, and robots.txt, may want different things of one host: the most careful of them decides.
func slowest(w *world) {
	set := func(d time.Duration, per int) func(*catalog.Crawl) {
		return func(c *catalog.Crawl) { c.Delay, c.PerHost = d, per }
	}
	quick, slow := w.crawl("quick", set(0, 16)), w.crawl("slow", set(2*time.Second, 1))
	robots := func(u string, d time.Duration) {
		for _, b := range w.promote() {
			if b.RobotsVisit == "" {
				w.Fatalf("promoted %+v", b)
			}
			w.must(w.SetRobots(w.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsRead, CrawlDelay: d, At: w.now, Until: w.now.Add(24 * time.Hour)}))
		}
	}
	for i, tt := range []struct {
		crawls []catalog.Crawl
		robots time.Duration
		delay  time.Duration
		per    int
	}{
		{[]catalog.Crawl{quick}, 0, 0, 16},
		{[]catalog.Crawl{slow}, 0, 2 * time.Second, 1},
		{[]catalog.Crawl{quick, slow}, 0, 2 * time.Second, 1},
		{[]catalog.Crawl{slow}, time.Second, 2 * time.Second, 1},
		{[]catalog.Crawl{slow}, 7500 * time.Millisecond, 7500 * time.Millisecond, 1},
		{[]catalog.Crawl{quick}, 5 * time.Second, 5 * time.Second, 1}, // 16 places make no sense where a delay is asked for
		{[]catalog.Crawl{quick, slow}, 5 * time.Second, 5 * time.Second, 1},
	} {
		u := fmt.Sprintf("http://h%d.example/", i)
		for _, cr := range tt.crawls {
			w.urls(cr, u)
		}
		robots(u, tt.robots)
		for _, b := range w.promote() {
			if b.Delay != tt.delay || b.PerHost != tt.per {
				w.Errorf("case %d: delay %v and %d places, want %v and %d", i, b.Delay, b.PerHost, tt.delay, tt.per)
			}
			for _, p := range b.Pages {
				w.store(p)
			}
		}
	}
	// A crawl that has nothing more to do at a host has no say there.
	w.urls(quick, "http://h2.example/more")
	w.pass(time.Minute)
	for _, b := range w.promote() {
		if b.Delay != 0 || len(b.Pages) != 1 {
			w.Errorf("%d pages at a delay of %v, want the one at none", len(b.Pages), b.Delay)
		}
	}
	w.exact()
}

// A page goes out with what is known of it, so that the visit can ask whether it changed.
func known(w *world) {
	cr := w.crawl("a")
	w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "zoë", Origin: "seed", Now: w.now, Pages: []catalog.Candidate{page("http://a.example/", at(3, 4))}})
	w.open()
	p := w.one()
	if len(p.Visit) < 8 {
		w.Errorf("visit %q", p.Visit)
	}
	w.same("new page", p, catalog.Promoted{ID: p.ID, Visit: p.Visit, URL: "http://a.example/", Crawl: "a", Submitter: "zoë", Depth: 3, Reach: 4})
	w.same("page's visit", w.page("a", p.URL).Visit, p.Visit)
	w.store(p, func(s *catalog.Storing) {
		s.FinalURL, s.ETag, s.LastModified, s.Payload = "http://a.example/x", `W/"1"`, "Thu, 01 Jan 2026 00:00:00 GMT", "sha1:X"
	})
	came := w.now
	var again catalog.Promoted
	for i := range 2 { // a visit that finds it unchanged leaves the body as it was
		w.pass(time.Hour)
		_, err := w.Recrawl(w.Context(), cr.ID, w.now)
		w.must(err)
		if again = w.one(); i == 0 {
			w.store(again, func(s *catalog.Storing) { s.Unchanged = true })
		}
	}
	if again.Visit == p.Visit {
		w.Error("two visits have one ID")
	}
	again.BodyAt = again.BodyAt.UTC()
	w.same("known page", again, catalog.Promoted{
		ID: p.ID, Visit: again.Visit, URL: p.URL, Crawl: "a", Submitter: "zoë", Depth: 3, Reach: 4,
		FinalURL: "http://a.example/x", ETag: `W/"1"`, LastModified: "Thu, 01 Jan 2026 00:00:00 GMT", Payload: "sha1:X", BodyAt: came,
	})
}

func robotsStates(w *world) {
	ctx := w.Context()
	w.urls(w.crawl("a"), "http://a.example/1", "http://a.example/2")
	robots := func() catalog.Robots {
		r := w.host("http://a.example/").Robots
		r.At, r.Until = r.At.UTC(), r.Until.UTC()
		return r
	}
	if r := robots(); r.State != catalog.RobotsUnknown {
		w.Errorf("robots of a new host: %+v", r)
	}
	host, v := w.robotsVisit()
	w.is(w.SetRobots(ctx, host, "someone else's", catalog.Robots{State: catalog.RobotsAllow}), catalog.ErrFenced)
	w.is(w.SetRobots(ctx, host, "", catalog.Robots{State: catalog.RobotsAllow}), catalog.ErrFenced)
	read := catalog.Robots{State: catalog.RobotsRead, Body: []byte("User-agent: *\r\nDisallow: /\x00\xff"), CrawlDelay: 1234 * time.Millisecond, At: w.now, Until: w.now.Add(time.Hour)}
	w.must(w.SetRobots(ctx, host, v, read))
	w.is(w.SetRobots(ctx, host, v, read), catalog.ErrFenced)
	w.same("robots", robots(), read)
	got := w.promote()
	if len(got) != 1 || len(got[0].Pages) != 2 || !got[0].RobotsAt.Equal(w.now) || got[0].Delay != read.CrawlDelay || got[0].Floor != read.CrawlDelay {
		w.Errorf("promoted %+v", got)
	}
	w.exact()
}

// robotsVisit promotes the visit that reads robots.txt of the only host there is.
func (w *world) robotsVisit() (host int64, visit string) {
	w.Helper()
	got := w.promote()
	if len(got) != 1 || got[0].RobotsVisit == "" {
		w.Fatalf("promoted %+v, want robots.txt to be read", got)
	}
	return got[0].HostID, got[0].RobotsVisit
}
