package gatetest

import (
	"fmt"
	"sync"
	"time"

	"example.org/trawl/frontier"
)

func placesBounded(g *guest) {
	for _, step := range []struct {
		visit string
		leave bool
		in    bool
		why   string
	}{
		{"a", false, true, "the host is free"},
		{"b", false, true, "there are two places"},
		{"c", false, false, "both are taken"},
		{"a", false, true, "it is in: a stage that runs twice takes no second place"},
		{"c", false, false, "both are taken still"},
		{"b", true, false, ""},
		{"c", false, true, "one left"},
		{"d", false, false, "both are taken again"},
		{"c", true, false, ""},
		{"c", true, false, "leaving twice frees no second place"},
		{"d", false, true, "one left"},
		{"e", false, false, "a and d are in"},
	} {
		if step.leave {
			g.leave(step.visit, frontier.Seen{}, polite(host))
			continue
		}
		wait, _ := g.enter(step.visit, polite(host))
		if in := wait == 0; in != step.in {
			g.Errorf("%s enters: %v, want %v: %s", step.visit, in, step.in, step.why)
		}
		if wait > time.Minute {
			g.Errorf("%s is asked to come again in %v", step.visit, wait)
		}
	}
}

func placesConcurrent(g *guest) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	in := 0
	units := []frontier.Unit{eager(host)}
	for i := range 16 {
		wg.Go(func() {
			wait, err := g.Enter(g.Context(), units, fmt.Sprint("v", i), false)
			if err != nil {
				g.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if wait == 0 {
				in++
			}
		})
	}
	wg.Wait()
	if in != units[0].Places {
		g.Errorf("%d visits of 16 are at the host, want %d", in, units[0].Places)
	}
}

func placesEverywhere(g *guest) {
	place := func(name string) frontier.Unit { return frontier.Unit{Name: name, Places: 1} }
	a, b, c := place("http://a.example.org:80"), place("http://b.example.org:80"), place("http://c.example.com:80")
	domain, ip := place("domain example.org"), place("ip 192.0.2.1")
	g.mustEnter("1", a, domain, ip)
	for _, refused := range [][]frontier.Unit{{a}, {b, domain}, {c, ip}, {b, domain, ip}} {
		if g.enters("2", refused...) {
			g.Errorf("2 is let in at %v, and 1 is at one of them", refused)
		}
	}
	for i, free := range []frontier.Unit{b, c} { // nor did it take a place that there was
		g.mustEnter(fmt.Sprint("free ", i), free)
		g.leave(fmt.Sprint("free ", i), frontier.Seen{}, free)
	}
	g.mustEnter("1", a, domain, ip)
	g.leave("1", frontier.Seen{}, a, domain, ip)
	g.mustEnter("2", b, domain)
	g.mustEnter("3", c, ip)
}

func strangerLeaves(g *guest) {
	one := frontier.Unit{Name: host, Delay: time.Millisecond, Places: 1, Adapt: true}
	seen := frontier.Seen{Lag: time.Hour, End: frontier.Badly}
	g.leave("stranger", seen, one)
	g.mustEnter("a", one)
	if bad := g.leave("stranger", seen, one); bad != 0 {
		g.Errorf("a streak of %d, by somebody who was not there", bad)
	}
	if g.enters("b", one) {
		g.Error("somebody who was not there made room")
	}
	if _, apart, err := g.slot(one, 1); err != nil || apart != one.Delay {
		g.Errorf("slots are %v apart (%v), by somebody who was not there", apart, err)
	}
}
