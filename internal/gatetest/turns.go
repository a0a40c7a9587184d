package gatetest

import (
	"fmt"
	"time"

	"example.org/trawl/frontier"
)

// wide is a domain that is as slow as it is told and has places for all.
func wide(delay time.Duration) frontier.Unit {
	return frontier.Unit{Name: "domain example.org", Delay: delay, Places: 100}
}

// door returns the i-th of many hosts, at which nothing has to wait.
func door(i int) frontier.Unit { return eager(fmt.Sprintf("http://%d.example.org:80", i)) }

func turnsInOrder(g *guest) {
	domain := wide(time.Hour)
	asked := time.Now()
	g.mustEnter("v0", door(0), domain)
	came := Since(asked)
	for round := range 2 { // who asks early has the same moment, also when others have asked since
		for i := 1; i < 6; i++ {
			wait, at := g.enter(fmt.Sprint("v", i), door(i), domain)
			if turn := at.add(wait); !turn.mayBe(came.add(time.Duration(i) * domain.Delay)) {
				g.Errorf("round %d: the moment of visit %d is %v after the first came", round, i, turn.latest.Sub(came.earliest))
			}
		}
	}
	if !g.enters("v0", door(0), domain) {
		g.Error("who is in has to wait")
	}
}

func turnsKept(g *guest) {
	domain, ip := wide(time.Hour), frontier.Unit{Name: "ip 192.0.2.1", Places: 1}
	asked := time.Now()
	g.mustEnter("first", door(0), domain)
	came := Since(asked)
	g.mustEnter("elsewhere", eager("http://example.com:80"), ip)
	// Its address has no place for it; its moment at the domain is its own all the same.
	second, third := came.add(domain.Delay), came.add(2*domain.Delay)
	if wait, at := g.enter("second", door(1), domain, ip); !at.add(wait).mayBe(second) {
		g.Errorf("has to wait %v, want the longest wait of all units", wait)
	}
	if wait, at := g.enter("third", door(2), domain); !at.add(wait).mayBe(third) {
		g.Errorf("the third has to wait %v, want two hours", wait)
	}
	if wait, at := g.enter("second", door(1), domain); !at.add(wait).mayBe(second) {
		g.Errorf("has to wait %v when it asks again, want its own moment", wait)
	}
	// Nor has its host, now.
	narrow := frontier.Unit{Name: "http://narrow.example.org:80", Places: 1}
	g.mustEnter("in", narrow)
	if wait, at := g.enter("fourth", narrow, domain); !at.add(wait).mayBe(came.add(3 * domain.Delay)) {
		g.Errorf("the fourth has to wait %v, want three hours", wait)
	}
	if wait, at := g.enter("fifth", door(3), domain); !at.add(wait).mayBe(came.add(4 * domain.Delay)) {
		g.Errorf("the fifth has to wait %v, want four hours", wait)
	}
	// It took no place while it was sent away.
	g.leave("elsewhere", frontier.Seen{}, eager("http://example.com:80"), ip)
	g.mustEnter("elsewhere again", eager("http://example.com:80"), ip)
}

func turnsOnce(g *guest) {
	domain := wide(Delay / 2)
	ip := frontier.Unit{Name: "ip 192.0.2.1", Delay: Delay, Places: 100}
	units := func(i int) []frontier.Unit {
		u := []frontier.Unit{door(i), domain}
		if i%2 == 0 {
			u = append(u, ip)
		}
		return u
	}
	const visits = 8
	var back [visits]time.Time
	for i := range visits {
		wait, at := g.enter(fmt.Sprint("v", i), units(i)...)
		back[i] = at.latest.Add(wait)
	}
	// Whoever comes in between asks for a moment after theirs, and for its own host's places.
	g.enter("newcomer", units(0)...)
	for i := range visits {
		g.wait(max(time.Until(back[i]), 0))
		if wait, _ := g.enter(fmt.Sprint("v", i), units(i)...); wait != 0 {
			g.Errorf("visit %d came when it was told to and has to wait another %v", i, wait)
		}
	}
}

func turnsReady(g *guest) {
	// The domain is ready and the address is not: nobody is to wait at the domain for one who is not coming.
	domain, ip := wide(time.Hour), frontier.Unit{Name: "ip 192.0.2.1", Delay: 2 * time.Hour, Places: 100}
	g.mustEnter("elsewhere", eager("http://example.com:80"), ip)
	if g.enters("v", door(1), domain, ip) {
		g.Error("an address that is not ready lets a visit in")
	}
	g.mustEnter("w", door(2), domain)
	// A start takes the moments that follow it, whoever starts.
	began := g.mustStart("w", door(2), domain)
	if wait, at := g.enter("x", door(3), domain); !at.add(wait).mayFollow(began, domain.Delay) {
		g.Errorf("enters %v after a start", at.add(wait).latest.Sub(began.earliest))
	}
}

func turnsEager(g *guest) {
	domain := frontier.Unit{Name: "domain example.org", Places: 2}
	g.mustEnter("a", door(0), domain)
	g.mustEnter("b", door(1), domain)
	if g.enters("c", door(2), domain) {
		g.Error("a third visit in two places")
	}
	g.leave("a", frontier.Seen{}, door(0), domain)
	g.mustEnter("c", door(2), domain)
}
