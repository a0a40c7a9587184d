package catalogtest

import (
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

// holding is what a visit of p that met a trouble says, n minutes being how long the host is left alone after the nth time.
func (w *world) holding(p catalog.Promoted, change ...func(*catalog.Hold)) catalog.Hold {
	h := catalog.Hold{
		Host: hostOf(p.URL), State: catalog.HostDead, Began: w.now.Add(-time.Millisecond), Now: w.now, Quiet: time.Hour, Page: p.ID, Visit: p.Visit,
		Wait:    func(n int) time.Duration { return time.Duration(n) * time.Minute },
		Attempt: catalog.Attempt{At: w.now, Stage: "fetch", Fault: "unreachable", Err: "it did not answer"},
	}
	for _, f := range change {
		f(&h)
	}
	return h
}

func (w *world) hold(p catalog.Promoted, change ...func(*catalog.Hold)) catalog.Held {
	w.Helper()
	h, err := w.HoldHost(w.Context(), w.holding(p, change...))
	w.must(err)
	h.Since, h.Until = h.Since.UTC(), h.Until.UTC()
	return h
}

// trouble is what the catalog says of the host's.
func (w *world) trouble(url string) catalog.Trouble {
	w.Helper()
	t := w.host(url).Trouble
	t.Since, t.Until = t.Since.UTC(), t.Until.UTC()
	return t
}

// probe hands out the one visit that tries a host again.
func (w *world) probe() catalog.Promoted {
	w.Helper()
	got := w.promote()
	if len(got) != 1 || !got[0].Probe || len(got[0].Pages) != 1 {
		w.Fatalf("promoted %+v, want one page that probes", got)
	}
	return got[0].Pages[0]
}

func (w *world) nothing(when string) {
	w.Helper()
	if got := w.promote(); len(got) != 0 {
		w.Errorf("promoted %+v %s", got, when)
	}
}

func held(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 3)...)
	w.open()
	first := w.handOut(total(2))[0] // half of a window of two
	start := w.now
	want := catalog.Trouble{State: catalog.HostDead, Since: start, Until: start.Add(time.Minute), Fails: 1, Fault: "unreachable", Err: "it did not answer"}
	w.same("held", w.hold(first), catalog.Held{Holds: 1, Trouble: want})
	w.same("trouble", w.trouble(first.URL), want)
	p := w.page("a", first.URL)
	if p.State != catalog.Waiting || p.Tries != 0 || p.Visit != "" || p.Reason != "" {
		w.Errorf("the page of a visit that met its host's trouble is %+v", p)
	}
	tried, err := w.Attempts(w.Context(), p.ID)
	w.must(err)
	w.same("attempts", tried, []catalog.Attempt{{At: start, Stage: "fetch", Fault: "unreachable", Err: "it did not answer"}})
	w.exact()
	_, err = w.Store(w.Context(), w.found(first))
	w.is(err, catalog.ErrFenced)
	w.nothing("at once")
	w.urls(cr, "http://a0.example/new")
	w.pass(time.Minute - time.Millisecond)
	w.nothing("too early")
	w.pass(time.Millisecond)

	// Each time in a row is longer than the one before.
	for n := 2; n <= 3; n++ {
		probe := w.probe()
		w.nothing("beside a probe")
		w.pass(5 * time.Second)
		w.nothing("beside a probe")
		want.Until, want.Fails = w.now.Add(time.Duration(n)*time.Minute), n
		w.same("held again", w.hold(probe), catalog.Held{Holds: int64(n), Trouble: want})
		w.exact()
		w.pass(time.Duration(n) * time.Minute)
	}
	// Over: all of it goes on, and the next trouble is a first one.
	w.store(w.probe())
	w.must(w.ReleaseHost(w.Context(), "http://a0.example:80", w.now))
	w.must(w.ReleaseHost(w.Context(), "http://a0.example:80", w.now))
	w.must(w.ReleaseHost(w.Context(), "http://nowhere.example:80", w.now))
	if x := w.trouble(first.URL); x.State != catalog.HostOK || x.Fails != 0 || x.Fault != "" || x.Err != "" || x.GivenUp {
		w.Errorf("a host that answers again has %+v", x)
	}
	rest := w.promote()
	if len(rest) != 1 || rest[0].Probe || rest[0].Holds != 3 || len(rest[0].Pages) != 3 {
		w.Fatalf("promoted %+v, want the 3 pages that are left", rest)
	}
	w.pass(time.Second)
	got := w.hold(rest[0].Pages[0])
	w.same("held after a release", []int64{got.Holds, int64(got.Fails)}, []int64{4, 1})
	w.same("until", got.Until, w.now.Add(time.Minute))
	w.exact()
	// One that was over before its time does not go on with the next, and within one trouble the time only grows.
	wait := func(d time.Duration) func(*catalog.Hold) {
		return func(h *catalog.Hold) { h.Wait = func(int) time.Duration { return d } }
	}
	w.hold(rest[0].Pages[1], wait(time.Hour))
	w.must(w.ReleaseHost(w.Context(), "http://a0.example:80", w.now))
	w.pass(time.Second)
	again := w.handOut()
	w.same("until, after an hour that was not waited for", w.hold(again[0], wait(time.Minute)).Until, w.now.Add(time.Minute))
	w.same("until, when others say less", w.hold(again[1], wait(time.Second)).Until, w.now.Add(time.Minute))
	w.exact()
}

// Many visits of a host meet one trouble: those that began before it was noted say nothing new.
func heldOnce(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 4)...)
	w.open()
	pages := w.handOut()
	began := func(t time.Time) func(*catalog.Hold) { return func(h *catalog.Hold) { h.Began = t } }
	start := w.now
	for i, p := range pages[:3] {
		w.pass(time.Second)
		if got := w.hold(p, began(start)); got.Fails != 1 || got.Holds != 1 || !got.Since.Equal(start.Add(time.Second)) {
			w.Errorf("visit %d met %+v, want one trouble", i, got)
		}
		w.state("a", p.URL, catalog.Waiting)
	}
	w.pass(time.Second)
	if got := w.hold(pages[3], began(w.now)); got.Fails != 2 || got.Holds != 2 {
		w.Errorf("a visit that began later met %+v", got)
	}
	// One whose page was given to somebody else still knows about the host, and does nothing to the page.
	before := w.page("a", pages[3].URL)
	w.hold(pages[3], began(start))
	w.same("page", w.page("a", pages[3].URL), before)
	w.exact()
}

// A host that asks for fewer requests after every release is left alone for longer and longer, until it was quiet for a while.
func pushBacks(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.Delay = time.Second })
	w.admit(cr, many("a", 1, 30)...)
	w.open()
	push := func(h *catalog.Hold) {
		h.State = catalog.HostBackoff
		h.Began = w.now
	}
	for n := 1; n <= 4; n++ {
		p := w.handOut(minute)
		got := w.hold(p[0], push)
		if wait := got.Until.Sub(w.now); wait != time.Duration(n)*time.Minute || got.Fails != 1 {
			w.Errorf("push-back %d: left alone for %v after %d times in a row", n, wait, got.Fails)
		}
		for _, p := range p[1:] {
			w.store(p)
		}
		w.now = got.Until
		w.must(w.ReleaseHost(w.Context(), hostOf(p[0].URL), w.now))
		w.pass(30 * time.Minute)
		w.admit(cr, page(fmt.Sprintf("http://a0.example/more/%d", n)))
	}
	// Another trouble has a count of its own.
	p := w.handOut(minute)
	if got := w.hold(p[0]); got.Until.Sub(w.now) != time.Minute {
		w.Errorf("another trouble is counted on: %+v", got)
	}
	w.must(w.ReleaseHost(w.Context(), hostOf(p[0].URL), w.now))
	w.pass(90 * time.Minute)
	w.admit(cr, page("http://a0.example/last"))
	p = w.handOut(minute)
	if got := w.hold(p[0], push); got.Until.Sub(w.now) != time.Minute {
		w.Errorf("what was long ago is not forgiven: left alone for %v", got.Until.Sub(w.now))
	}
	w.exact()
}

func givenUp(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 5)...)
	w.open()
	patience := func(h *catalog.Hold) { h.Patience = 10 * time.Minute }
	p, start := w.handOut(total(2))[0], w.now
	var got catalog.Held
	for range 10 {
		if got = w.hold(p, patience); got.GivenUp {
			break
		}
		w.now = got.Until
		p = w.probe()
	}
	if past := w.now.Sub(start); !got.GivenUp || past < 10*time.Minute || past > 20*time.Minute {
		w.Fatalf("after %v with a patience of 10 minutes, the host is held as %+v", past, got)
	}
	// All its pages go out, to fail; also one that comes new.
	fail := func(want int) {
		w.Helper()
		all := w.promote()
		if len(all) != 1 || all[0].GivenUp == nil || all[0].Probe || len(all[0].Pages) != want {
			w.Fatalf("promoted %+v, want %d pages that are to fail", all, want)
		}
		w.same("why", []any{all[0].GivenUp.Fault, all[0].GivenUp.Err, all[0].GivenUp.Fails}, []any{"unreachable", "it did not answer", got.Fails})
		for _, p := range all[0].Pages {
			w.fail(p, all[0].GivenUp.Fault)
		}
		w.exact()
	}
	fail(5)
	w.urls(cr, "http://a0.example/new")
	w.pass(time.Second)
	fail(1)
	w.nothing("of a host that has nothing")
	// Until it is tried once more.
	w.now = got.Until
	w.urls(cr, "http://a0.example/new 1", "http://a0.example/new 2")
	probe := w.probe()
	if got = w.hold(probe, patience); !got.GivenUp {
		w.Errorf("after another failed probe it is %+v", got)
	}
	fail(2)
	w.now = got.Until
	w.urls(cr, "http://a0.example/at last", "http://a0.example/at last 2")
	w.store(w.probe())
	w.must(w.ReleaseHost(w.Context(), "http://a0.example:80", w.now))
	w.same("handed out", len(w.handOut()), 1)
	w.exact()
}

// Whoever has pages at a host in trouble: one visit at a time tries it.
func singleProbe(w *world) {
	cr, other := w.crawl("a"), w.crawl("b")
	w.by("ann", cr, many("a", 1, 3)...)
	w.by("bob", other, many("a", 1, 3)...)
	w.by("bob", other, page("http://a0.example/urgent", priority(1)), page("http://a0.example/low", priority(-1)))
	w.open()
	pages := w.handOut()
	got := w.hold(pages[0])
	w.now = got.Until
	w.nothing("while visits from before are under way")
	for i, p := range pages[1:] {
		if i < 3 {
			w.hold(p, func(h *catalog.Hold) { h.Began = w.now.Add(-time.Hour) })
			continue
		}
		w.store(p)
	}
	w.now = w.trouble(pages[0].URL).Until
	probe := w.probe()
	for range 20 {
		w.pass(10 * time.Second)
		w.nothing("while it is probed")
	}
	w.exact()
	// A probe that is lost is followed by another.
	_, err := w.Requeue(w.Context(), []catalog.Lease{{Visit: probe.Visit, Page: probe.ID}}, w.now)
	w.must(err)
	w.pass(time.Minute)
	probe = w.probe()
	w.must(w.Postpone(w.Context(), catalog.Postponed{Page: probe.ID, Visit: probe.Visit, Due: w.now.Add(time.Hour)}))
	w.pass(time.Minute)
	// When its robots.txt is to be read first, that is the probe.
	w.pass(48 * time.Hour)
	all := w.promote()
	if len(all) != 1 || all[0].RobotsVisit == "" || !all[0].Probe || len(all[0].Pages) != 0 {
		w.Fatalf("promoted %+v, want robots.txt as the probe", all)
	}
	for range 3 {
		w.pass(10 * time.Second)
		w.nothing("while robots.txt is read")
	}
	w.must(w.SetRobots(w.Context(), all[0].HostID, all[0].RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}))
	if x := w.trouble(probe.URL); x.State != catalog.HostOK {
		w.Errorf("a host whose robots.txt was read has %+v", x)
	}
	w.same("handed out", len(w.handOut()), 4)
	w.exact()
}

// A robots.txt that cannot be had is a trouble of the host: nothing may be fetched, and everything waits.
func heldRobots(w *world) {
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 2)...)
	host, visit := w.robotsVisit()
	meet := func(visit string) catalog.Held {
		w.Helper()
		return w.hold(catalog.Promoted{URL: "http://a0.example/", Visit: visit}, func(h *catalog.Hold) { h.State, h.Fault = catalog.HostRobots, "robots_unavailable" })
	}
	got := meet(visit)
	if got.State != catalog.HostRobots || got.Fails != 1 {
		w.Errorf("held as %+v", got)
	}
	w.is(w.SetRobots(w.Context(), host, visit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}), catalog.ErrFenced)
	b, err := w.Backlog(w.Context(), w.now)
	w.must(err)
	w.same("backlog", b, catalog.Backlog{Robots: 2})
	w.nothing("while robots.txt cannot be had")
	w.now = got.Until
	all := w.promote()
	if len(all) != 1 || all[0].RobotsVisit == "" || all[0].RobotsVisit == visit || !all[0].Probe {
		w.Fatalf("promoted %+v, want another visit to robots.txt", all)
	}
	meet(visit) // a visit that is over takes nothing from the one that is under way
	w.must(w.SetRobots(w.Context(), host, all[0].RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}))
	w.same("trouble", w.trouble("http://a0.example/").State, catalog.HostOK)
	w.same("handed out", len(w.handOut()), 2)
	w.exact()
}
