package gatetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
)

// guest is a visit, or many, at a gate.
type guest struct {
	*testing.T
	handlers.Gate
	pass func(time.Duration) // moves the gate's clock where that is another than the one of package time
}

// Moment is a moment that lies between two known ones.
type Moment struct{ earliest, latest time.Time }

// Since is the moment of something that was asked for at the time asked, and is done now.
func Since(asked time.Time) Moment { return Moment{asked, time.Now()} }

func (m Moment) add(d time.Duration) Moment { return Moment{m.earliest.Add(d), m.latest.Add(d)} }

// mayFollow tells whether m can be d after earlier, or more.
func (m Moment) mayFollow(earlier Moment, d time.Duration) bool {
	return !m.latest.Before(earlier.earliest.Add(d))
}

// mayBe tells whether m and o can be one moment.
func (m Moment) mayBe(o Moment) bool { return m.mayFollow(o, 0) && o.mayFollow(m, 0) }

// Apart checks that all moments can be d apart. Whatever their order was, the first lies between the least of the lower bounds and
// the least of the upper ones, and so on, so that of any two the distance in number bounds that in time.
func Apart(t *testing.T, what string, all []Moment, d time.Duration) {
	t.Helper()
	var lower, upper []time.Time
	for _, m := range all {
		lower, upper = append(lower, m.earliest), append(upper, m.latest)
	}
	slices.SortFunc(lower, time.Time.Compare)
	slices.SortFunc(upper, time.Time.Compare)
	for i := range all {
		for j := range i {
			if span := upper[i].Sub(lower[j]); span < time.Duration(i-j)*d {
				t.Errorf("%s %d is at most %v after %d, want at least %v between any two", what, i, span, j, d)
				return
			}
		}
	}
}

func (g *guest) apart(what string, all []Moment, d time.Duration) {
	g.Helper()
	Apart(g.T, what, all, d)
}

// slot reserves n slots that are not urgent, at a host that was never held, and returns the first and how far apart they are.
func (g *guest) slot(u frontier.Unit, n int) (first Moment, apart time.Duration, err error) {
	asked := time.Now()
	at, apart, err := g.Reserve(g.Context(), u, n, nil, 0)
	// A gate of another process tells how far away the slot is, and the answer took its time.
	return Moment{at.Add(-time.Since(asked)), at}, apart, err
}

func (g *guest) reserve(u frontier.Unit, n int) Moment {
	g.Helper()
	first, _, err := g.slot(u, n)
	if err != nil {
		g.Fatal(err)
	}
	return first
}

func (g *guest) urgent(u frontier.Unit, visits ...string) Moment {
	g.Helper()
	asked := time.Now()
	at, _, err := g.Reserve(g.Context(), u, len(visits), visits, 0)
	if err != nil {
		g.Fatal(err)
	}
	return Moment{at.Add(-time.Since(asked)), at}
}

// start asks for a start, and returns the wait and when that was decided.
func (g *guest) start(visit string, units ...frontier.Unit) (time.Duration, Moment) {
	g.Helper()
	asked := time.Now()
	wait, err := g.Start(g.Context(), units, visit, false)
	if err != nil {
		g.Fatal(err)
	}
	if wait < 0 {
		g.Errorf("a wait of %v", wait)
	}
	return wait, Since(asked)
}

// mustStart waits as it is told and returns when it started.
func (g *guest) mustStart(visit string, units ...frontier.Unit) Moment {
	g.Helper()
	for {
		wait, at := g.start(visit, units...)
		if wait == 0 {
			return at
		}
		g.wait(wait)
	}
}

func (g *guest) wait(d time.Duration) {
	g.Helper()
	if g.pass != nil {
		g.pass(d)
		return
	}
	select {
	case <-time.After(d):
	case <-g.Context().Done():
		g.Fatal("the test ended while it waited for its turn")
	}
}

// enter asks to be let in, and returns the wait and when that was decided.
func (g *guest) enter(visit string, units ...frontier.Unit) (time.Duration, Moment) {
	g.Helper()
	asked := time.Now()
	wait, err := g.Enter(g.Context(), units, visit, false)
	if err != nil {
		g.Fatal(err)
	}
	if wait < 0 {
		g.Errorf("a wait of %v", wait)
	}
	return wait, Since(asked)
}

func (g *guest) enters(visit string, units ...frontier.Unit) bool {
	g.Helper()
	wait, _ := g.enter(visit, units...)
	return wait == 0
}

// mustEnter enters where nothing stands against it.
func (g *guest) mustEnter(visit string, units ...frontier.Unit) {
	g.Helper()
	if wait, _ := g.enter(visit, units...); wait != 0 {
		g.Fatalf("%s is not let in for %v", visit, wait)
	}
}

// leave leaves, and returns how many ends in a row were bad.
func (g *guest) leave(visit string, s frontier.Seen, units ...frontier.Unit) int {
	g.Helper()
	bad, err := g.Leave(g.Context(), units, visit, s)
	if err != nil {
		g.Fatal(err)
	}
	return bad
}

func (g *guest) hold(name string, holds int64) {
	g.Helper()
	if err := g.Hold(g.Context(), name, holds); err != nil {
		g.Fatal(err)
	}
}

// release reserves a slot at the host as of a promotion that knew of so many holds.
func (g *guest) release(u frontier.Unit, holds int64) {
	g.Helper()
	if _, _, err := g.Reserve(g.Context(), u, 1, nil, holds); err != nil {
		g.Fatal(err)
	}
}

// isHeld tells whether Enter and Start refuse a visit because of a hold; they must agree.
func (g *guest) isHeld(visit string, probe bool, units ...frontier.Unit) bool {
	g.Helper()
	_, enter := g.Enter(g.Context(), units, visit, probe)
	_, start := g.Start(g.Context(), units, visit, probe)
	for _, err := range []error{enter, start} {
		if err != nil && !errors.Is(err, frontier.ErrHeld) {
			g.Fatal(err)
		}
	}
	if (enter == nil) != (start == nil) {
		g.Errorf("to enter: %v; to start: %v", enter, start)
	}
	return enter != nil
}
