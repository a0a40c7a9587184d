package catalogtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"example.org/trawl/catalog"
)

func hostLists(w *world) {
	cr := w.crawl("a")
	for i, name := range []string{"one", "two", "three", "four"} {
		w.admit(cr, many(name, 1, i+1)...)
	}
	w.open()
	for _, p := range w.handOut() {
		if p.URL == "http://two0.example/0" {
			w.hold(p)
		} else {
			w.must(w.Postpone(w.Context(), catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now}))
		}
	}
	w.must(w.Pause(w.Context(), "host", "http://three0.example:80", w.now))
	list := func(state catalog.HostState, limit int) (out []string) {
		w.Helper()
		all, err := w.Hosts(w.Context(), state, limit)
		w.must(err)
		for _, h := range all {
			alone, err := w.Host(w.Context(), h.Name)
			w.must(err)
			w.same("host in the list and alone", h, alone)
			out = append(out, fmt.Sprint(h.Name, " ", h.Waiting, " ", h.Paused))
		}
		return out
	}
	w.same("hosts", list("", 10), []string{"http://four0.example:80 4 false", "http://three0.example:80 3 true", "http://two0.example:80 2 false", "http://one0.example:80 1 false"})
	w.same("two hosts", list("", 2), []string{"http://four0.example:80 4 false", "http://three0.example:80 3 true"})
	w.same("dead hosts", list(catalog.HostDead, 10), []string{"http://two0.example:80 2 false"})
	w.same("paused hosts", list(catalog.HostPaused, 10), []string{"http://three0.example:80 3 true"})
	w.same("hosts without a name to resolve", list(catalog.HostDNS, 10), []string(nil))
	_, err := w.Hosts(w.Context(), "sleepy", 10)
	w.is(err, catalog.ErrNotFound)
	w.exact()
}

// What a page waits for, by the state of its host.
func backlog(w *world) {
	is := func(want catalog.Backlog) {
		w.Helper()
		got, err := w.Backlog(w.Context(), w.now)
		w.must(err)
		w.same("backlog", got, want)
		w.exact()
	}
	is(catalog.Backlog{})
	cr := w.crawl("a", slow)
	for _, name := range []string{"a", "b", "c", "d"} {
		w.admit(cr, many(name, 1, 9)...)
	}
	is(catalog.Backlog{Robots: 36})
	w.open()
	is(catalog.Backlog{Room: 36})
	got := w.handOut(minute)
	is(catalog.Backlog{Polite: 12})
	state := map[string]catalog.HostState{"http://b0.example:80": catalog.HostDNS, "http://c0.example:80": catalog.HostBackoff, "http://d0.example:80": catalog.HostDead}
	for _, p := range got {
		if s, ok := state[hostOf(p.URL)]; ok {
			w.hold(p, func(h *catalog.Hold) { h.State = s })
		}
	}
	is(catalog.Backlog{Polite: 3, DNS: 9, Backoff: 18})

	later := w.crawl("later")
	w.store(w.seedBeside(later, page("http://e.example/")))
	_, err := w.Recrawl(w.Context(), later.ID, w.now.Add(time.Hour))
	w.must(err)
	is(catalog.Backlog{Polite: 3, DNS: 9, Backoff: 18, Room: 1, Later: 1})
	w.must(w.Pause(w.Context(), "crawl", "later", w.now))
	is(catalog.Backlog{Polite: 3, DNS: 9, Backoff: 18, Room: 1, Later: 1, Paused: 1})
}

// seedBeside is seed beside hosts that have pages of their own to hand out.
func (w *world) seedBeside(cr catalog.Crawl, p catalog.Candidate) (out catalog.Promoted) {
	w.Helper()
	w.admit(cr, p)
	for range 2 {
		for _, b := range w.promote(minute) {
			if b.RobotsVisit != "" {
				w.must(w.SetRobots(w.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}))
			}
			for _, v := range b.Pages {
				if v.URL == p.URL {
					out = v
				}
			}
		}
	}
	if out.ID == 0 {
		w.Fatalf("%s was not handed out", p.URL)
	}
	return out
}

// Postponed, a page waits for another try, and remembers the last twenty.
func postpone(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.admit(cr, page("http://a.example/"))
	w.open()
	var want []catalog.Attempt
	for n := range 25 {
		p := w.one()
		a := catalog.Attempt{
			At: w.now, Stage: "fetch", Fault: "stalled", Err: fmt.Sprint("the body stalled ", n),
			Took: catalog.Took{Connect: time.Millisecond, TLS: 2 * time.Millisecond, FirstByte: 3 * time.Microsecond, Body: time.Duration(n) * time.Second},
		}
		want = append(want, a)
		spent := n%2 == 0
		out := catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now.Add(time.Minute), Spent: spent, Attempt: a}
		w.must(w.Postpone(ctx, out))
		w.is(w.Postpone(ctx, out), catalog.ErrFenced)
		_, err := w.Store(ctx, w.found(p))
		w.is(err, catalog.ErrFenced)
		got := w.page("a", p.URL)
		if got.State != catalog.Waiting || got.Tries != n/2+1 || got.Fault != "stalled" || !got.Due.Equal(out.Due) || got.Visit != "" || got.Reason != "" {
			w.Errorf("after try %d the page is %+v", n, got)
		}
		w.exact()
		b, err := w.Backlog(ctx, w.now)
		w.must(err)
		w.same("backlog", []int64{b.Retry, b.Later}, []int64{1, 0})
		w.pass(time.Minute - time.Millisecond)
		w.nothing("before it is due")
		w.pass(time.Millisecond)
	}
	p := w.one()
	w.same("tries", p.Tries, 13)
	tried, err := w.Attempts(ctx, p.ID)
	w.must(err)
	w.same("attempts", tried, want[5:])
	// Stored, it has all its tries again.
	w.store(p)
	if got := w.page("a", p.URL); got.Tries != 0 || got.Fault != "" {
		w.Errorf("stored, the page is %+v", got)
	}
	w.is(w.Postpone(ctx, catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now}), catalog.ErrFenced)
	w.is(w.Postpone(ctx, catalog.Postponed{Page: 1 << 40, Visit: "x", Due: w.now}), catalog.ErrFenced)
	w.state("a", p.URL, catalog.Stored)
	w.exact()
}

func outages(w *world) {
	ctx := w.Context()
	down := func() []catalog.Outage {
		w.Helper()
		all, err := w.Outages(ctx)
		w.must(err)
		for i := range all {
			all[i].Since = all[i].Since.UTC()
		}
		return all
	}
	w.same("outages", len(down()), 0)
	dns, disk := catalog.Outage{Kind: "dns_down", Since: w.now, Err: "no server answers"}, catalog.Outage{Kind: "disk_full", Since: w.now.Add(time.Second), Err: "no space"}
	w.must(w.Declare(ctx, dns, w.now.Add(time.Second)))
	w.must(w.Declare(ctx, catalog.Outage{Kind: "dns_down", Since: w.now.Add(time.Minute), Err: "another"}, w.now.Add(time.Hour)))
	w.must(w.Declare(ctx, disk, w.now.Add(time.Hour)))
	w.same("outages", down(), []catalog.Outage{disk, dns})
	// One of many has the turn, once it has come, and then nobody for another while.
	for round := range 3 {
		if mine, err := w.Probe(ctx, "dns_down", w.now.Add(999*time.Millisecond), w.later()); mine || err != nil {
			w.Errorf("round %d: probed too early (%v)", round, err)
		}
		w.pass(time.Second)
		var turns atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				mine, err := w.Probe(ctx, "dns_down", w.now, w.now.Add(time.Second))
				if err != nil {
					w.Error(err)
				}
				if mine {
					turns.Add(1)
				}
			})
		}
		wg.Wait()
		w.same("callers that had the turn", turns.Load(), int32(1))
	}
	if mine, err := w.Probe(ctx, "uplink_down", w.later(), w.later()); mine || err != nil {
		w.Errorf("probed what is not down (%v)", err)
	}
	w.must(w.EndOutage(ctx, "dns_down"))
	w.must(w.EndOutage(ctx, "dns_down"))
	w.same("outages", down(), []catalog.Outage{disk})
	if mine, err := w.Probe(ctx, "dns_down", w.later(), w.later()); mine || err != nil {
		w.Errorf("probed what is over (%v)", err)
	}
}
