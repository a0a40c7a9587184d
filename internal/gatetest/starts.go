package gatetest

import (
	"fmt"
	"sync"
	"time"

	"example.org/trawl/frontier"
)

func startsApart(g *guest) {
	all := []Moment{g.mustStart("a", polite(host))}
	for _, visit := range []string{"b", "b", "a"} { // also the same visit again: a redirect to its own host
		wait, at := g.start(visit, polite(host))
		if wait > Delay {
			g.Errorf("has to wait %v, longer than the delay", wait)
		}
		if wait == 0 {
			all = append(all, at)
			continue
		}
		if after := at.add(wait); !after.mayFollow(all[len(all)-1], Delay) {
			g.Errorf("is sent away for %v, and may then start %v after the last", wait, after.latest.Sub(all[len(all)-1].earliest))
		}
		all = append(all, g.mustStart(visit, polite(host)))
	}
	g.apart("start", all, Delay)
}

func startsConcurrent(g *guest) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []Moment
	units := []frontier.Unit{polite(host)}
	for i := range 6 {
		wg.Go(func() {
			for {
				asked := time.Now()
				wait, err := g.Start(g.Context(), units, fmt.Sprint("v", i), false)
				if err != nil {
					g.Error(err)
					return
				}
				if wait == 0 {
					mu.Lock()
					all = append(all, Since(asked))
					mu.Unlock()
					return
				}
				select {
				case <-time.After(wait):
				case <-g.Context().Done():
					return
				}
			}
		})
	}
	wg.Wait()
	if len(all) != 6 {
		g.Fatalf("%d of 6 started", len(all))
	}
	g.apart("start", all, Delay)
}

func startsEager(g *guest) {
	for i := range 50 {
		visit := fmt.Sprint(i)
		g.mustEnter(visit, eager(host))
		if wait, _ := g.start(visit, eager(host)); wait != 0 {
			g.Fatalf("start %d at a host without a delay has to wait %v", i, wait)
		}
		g.leave(visit, frontier.Seen{Lag: 5 * time.Millisecond}, eager(host))
	}
}

func longerDelay(g *guest) {
	// robots.txt, read a moment ago, may ask for more than the crawl did.
	began := g.mustStart("a", eager(host))
	wait, at := g.start("b", single(host))
	if after := at.add(wait); wait == 0 || !after.mayFollow(began, time.Hour) {
		g.Errorf("may start in %v, want in an hour", wait)
	}
	if slot := g.reserve(single(host), 1); !slot.mayFollow(began, time.Hour) {
		g.Errorf("has a slot in %v, want in an hour", slot.latest.Sub(began.earliest))
	}
}

func startsEverywhere(g *guest) {
	domain := frontier.Unit{Name: "domain example.org", Delay: 2 * time.Hour, Places: 9}
	ip := frontier.Unit{Name: "ip 192.0.2.1", Delay: 3 * time.Hour, Places: 9}
	a, b, c := single("http://a.example.org:80"), single("http://b.example.org:80"), single("http://c.example.org:80")
	began := g.mustStart("a", a, domain, ip)
	for _, step := range []struct {
		units []frontier.Unit
		delay time.Duration
		why   string
	}{
		{[]frontier.Unit{a}, time.Hour, "its own delay"},
		{[]frontier.Unit{b, domain}, 2 * time.Hour, "that of the domain"},
		{[]frontier.Unit{b, domain, ip}, 3 * time.Hour, "the longest of all"},
		{[]frontier.Unit{b, ip, domain}, 3 * time.Hour, "the longest of all"},
		{[]frontier.Unit{a, domain}, 2 * time.Hour, "the longest of all"},
	} {
		wait, at := g.start("v", step.units...)
		if next := at.add(wait); !next.mayBe(began.add(step.delay)) {
			g.Errorf("%s may start %v after the last, want %v: %s", step.units[0].Name, next.latest.Sub(began.earliest), step.delay, step.why)
		}
	}
	for _, free := range []frontier.Unit{b, c} {
		if wait, _ := g.start("v", free); wait != 0 {
			g.Errorf("%s has to wait %v: a start that was refused was noted", free.Name, wait)
		}
	}
}

func lagPushes(g *guest) {
	const lag = 20 * time.Millisecond
	g.mustEnter("a", polite(host))
	began := g.mustStart("a", polite(host))
	g.wait(lag) // the answer's first byte; the request may have reached the host only now
	g.leave("a", frontier.Seen{Lag: lag, End: frontier.Well}, polite(host))
	g.mustEnter("b", polite(host))
	next := g.mustStart("b", polite(host))
	if !next.mayFollow(began, lag+Delay) {
		g.Errorf("started %v after a request that may have been under way for %v, want %v between them", next.latest.Sub(began.earliest), lag, Delay)
	}
	// It is never taken to have arrived later than now.
	g.leave("b", frontier.Seen{Lag: time.Hour, End: frontier.Well}, polite(host))
	if wait, _ := g.start("c", polite(host)); wait > Delay {
		g.Errorf("has to wait %v, longer than the delay", wait)
	}
	// Slots are as far apart as starts have turned out to be, on average; a gate may count whole microseconds.
	_, apart, err := g.slot(polite(host), 1)
	average := (3*(lag/4) + 250*time.Millisecond) / 4
	if err != nil || (apart-Delay-average).Abs() > 2*time.Microsecond {
		g.Errorf("slots are %v apart (%v), want %v", apart, err, Delay+average)
	}
}

func lagBounded(g *guest) {
	// A server that thinks for long before it answers had the request all the while.
	const thought, delay = 600 * time.Millisecond, time.Second
	slow := frontier.Unit{Name: host, Delay: delay, Places: 1}
	g.mustEnter("a", slow)
	began := g.mustStart("a", slow)
	g.wait(thought)
	g.leave("a", frontier.Seen{Lag: thought, End: frontier.Well}, slow)
	wait, at := g.start("b", slow)
	if next := at.add(wait); !next.earliest.Before(began.latest.Add(delay + thought)) {
		g.Errorf("the next start is %v after the last: all of the answer's time was taken for the request's way", next.earliest.Sub(began.latest))
	}
}

func hostsApart(g *guest) {
	for _, name := range []string{"http://example.org:80", "https://example.org:443", "http://example.org:8080", "http://www.example.org:80"} {
		h := single(name)
		if slot := g.reserve(h, 3); slot.earliest.After(time.Now()) {
			g.Errorf("%s: a slot in %v", name, time.Until(slot.earliest))
		}
		if wait, _ := g.start("v", h); wait != 0 {
			g.Errorf("%s: a start in %v", name, wait)
		}
		if !g.enters("v", h) {
			g.Errorf("%s has no place", name)
		}
	}
}

func oddNames(g *guest) {
	for _, name := range []string{
		"", " ", "{", "}", "{}", "}{", "{a}", "a{b}c", `"`, `'`, `a"b'c`, "a b", "a\nb", "a\r\nDEL b", "a\x00b", "%s", "*", "ü.example", "\xff\xfe", "[2001:db8::1]:80",
		"epoch", "trawl:epoch", "trawl:{gate}:epoch", "nil", "0",
	} {
		h, visit := single(name), name+"'\"}"
		if wait, _ := g.start(visit, h); wait != 0 {
			g.Errorf("%q: shares its starts with another host", name)
		}
		if !g.enters(visit, h) {
			g.Errorf("%q: shares its places with another host", name)
		}
		if g.enters("other", h) {
			g.Errorf("%q: two visits in one place", name)
		}
		if wait, _ := g.start("other", h); wait == 0 {
			g.Errorf("%q: no delay between two starts", name)
		}
		if slot := g.reserve(h, 1); slot.latest.Before(time.Now().Add(time.Minute)) {
			g.Errorf("%q: a slot just after a start", name)
		}
		g.leave(visit, frontier.Seen{}, h)
		if !g.enters("other", h) {
			g.Errorf("%q: the place is not free again", name)
		}
	}
}
