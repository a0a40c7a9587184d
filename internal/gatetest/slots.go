package gatetest

import (
	"sync"
	"time"

	"example.org/trawl/frontier"
)

func slotsApart(g *guest) {
	asked := time.Now()
	first := g.reserve(polite(host), 1)
	if first.latest.Before(asked) {
		g.Errorf("the first slot is %v before it was asked for", asked.Sub(first.latest))
	}
	if now := time.Now(); first.earliest.After(now) {
		g.Errorf("nobody was here yet, and the first slot is %v away", first.earliest.Sub(now))
	}
	all := []Moment{first}
	for _, n := range []int{1, 3, 1, 20, 2} {
		slot := g.reserve(polite(host), n)
		for i := range n {
			all = append(all, slot.add(time.Duration(i)*Delay))
		}
	}
	g.apart("slot", all, Delay)
	if last := all[len(all)-1]; last.earliest.After(first.latest.Add(27 * Delay)) {
		g.Errorf("28 slots span %v: some are lost", last.earliest.Sub(first.latest))
	}
}

func slotsConcurrent(g *guest) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []Moment
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				n := 1 + (i+j)%3
				m, _, err := g.slot(polite(host), n)
				if err != nil {
					g.Error(err)
					return
				}
				mu.Lock()
				for k := range n {
					all = append(all, m.add(time.Duration(k)*Delay))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	g.apart("slot", all, Delay)
}

func slotAfterStart(g *guest) {
	// Whoever starts late, without a slot or after its own, must not meet the next one.
	began := g.mustStart("late", polite(host))
	slot := g.reserve(polite(host), 2)
	if !slot.mayFollow(began, Delay) {
		g.Errorf("a slot %v after a start", slot.latest.Sub(began.earliest))
	}
	again := g.mustStart("v", polite(host))
	next := g.reserve(polite(host), 1)
	g.apart("slot", []Moment{slot, slot.add(Delay), next}, Delay)
	if !next.mayFollow(again, Delay) {
		g.Errorf("a slot %v after a start", next.latest.Sub(again.earliest))
	}
}

func slotsEager(g *guest) {
	for range 20 {
		if slot := g.reserve(eager(host), 1000); slot.earliest.After(time.Now()) {
			g.Fatalf("a slot %v away at a host without a delay", time.Until(slot.earliest))
		}
	}
}

func slotsUrgent(g *guest) {
	slow := frontier.Unit{Name: host, Delay: time.Hour, Places: 1}
	first := g.reserve(slow, 10)
	if at := g.urgent(slow, "u", "v"); at.earliest.After(time.Now()) {
		g.Errorf("nobody has started, and an urgent slot is %v away", time.Until(at.earliest))
	}
	// What was handed out is not taken back, and nobody else is to meet it.
	if next := g.reserve(slow, 1); !next.mayBe(first.add(12 * time.Hour)) {
		g.Errorf("the next slot is %v after the first of twelve", next.latest.Sub(first.earliest))
	}
	began := g.mustStart("a", slow)
	if at := g.urgent(slow, "w"); !at.mayBe(began.add(time.Hour)) {
		g.Errorf("an urgent slot is %v after a start, want the delay", at.latest.Sub(began.earliest))
	}
	if next := g.reserve(slow, 1); !next.mayBe(first.add(14 * time.Hour)) {
		g.Errorf("the next slot is %v after the first of fourteen", next.latest.Sub(first.earliest))
	}
}

// Who is urgent and who was given the same moment before come at once: the urgent one starts.
func urgentEnters(g *guest) {
	u := frontier.Unit{Name: host, Delay: Delay, Places: 1}
	g.mustEnter("inside", u)
	g.urgent(u, "1e3", "second")
	if wait, _ := g.enter("inside", u); wait != 0 {
		g.Errorf("who has a place is sent away for %v", wait)
	}
	g.leave("inside", frontier.Seen{}, u)
	for _, v := range []string{"1e3", "second"} {
		if g.enters("other", u) {
			g.Fatalf("another is let in before %s", v)
		}
		g.mustEnter(v, u)
		g.mustStart(v, u)
		g.leave(v, frontier.Seen{}, u)
	}
	if !g.enters("other", u) {
		g.Error("nobody urgent is left, and another is sent away")
	}
	g.leave("other", frontier.Seen{}, u)
	// At a host without a delay nobody has moments to take.
	g.urgent(eager(host), "third")
	if !g.enters("other", eager(host)) {
		g.Error("a host without a delay lets one pass that has no moment there")
	}
}

func slotsRecalled(g *guest) {
	slow := frontier.Unit{Name: host, Delay: time.Hour, Places: 1}
	g.reserve(slow, 10)
	if err := g.Recall(g.Context(), host); err != nil {
		g.Fatal(err)
	}
	if at := g.reserve(slow, 1); at.earliest.After(time.Now()) {
		g.Errorf("nobody has started, and the first slot after a recall is %v away", time.Until(at.earliest))
	}
	began := g.mustStart("a", slow)
	if err := g.Recall(g.Context(), host); err != nil {
		g.Fatal(err)
	}
	if at := g.reserve(slow, 1); !at.mayBe(began.add(time.Hour)) {
		g.Errorf("the first slot is %v after a start, want the delay", at.latest.Sub(began.earliest))
	}
}

// averages are what answers of 3 s and then 1 s leave, the newest with a weight of a quarter.
var averages = []struct{ lag, delay time.Duration }{
	{3 * time.Second, 3 * time.Second * frontier.Slowness},
	{time.Second, 2500 * time.Millisecond * frontier.Slowness},
	{time.Hour, 30 * time.Second},
}

func adapts(g *guest) {
	const way = 250 * time.Millisecond // as much as an answer's time counts for the request's own
	slow := frontier.Unit{Name: host, Delay: time.Millisecond, Places: 1, Adapt: true}
	steady := slow
	steady.Adapt = false
	began := g.mustStart("first", slow)
	for i, a := range averages {
		g.mustEnter("v", slow)
		g.leave("v", frontier.Seen{Lag: a.lag, End: frontier.Well}, slow)
		least, most := began.add(a.delay), began.add(a.delay+time.Duration(i+1)*way)
		wait, at := g.start("w", slow)
		if next := at.add(wait); !next.mayFollow(least, 0) || !most.mayFollow(next, 0) {
			g.Errorf("answer %d took %v; the next start is %v after the last, want %v", i, a.lag, next.latest.Sub(began.earliest), a.delay)
		}
		first, apart, err := g.slot(slow, 1)
		if err != nil {
			g.Fatal(err)
		}
		if !first.mayFollow(least, 0) || apart < a.delay || apart > a.delay+way {
			g.Errorf("answer %d took %v; slots come after %v, and are %v apart", i, a.lag, first.latest.Sub(began.earliest), apart)
		}
		// The other crawl of this host did not ask for it.
		if _, apart, _ := g.slot(steady, 0); apart > steady.Delay+way {
			g.Errorf("a host that is not to adapt has slots %v apart", apart)
		}
	}
	g.wait(steady.Delay) // the last start never moves beyond the present
	if wait, _ := g.start("x", steady); wait != 0 {
		g.Errorf("a host that is not to adapt has a start in %v", wait)
	}
}

func adaptsNothing(g *guest) {
	u := frontier.Unit{Name: host, Places: 1, Adapt: true}
	g.mustEnter("v", u)
	g.mustStart("v", u)
	g.leave("v", frontier.Seen{Lag: time.Hour}, u)
	first, apart, err := g.slot(u, 5)
	if err != nil || apart != 0 || first.earliest.After(time.Now()) {
		g.Errorf("slots in %v, %v apart (%v), want at once", time.Until(first.earliest), apart, err)
	}
	if wait, _ := g.start("w", u); wait != 0 {
		g.Errorf("a start in %v, want at once", wait)
	}
}
