package gatetest

import (
	"fmt"

	"example.org/trawl/frontier"
)

func held(g *guest) {
	h, other := eager(host), eager("http://example.org:80")
	domain := single("domain example.org")
	g.hold(host, 1)
	if !g.isHeld("v", false, h) {
		g.Error("a held host lets a visit in")
	}
	if g.isHeld("probe", true, h) {
		g.Error("a held host does not let a probe in")
	}
	if g.isHeld("v", false, other) {
		g.Error("another host is held")
	}
	if !g.isHeld("v", false, h, domain) {
		g.Error("a held host lets a visit in that comes with a domain")
	}
	// What was refused took no moment, and no place.
	g.mustEnter("w", other, domain)
	if wait, _ := g.start("w", other, domain); wait != 0 {
		g.Errorf("a start that was refused was noted: a wait of %v", wait)
	}
	g.leave("probe", frontier.Seen{}, h)

	slow := single(host) // a probe has no privilege but that
	probe := []frontier.Unit{slow}
	if wait, err := g.Start(g.Context(), probe, "probe", true); wait == 0 || err != nil {
		g.Errorf("a probe starts %v (%v) after another", wait, err)
	}
	if wait, err := g.Enter(g.Context(), probe, "probe", true); wait != 0 || err != nil {
		g.Errorf("a probe has to wait %v (%v) for a free place", wait, err)
	}
	if wait, err := g.Enter(g.Context(), probe, "another probe", true); wait == 0 || err != nil {
		g.Errorf("two probes in one place (%v)", err)
	}
}

func holdsCounted(g *guest) {
	h := eager(host)
	for i, step := range []struct {
		what  string
		holds int64
		held  bool
		why   string
	}{
		{"reserve", 0, false, "it was never held"},
		{"hold", 1, true, ""},
		{"hold", 1, true, "told twice"},
		{"reserve", 0, true, "that promotion was decided before the hold"},
		{"reserve", 1, false, "that one after it"},
		{"hold", 1, false, "this one was taken away: the message is late"},
		{"hold", 3, true, ""},
		{"hold", 2, true, "late"},
		{"reserve", 2, true, "decided before the third hold"},
		{"reserve", 4, false, "decided after the fourth, of which nobody told"},
		{"hold", 3, false, "late"},
		{"hold", 4, false, "late"},
		{"hold", 5, true, ""},
		{"reserve", 6, false, ""},
	} {
		if step.what == "hold" {
			g.hold(host, step.holds)
		} else {
			g.release(h, step.holds)
		}
		visit := fmt.Sprint("v", i)
		if held := g.isHeld(visit, false, h); held != step.held {
			g.Errorf("step %d, %s %d: held %v, want %v: %s", i+1, step.what, step.holds, held, step.held, step.why)
		}
		g.leave(visit, frontier.Seen{}, h)
	}
}

func heldInside(g *guest) {
	h := single(host)
	g.mustEnter("v", h)
	g.hold(host, 1)
	if !g.isHeld("v", false, h) {
		g.Error("who is in is not told of the hold")
	}
	if wait, err := g.Enter(g.Context(), []frontier.Unit{h}, "probe", true); wait == 0 || err != nil {
		g.Errorf("a probe took the place of a visit that is in (%v)", err)
	}
	// What it saw counts still.
	if bad := g.leave("v", frontier.Seen{End: frontier.Badly}, h); bad != 1 {
		g.Errorf("a streak of %d, want 1", bad)
	}
}

func streak(g *guest) {
	h := polite(host)
	for i, step := range []struct {
		end frontier.End
		bad int
	}{
		{frontier.Neither, 0},
		{frontier.Badly, 1},
		{frontier.Badly, 2},
		{frontier.Neither, 2},
		{frontier.Badly, 3},
		{frontier.Well, 0},
		{frontier.Badly, 1},
	} {
		g.mustEnter("v", h)
		for _, when := range []string{"first", "second"} { // a visit ends once
			if bad := g.leave("v", frontier.Seen{End: step.end}, h); bad != step.bad {
				g.Errorf("end %d, told for the %s time: a streak of %d, want %d", i+1, when, bad, step.bad)
			}
		}
	}
	other := polite("http://example.org:80")
	g.mustEnter("v", other)
	if bad := g.leave("v", frontier.Seen{End: frontier.Neither}, other); bad != 0 {
		g.Errorf("another host has a streak of %d", bad)
	}
}
