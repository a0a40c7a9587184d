package gatetest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
)

var longSuite = map[string]func(*guest){
	"the place of the dead is free again":          deadPlaces,
	"moments that nobody came for disappear":       turnsUnclaimed,
	"who waits for a place does not lose its turn": turnsWaiting,
	"who is urgent and never comes":                urgentAbsent,
	"a moment is used once":                        turnsUsed,
	"a place is renewed through a hold":            heldStays,
	"a hold ends after thirty days":                holdEnds,
	"a streak lasts until the next try":            streakLasts,
}

// RunLong runs what takes minutes and days. Open returns a gate at which no host was ever touched, and what moves its clock.
func RunLong(t *testing.T, open func(t *testing.T) (handlers.Gate, func(time.Duration))) {
	for name, test := range longSuite {
		t.Run(name, func(t *testing.T) {
			gate, pass := open(t)
			test(&guest{T: t, Gate: gate, pass: pass})
		})
	}
}

// RunLongInBubble runs the same in synthetic time.
func RunLongInBubble(t *testing.T, open func(t *testing.T) handlers.Gate) {
	for name, test := range longSuite {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(&guest{T: t, Gate: open(t)}) })
		})
	}
}

func deadPlaces(g *guest) {
	h, domain := frontier.Unit{Name: host, Places: 1}, frontier.Unit{Name: "domain example.org", Places: 1}
	g.mustEnter("a", h, domain)
	for range 2 {
		g.wait(frontier.Permit - time.Second)
		g.mustEnter("a", h, domain) // it lives
	}
	g.wait(frontier.Permit - time.Second)
	if g.enters("b", h) || g.enters("b", door(1), domain) {
		g.Error("took the place of one that renewed it")
	}
	g.wait(2 * time.Second)
	g.mustEnter("b", h, domain)
}

// queue lets many visits ask for a moment at the unit, one after the other: v1 has one in a delay, v2 in two.
func (g *guest) queue(u frontier.Unit, visits int) {
	g.Helper()
	g.mustEnter("v0", door(0), u)
	g.leave("v0", frontier.Seen{}, door(0), u)
	for i := 1; i < visits; i++ {
		if g.enters(fmt.Sprint("v", i), door(i), u) {
			g.Fatalf("visit %d is let in at once", i)
		}
	}
}

func turnsUnclaimed(g *guest) {
	const kept = time.Minute // besides the delay
	domain := wide(10 * time.Second)
	g.queue(domain, 50)
	g.wait(domain.Delay + kept + domain.Delay - time.Second)
	if wait, _ := g.enter("v1", door(1), domain); wait != 0 {
		g.Errorf("who comes late, but before its moment disappeared, has to wait %v", wait)
	}
	g.wait(domain.Delay + 2*time.Second)
	if wait, _ := g.enter("v2", door(2), domain); wait < 5*time.Minute {
		g.Errorf("who comes after its moment disappeared has to wait %v, want a moment behind all others", wait)
	}
	if wait, _ := g.enter("v3", door(3), domain); wait != 0 {
		g.Errorf("the next, too, has lost its moment: it has to wait %v", wait)
	}
}

func turnsWaiting(g *guest) {
	domain, full := wide(10*time.Second), frontier.Unit{Name: "ip 192.0.2.1", Places: 1}
	elsewhere := eager("http://example.com:80")
	g.queue(domain, 50)
	for range 10 {
		g.mustEnter("there", elsewhere, full)
		wait, _ := g.enter("v1", door(1), domain, full)
		if wait == 0 || wait > time.Minute {
			g.Errorf("has to wait %v for a place", wait)
		}
		g.wait(30 * time.Second)
	}
	g.leave("there", frontier.Seen{}, elsewhere, full)
	g.mustEnter("v1", door(1), domain, full)
}

func urgentAbsent(g *guest) {
	h := frontier.Unit{Name: host, Delay: time.Minute, Places: 1}
	g.urgent(h, "dead", "dead too")
	g.wait(time.Minute)
	if g.enters("v", h) {
		g.Error("is let in at the moment of one that is urgent")
	}
	g.wait(10 * time.Second)
	g.mustEnter("v", h)
}

func turnsUsed(g *guest) {
	// A visit that asks for the header and then for the whole comes twice.
	domain := wide(time.Hour)
	g.queue(domain, 3)
	g.wait(domain.Delay)
	g.mustEnter("v1", door(1), domain)
	g.leave("v1", frontier.Seen{}, door(1), domain)
	if wait, _ := g.enter("v1", door(1), domain); wait < domain.Delay {
		g.Errorf("comes again and has to wait %v, want a moment behind the others", wait)
	}
}

func heldStays(g *guest) {
	h := frontier.Unit{Name: host, Places: 1}
	g.mustEnter("v", h)
	g.hold(host, 1)
	for range 3 {
		g.wait(frontier.Permit - time.Second)
		if !g.isHeld("v", false, h) {
			g.Error("who is in is not told of the hold")
		}
	}
	if wait, err := g.Enter(g.Context(), []frontier.Unit{h}, "probe", true); wait == 0 || err != nil {
		g.Errorf("a probe took the place of a visit that renewed it (%v)", err)
	}
}

func holdEnds(g *guest) {
	const day = 24 * time.Hour
	h := eager(host)
	g.hold(host, 1)
	g.wait(29 * day)
	if !g.isHeld("v", false, h) {
		g.Error("not held any more after 29 days")
	}
	g.wait(2 * day)
	if g.isHeld("v", false, h) {
		g.Error("still held after 31 days")
	}
}

func streakLasts(g *guest) {
	h := eager(host)
	for bad := 1; bad < 4; bad++ {
		g.mustEnter("v", h)
		if got := g.leave("v", frontier.Seen{End: frontier.Badly}, h); got != bad {
			g.Errorf("a streak of %d, want %d", got, bad)
		}
		g.wait(24 * time.Hour) // the longest that a host may ask us to stay away
	}
}
