package catalogtest

import (
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

// by admits pages for a submitter.
func (w *world) by(submitter string, cr catalog.Crawl, pages ...catalog.Candidate) catalog.Admitted {
	w.Helper()
	return w.admission(catalog.Admission{Crawl: cr.ID, Submitter: submitter, Origin: "seed", Now: w.now, Pages: pages})
}

// many are n pages at each of so many hosts of their own.
func many(name string, hosts, n int, change ...func(*catalog.Candidate)) (out []catalog.Candidate) {
	for i := range n {
		for h := range hosts {
			out = append(out, page(fmt.Sprintf("http://%s%d.example/%d", name, h, i), change...))
		}
	}
	return out
}

// roomy lets a crawl have as many pages as any test makes.
func roomy(c *catalog.Crawl) { c.MaxPages = plenty }

// slow is a crawl of which six pages of a host fit into a minute.
func slow(c *catalog.Crawl) { c.MaxPages, c.Delay = plenty, 10*time.Second }

func minute(win *catalog.Window) { win.Horizon = time.Minute }

// total bounds the window.
func total(n int) func(*catalog.Window) { return func(win *catalog.Window) { win.Total = n } }

// rounds fills a window of 20 so many times, stores what it holds and counts it by submitter.
func (w *world) rounds(n int) map[string]int {
	w.Helper()
	out := map[string]int{}
	for range n {
		for _, p := range w.handOut(total(20)) {
			out[p.Submitter]++
			w.store(p, func(s *catalog.Storing) { s.Follow, s.Searchable = false, false })
		}
		w.pass(time.Second)
	}
	return out
}

// Whatever host it is of and however old: the page of the greatest priority comes first.
func priorities(w *world) {
	cr := w.crawl("a")
	w.admit(cr, page("http://a.example/low", priority(-1)))
	w.pass(time.Second)
	w.admit(cr, page("http://b.example/normal"), page("http://b.example/low", priority(-1)))
	w.pass(time.Second)
	w.admit(cr, page("http://c.example/high", priority(1)), page("http://c.example/normal"))
	w.open()
	w.pass(time.Second)
	var got []string
	for range 5 {
		for _, p := range w.handOut(total(1)) {
			got = append(got, p.URL)
			w.store(p)
		}
	}
	w.same("order", got, []string{"http://c.example/high", "http://b.example/normal", "http://c.example/normal", "http://a.example/low", "http://b.example/low"})
	w.exact()
}

// Of one lane, the page that has been due for longest comes first, and of those the one that was known first.
func byAge(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 6)...)
	w.open()
	wait := []time.Duration{3 * time.Second, 2 * time.Second, time.Second, 2 * time.Second, 3 * time.Second, time.Second}
	for i, p := range w.handOut() {
		w.must(w.Postpone(w.Context(), catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now.Add(wait[i])}))
	}
	w.exact()
	w.pass(2 * time.Second)
	w.same("those that are due", urlsOf(w.handOut()), []string{"http://a0.example/2", "http://a0.example/5", "http://a0.example/1", "http://a0.example/3"})
	w.pass(time.Second)
	w.same("the others", urlsOf(w.handOut()), []string{"http://a0.example/0", "http://a0.example/4"})
	w.exact()
}

// Who has little to be visited does not wait behind who has much.
func fairTurns(w *world) {
	cr := w.crawl("a", roomy)
	w.by("much", cr, many("much", 20, 50)...)
	w.pass(time.Minute)
	w.by("little", cr, many("little", 1, 10)...)
	w.open()
	w.same("the first window", w.rounds(1), map[string]int{"much": 10, "little": 10})
	w.same("the second", w.rounds(1), map[string]int{"much": 20})
	w.exact()
}

func weightedTurns(w *world) {
	cr := w.crawl("a", roomy)
	for name, weight := range map[string]int64{"one": 100, "three": 300} {
		w.must(w.SetQuota(w.Context(), catalog.Quota{Submitter: name, Weight: weight}))
		w.by(name, cr, many(name, 10, 100)...)
	}
	w.open()
	got := w.rounds(40)
	if got["one"]+got["three"] != 800 || got["three"] < 570 || got["three"] > 630 {
		w.Errorf("handed out %v, want 600 of 800 to who has three times the weight", got)
	}
	w.exact()
}

// Who had nothing to do for long has saved up nothing.
func noSavings(w *world) {
	cr := w.crawl("a", roomy)
	w.by("always", cr, many("always", 10, 100)...)
	w.by("rarely", cr, many("rarely", 10, 1)...)
	w.open()
	if got := w.rounds(30); got["rarely"] != 10 {
		w.Fatalf("handed out %v", got)
	}
	w.by("rarely", cr, many("rarely", 10, 60)[10:]...)
	if got := w.rounds(10); got["rarely"] < 80 || got["rarely"] > 120 {
		w.Errorf("handed out %v to who had nothing to do before, want half of it", got)
	}
	w.exact()
}

// A submitter that is held up by its quota does not keep the others' turns from going on: who comes back starts where they are.
func turnsBesideQuota(w *world) {
	cr := w.crawl("a", roomy)
	w.must(w.SetQuota(w.Context(), catalog.Quota{Submitter: "bounded", Weight: 100, PerMinute: 1}))
	w.by("bounded", cr, many("bounded", 1, 50)...)
	w.by("always", cr, many("always", 10, 100)...)
	w.by("rarely", cr, many("rarely", 10, 1)...)
	w.open()
	w.rounds(30)
	w.by("rarely", cr, many("rarely", 10, 60)[10:]...)
	if got := w.rounds(10); got["rarely"] < 80 || got["rarely"] > 120 {
		w.Errorf("handed out %v to who had nothing to do before, want half of it", got)
	}
	w.exact()
}

func oneHost(w *world) {
	cr := w.crawl("a", slow)
	for _, name := range []string{"ann", "bob"} {
		var pages []catalog.Candidate
		for i := range 100 {
			pages = append(pages, page(fmt.Sprintf("http://a.example/%s/%d", name, i)))
		}
		w.by(name, cr, pages...)
	}
	w.open()
	all := map[string]int{}
	for range 20 {
		var got []catalog.Promoted
		for range 5 {
			got = append(got, w.handOut(minute)...)
		}
		if len(got) == 0 || len(got) > 6 {
			w.Fatalf("%d pages of one host were handed out, and 6 fit", len(got))
		}
		for _, p := range got {
			all[p.Submitter]++
			w.store(p)
		}
		w.pass(time.Minute)
	}
	if all["ann"]+all["bob"] < 100 || all["ann"] < all["bob"]*2/3 || all["bob"] < all["ann"]*2/3 {
		w.Errorf("one host's time was shared as %v", all)
	}
	w.exact()
}

// While workers have more ready than they can do, nothing is handed out but to who has less than a twentieth of the window.
func tooManyReady(w *world) {
	cr := w.crawl("a", roomy)
	w.by("ann", cr, many("a", 5, 100)...)
	w.by("bob", cr, many("b", 1, 1)...)
	w.open()
	w.handOut(total(50))
	w.by("bob", cr, many("b", 1, 100)...)
	by := func(ready int) string {
		n := map[string]int{}
		for _, p := range w.handOut(total(200), func(win *catalog.Window) { win.Ready = ready }) {
			n[p.Submitter]++
		}
		return fmt.Sprint(n)
	}
	w.same("handed out with four too many", by(-4), "map[bob:5]")
	w.same("handed out with ten too many", by(-10), "map[]")
	w.exact()
}

// A page of high priority is handed out although its host's window is full, and although the window in all is.
func urgent(w *world) {
	cr := w.crawl("a", slow)
	high := priority(1)
	w.admit(cr, many("a", 3, 20)...)
	w.open()
	twelve := func(win *catalog.Window) { win.Horizon, win.Total = time.Minute, 12 }
	if got := w.handOut(twelve); len(got) != 12 {
		w.Fatalf("%d pages in a window of 12", len(got))
	}
	if got := w.promote(twelve); len(got) != 0 {
		w.Errorf("promoted %+v into a full window", got)
	}
	var pages []catalog.Candidate
	for i := range 5 {
		pages = append(pages, page(fmt.Sprintf("http://a0.example/urgent/%d", i), high))
	}
	w.admit(cr, pages...)
	got := w.promote(twelve)
	if len(got) != 1 || !got[0].Urgent || got[0].Host != "http://a0.example:80" || len(got[0].Pages) != 3 {
		w.Fatalf("promoted %+v, want 3 urgent pages: a quarter more than the window", got)
	}
	if got := w.promote(twelve); len(got) != 0 {
		w.Errorf("promoted %+v beyond the quarter", got)
	}
	// In a wide window it is the host's that is full.
	rest := w.promote(minute)
	n := 0
	for _, b := range rest {
		if b.Host == "http://a0.example:80" && b.Urgent {
			n += len(b.Pages)
		}
	}
	w.same("urgent pages of a full host", n, 2)
	w.exact()
	// However urgent, one host is not given everything.
	pages = nil
	for i := range 200 {
		pages = append(pages, page(fmt.Sprintf("http://a0.example/more/%d", i), high))
	}
	w.admit(cr, pages...)
	for range 5 {
		w.handOut(minute)
	}
	if n := w.host("http://a0.example/").Queued; n < 20 || n > 60 {
		w.Errorf("%d pages of one host are handed out", n)
	}
	w.exact()
}

// A page that waits and is found again with a greater priority goes before the others from then on; never the other way round.
func raised(w *world) {
	cr := w.crawl("a")
	w.by("ann", cr, many("a", 1, 20)...)
	w.by("bob", cr, many("b", 1, 20)...)
	w.open()
	w.exact()
	for _, u := range []string{"http://a0.example/7", "http://b0.example/19"} {
		w.by("carol", cr, page(u, priority(1)))
		w.exact()
		p := w.page("a", u)
		if p.Priority != 1 || p.Submitter == "carol" {
			w.Errorf("a page that was raised is %+v", p)
		}
	}
	w.by("ann", cr, page("http://a0.example/3", priority(-1)), page("http://a0.example/7"))
	w.same("priorities", []int{w.page("a", "http://a0.example/3").Priority, w.page("a", "http://a0.example/7").Priority}, []int{0, 1})
	got := w.handOut(total(2))
	w.same("the first pages", sorted(urlsOf(got)), []string{"http://a0.example/7", "http://b0.example/19"})
	w.exact()
	// One that is under way keeps its visit, and is counted as it was.
	w.by("ann", cr, page("http://a0.example/7", priority(1), at(0, 9)))
	for _, p := range got {
		w.must(w.Postpone(w.Context(), catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now}))
	}
	w.exact()
	w.same("the first pages again", sorted(urlsOf(w.handOut(total(2)))), []string{"http://a0.example/7", "http://b0.example/19"})
	w.exact()
}

// What is handed out of the hosts of one domain, or at one address, is what their places have time for.
func groups(w *world) {
	ctx := w.Context()
	admit := func(cr catalog.Crawl, hosts ...string) {
		var pages []catalog.Candidate
		for _, h := range hosts {
			for i := range 20 {
				pages = append(pages, page(fmt.Sprintf("http://%s/%d", h, i)))
			}
		}
		w.admit(cr, pages...)
	}
	fill := func() {
		for range 4 {
			w.handOut(minute)
		}
	}
	queued := func(hosts ...string) (n int64) {
		for _, h := range hosts {
			n += w.host("http://" + h + "/").Queued
		}
		return n
	}
	site := []string{"a.one.org", "b.one.org", "c.one.org", "one.org"}
	cr := w.crawl("domains", slow, func(c *catalog.Crawl) { c.PerDomain = 2 })
	admit(cr, append(site, "two.org")...)
	w.open()
	fill()
	w.same("of one domain, and of another", []int64{queued(site...), queued("two.org")}, []int64{12, 6})
	w.exact()

	addr := []string{"x.test", "y.test", "z.test"}
	admit(w.crawl("addresses", slow, func(c *catalog.Crawl) { c.PerIP = 2 }), append(addr, "else.test")...)
	w.open()
	for _, h := range addr {
		w.must(w.NoteHost(ctx, "http://"+h+":80", "192.0.2.1", 0))
	}
	w.must(w.NoteHost(ctx, "http://else.test:80", "192.0.2.2", 0))
	fill()
	w.same("at one address, and at another", []int64{queued(addr...), queued("else.test")}, []int64{12, 6})

	// A host that turns out to be slower than its delay is given less.
	admit(w.crawl("paced", slow), "paced.test")
	w.open()
	w.must(w.NoteHost(ctx, "http://paced.test:80", "", 30*time.Second))
	w.must(w.NoteHost(ctx, "http://paced.test:80", "192.0.2.3", 0))
	fill()
	w.same("of a slow host", queued("paced.test"), int64(2))
	w.same("pace", w.host("http://paced.test/").Pace, 30*time.Second)
	w.exact()
}

// A host whose window is full is looked at again at once when its crawl's delay becomes shorter.
func shorterDelay(w *world) {
	w.admit(w.crawl("a", slow), many("a", 1, 40)...)
	w.open()
	w.same("of a slow host", len(w.handOut(minute)), 6)
	w.must(w.NoteHost(w.Context(), "http://a0.example:80", "", 10*time.Second))
	w.crawl("a", slow)
	w.nothing("for a crawl that was submitted to and is as slow as before")
	w.crawl("a", slow, func(c *catalog.Crawl) { c.Delay = 3 * time.Second })
	w.same("of a faster one", len(w.handOut(minute)), 14)
	w.exact()
}

// However many hosts there are, each is come to.
func manyLanes(w *world) {
	const n = 700
	cr := w.crawl("a", roomy)
	w.admit(cr, many("h", n, 1)...)
	robots, pages := map[string]bool{}, map[string]bool{}
	for range 6 {
		for _, b := range w.promote() {
			if b.RobotsVisit != "" {
				w.must(w.SetRobots(w.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}))
				robots[b.Host] = true
			}
			for _, p := range b.Pages {
				pages[p.URL] = true
			}
		}
	}
	w.same("hosts whose robots.txt was read, and pages handed out", []int{len(robots), len(pages)}, []int{n, n})
	w.exact()
}
