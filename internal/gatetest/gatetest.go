// Package gatetest holds what every gate must do: handlers.Gate says what that is.
//
// A gate that has a clock of its own answers in another process, so a test never knows the moment at which it decided, only that
// this was between the question and the answer. Every claim about a gap is made from those two bounds and holds on the slowest
// machine; inside a testing/synctest bubble both are one moment and the claim is exact.
package gatetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
)

// Delay is what the tests keep between two starts, and the least that a test waits.
const Delay = 40 * time.Millisecond

var (
	polite = frontier.Limit{Delay: Delay, PerHost: 2}
	eager  = frontier.Limit{PerHost: 3}
)

// Run runs the suite. Open returns a gate at which no host was ever touched.
func Run(t *testing.T, open func(t *testing.T) handlers.Gate) {
	run(t, open, func(t *testing.T, test func(*testing.T)) { test(t) })
}

// RunInBubble runs the suite in synthetic time, for a gate whose clock is that of package time.
func RunInBubble(t *testing.T, open func(t *testing.T) handlers.Gate) { run(t, open, synctest.Test) }

func run(t *testing.T, open func(*testing.T) handlers.Gate, around func(*testing.T, func(*testing.T))) {
	for name, test := range map[string]func(*guest){
		"slots are a delay apart":                   slotsApart,
		"slots are a delay apart for many at once":  slotsConcurrent,
		"a slot comes after a start":                slotAfterStart,
		"slots without a delay":                     slotsEager,
		"starts are a delay apart":                  startsApart,
		"starts are a delay apart for many at once": startsConcurrent,
		"starts without a delay":                    startsEager,
		"a longer delay holds at once":              longerDelay,
		"places are bounded":                        placesBounded,
		"places are bounded for many at once":       placesConcurrent,
		"who never entered leaves nothing":          strangerLeaves,
		"a late arrival pushes the next start":      lagPushes,
		"a slow answer is not taken for a late one": lagBounded,
		"hosts do not share anything":               hostsApart,
		"hosts with odd names":                      oddNames,
	} {
		t.Run(name, func(t *testing.T) {
			around(t, func(t *testing.T) { test(&guest{t, open(t)}) })
		})
	}
}

// FirstTouch checks a gate that knows nothing of the time before since: whatever was touched then, no host is touched, nor a slot
// handed out, before a delay has passed.
func FirstTouch(t *testing.T, g handlers.Gate, since time.Time) {
	t.Helper()
	v := &guest{t, g}
	if slot := v.reserve("http://slot.example:80", polite, 1); slot.latest.Before(since.Add(Delay)) {
		t.Errorf("the first slot is %v after the gate forgot everything, want at least %v", slot.latest.Sub(since), Delay)
	}
	if began := v.mustStart("http://start.example:80", "v", polite); began.latest.Before(since.Add(Delay)) {
		t.Errorf("the first start is %v after the gate forgot everything, want at least %v", began.latest.Sub(since), Delay)
	}
}

// guest is a visit, or many, at a gate.
type guest struct {
	*testing.T
	handlers.Gate
}

// moment is a moment that lies between two known ones.
type moment struct{ earliest, latest time.Time }

func (m moment) add(d time.Duration) moment { return moment{m.earliest.Add(d), m.latest.Add(d)} }

// mayFollow tells whether m can be d after earlier, or more.
func (m moment) mayFollow(earlier moment, d time.Duration) bool {
	return !m.latest.Before(earlier.earliest.Add(d))
}

func (g *guest) apart(what string, all []moment, d time.Duration) {
	g.Helper()
	slices.SortFunc(all, func(a, b moment) int { return a.latest.Compare(b.latest) })
	for i := 1; i < len(all); i++ {
		if !all[i].mayFollow(all[i-1], d) {
			g.Errorf("%s %d is at most %v after the one before it, want at least %v", what, i, all[i].latest.Sub(all[i-1].earliest), d)
		}
	}
}

func (g *guest) reserve(host string, l frontier.Limit, n int) moment {
	g.Helper()
	asked := time.Now()
	slot, _, err := g.Reserve(g.Context(), host, l, n)
	if err != nil {
		g.Fatal(err)
	}
	// A gate of another process tells how far away the slot is, and the answer took its time.
	return moment{slot.Add(-time.Since(asked)), slot}
}

// start asks for a start, and returns the wait and when that was decided.
func (g *guest) start(host, visit string, l frontier.Limit) (time.Duration, moment) {
	g.Helper()
	asked := time.Now()
	wait, err := g.Start(g.Context(), host, visit, l)
	if err != nil {
		g.Fatal(err)
	}
	if wait < 0 {
		g.Errorf("a wait of %v", wait)
	}
	return wait, moment{asked, time.Now()}
}

// mustStart waits as it is told and returns when it started.
func (g *guest) mustStart(host, visit string, l frontier.Limit) moment {
	g.Helper()
	for {
		wait, at := g.start(host, visit, l)
		if wait == 0 {
			return at
		}
		g.wait(wait)
	}
}

func (g *guest) wait(d time.Duration) {
	g.Helper()
	select {
	case <-time.After(d):
	case <-g.Context().Done():
		g.Fatal("the test ended while it waited for its turn")
	}
}

func (g *guest) enter(host, visit string, l frontier.Limit) bool {
	g.Helper()
	wait, err := g.Enter(g.Context(), host, visit, l)
	if err != nil {
		g.Fatal(err)
	}
	if wait < 0 || wait > time.Minute {
		g.Errorf("asked to come again in %v", wait)
	}
	return wait == 0
}

func (g *guest) leave(host, visit string, lag time.Duration) {
	g.Helper()
	if err := g.Leave(g.Context(), host, visit, lag); err != nil {
		g.Fatal(err)
	}
}

const host = "https://example.org:443"

func slotsApart(g *guest) {
	asked := time.Now()
	first := g.reserve(host, polite, 1)
	if first.latest.Before(asked) {
		g.Errorf("the first slot is %v before it was asked for", asked.Sub(first.latest))
	}
	if now := time.Now(); first.earliest.After(now) {
		g.Errorf("nobody was here yet, and the first slot is %v away", first.earliest.Sub(now))
	}
	all := []moment{first}
	for _, n := range []int{1, 3, 1, 20, 2} {
		slot := g.reserve(host, polite, n)
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
	var all []moment
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				n := 1 + (i+j)%3
				asked := time.Now()
				slot, _, err := g.Reserve(g.Context(), host, polite, n)
				if err != nil {
					g.Error(err)
					return
				}
				m := moment{slot.Add(-time.Since(asked)), slot}
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
	began := g.mustStart(host, "late", polite)
	slot := g.reserve(host, polite, 2)
	if !slot.mayFollow(began, Delay) {
		g.Errorf("a slot %v after a start", slot.latest.Sub(began.earliest))
	}
	again := g.mustStart(host, "v", polite)
	next := g.reserve(host, polite, 1)
	g.apart("slot", []moment{slot, slot.add(Delay), next}, Delay)
	if !next.mayFollow(again, Delay) {
		g.Errorf("a slot %v after a start", next.latest.Sub(again.earliest))
	}
}

func slotsEager(g *guest) {
	for range 20 {
		if slot := g.reserve(host, eager, 1000); slot.earliest.After(time.Now()) {
			g.Fatalf("a slot %v away at a host without a delay", time.Until(slot.earliest))
		}
	}
}

func startsApart(g *guest) {
	first := g.mustStart(host, "a", polite)
	all := []moment{first}
	for _, visit := range []string{"b", "b", "a"} { // also the same visit again: a redirect to its own host
		wait, at := g.start(host, visit, polite)
		if wait > Delay {
			g.Errorf("has to wait %v, longer than the delay", wait)
		}
		if started := at; wait == 0 {
			all = append(all, started)
			continue
		}
		if after := at.add(wait); !after.mayFollow(all[len(all)-1], Delay) {
			g.Errorf("is sent away for %v, and may then start %v after the last", wait, after.latest.Sub(all[len(all)-1].earliest))
		}
		all = append(all, g.mustStart(host, visit, polite))
	}
	g.apart("start", all, Delay)
}

func startsConcurrent(g *guest) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []moment
	for i := range 6 {
		wg.Go(func() {
			for {
				asked := time.Now()
				wait, err := g.Start(g.Context(), host, fmt.Sprint("v", i), polite)
				if err != nil {
					g.Error(err)
					return
				}
				if wait == 0 {
					mu.Lock()
					all = append(all, moment{asked, time.Now()})
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
		if wait, _ := g.start(host, fmt.Sprint(i), eager); wait != 0 {
			g.Fatalf("start %d at a host without a delay has to wait %v", i, wait)
		}
		g.leave(host, fmt.Sprint(i), 5*time.Millisecond)
	}
}

func longerDelay(g *guest) {
	// robots.txt, read a moment ago, may ask for more than the crawl did.
	began := g.mustStart(host, "a", eager)
	slower := frontier.Limit{Delay: time.Hour, PerHost: 1}
	wait, at := g.start(host, "b", slower)
	if after := at.add(wait); wait == 0 || !after.mayFollow(began, time.Hour) {
		g.Errorf("may start in %v, want in an hour", wait)
	}
	if slot := g.reserve(host, slower, 1); !slot.mayFollow(began, time.Hour) {
		g.Errorf("has a slot in %v, want in an hour", slot.latest.Sub(began.earliest))
	}
}

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
			g.leave(host, step.visit, 0)
		} else if in := g.enter(host, step.visit, polite); in != step.in {
			g.Errorf("%s enters: %v, want %v: %s", step.visit, in, step.in, step.why)
		}
	}
}

func placesConcurrent(g *guest) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	in := 0
	for i := range 16 {
		wg.Go(func() {
			wait, err := g.Enter(g.Context(), host, fmt.Sprint("v", i), eager)
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
	if in != eager.PerHost {
		g.Errorf("%d visits of 16 are at the host, want %d", in, eager.PerHost)
	}
}

func strangerLeaves(g *guest) {
	one := frontier.Limit{Delay: Delay, PerHost: 1}
	g.leave(host, "stranger", time.Millisecond)
	if !g.enter(host, "a", one) {
		g.Fatal("the host was free")
	}
	g.leave(host, "stranger", time.Millisecond)
	if g.enter(host, "b", one) {
		g.Error("somebody who was not there made room")
	}
}

func lagPushes(g *guest) {
	const lag = 20 * time.Millisecond
	g.enter(host, "a", polite)
	began := g.mustStart(host, "a", polite)
	g.wait(lag) // the answer's first byte; the request may have reached the host only now
	g.leave(host, "a", lag)
	next := g.mustStart(host, "b", polite)
	if !next.mayFollow(began, lag+Delay) {
		g.Errorf("started %v after a request that may have been under way for %v, want %v between them", next.latest.Sub(began.earliest), lag, Delay)
	}
	// It is never taken to have arrived later than now.
	g.leave(host, "b", time.Hour)
	if wait, _ := g.start(host, "c", polite); wait > Delay {
		g.Errorf("has to wait %v, longer than the delay", wait)
	}
}

func lagBounded(g *guest) {
	// A server that thinks for long before it answers had the request all the while.
	const thought, delay = 600 * time.Millisecond, time.Second
	slow := frontier.Limit{Delay: delay, PerHost: 1}
	began := g.mustStart(host, "a", slow)
	g.wait(thought)
	g.leave(host, "a", thought)
	wait, at := g.start(host, "b", slow)
	if next := at.add(wait); !next.earliest.Before(began.latest.Add(delay + thought)) {
		g.Errorf("the next start is %v after the last: all of the answer's time was taken for the request's way", next.earliest.Sub(began.latest))
	}
}

func hostsApart(g *guest) {
	one := frontier.Limit{Delay: time.Hour, PerHost: 1}
	for _, h := range []string{"http://example.org:80", "https://example.org:443", "http://example.org:8080", "http://www.example.org:80"} {
		if slot := g.reserve(h, one, 3); slot.earliest.After(time.Now()) {
			g.Errorf("%s: a slot in %v", h, time.Until(slot.earliest))
		}
		if wait, _ := g.start(h, "v", one); wait != 0 {
			g.Errorf("%s: a start in %v", h, wait)
		}
		if !g.enter(h, "v", one) {
			g.Errorf("%s has no place", h)
		}
	}
}

func oddNames(g *guest) {
	one := frontier.Limit{Delay: time.Hour, PerHost: 1}
	for _, h := range []string{
		"", " ", "{", "}", "{}", "}{", "{a}", "a{b}c", `"`, `'`, `a"b'c`, "a b", "a\nb", "a\r\nDEL b", "a\x00b", "%s", "*", "ü.example", "\xff\xfe", "[2001:db8::1]:80",
		"trawl:epoch", "nil", "0",
	} {
		visit := h + "'\"}"
		if wait, _ := g.start(h, visit, one); wait != 0 {
			g.Errorf("%q: shares its starts with another host", h)
		}
		if !g.enter(h, visit, one) {
			g.Errorf("%q: shares its places with another host", h)
		}
		if g.enter(h, "other", one) {
			g.Errorf("%q: two visits in one place", h)
		}
		if wait, _ := g.start(h, "other", one); wait == 0 {
			g.Errorf("%q: no delay between two starts", h)
		}
		if slot := g.reserve(h, one, 1); slot.latest.Before(time.Now().Add(time.Minute)) {
			g.Errorf("%q: a slot just after a start", h)
		}
		g.leave(h, visit, 0)
		if !g.enter(h, "other", one) {
			g.Errorf("%q: the place is not free again", h)
		}
	}
}
