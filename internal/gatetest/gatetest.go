// Package gatetest holds what every gate must do: handlers.Gate says what that is.
//
// A gate that has a clock of its own answers in another process, so a test never knows the moment at which it decided, only that
// this was between the question and the answer. Every claim about a gap is made from those two bounds and holds on the slowest
// machine; inside a testing/synctest bubble both are one moment and the claim is exact.
package gatetest

import (
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
)

// Delay is what the tests keep between two starts, and the least that a test waits.
const Delay = 40 * time.Millisecond

const host = "https://example.org:443"

// polite is a host with a delay and two places.
func polite(name string) frontier.Unit { return frontier.Unit{Name: name, Delay: Delay, Places: 2} }

// eager is a host with no delay and three places.
func eager(name string) frontier.Unit { return frontier.Unit{Name: name, Places: 3} }

// single is a unit with one place that takes an hour between two starts.
func single(name string) frontier.Unit { return frontier.Unit{Name: name, Delay: time.Hour, Places: 1} }

var suite = map[string]func(*guest){
	"slots are a delay apart":                   slotsApart,
	"slots are a delay apart for many at once":  slotsConcurrent,
	"a slot comes after a start":                slotAfterStart,
	"slots without a delay":                     slotsEager,
	"urgent slots come first":                   slotsUrgent,
	"who is urgent enters first":                urgentEnters,
	"slots are recalled":                        slotsRecalled,
	"starts are a delay apart":                  startsApart,
	"starts are a delay apart for many at once": startsConcurrent,
	"starts without a delay":                    startsEager,
	"a longer delay holds at once":              longerDelay,
	"a start is noted at every unit or at none": startsEverywhere,
	"places are bounded":                        placesBounded,
	"places are bounded for many at once":       placesConcurrent,
	"a place is taken at every unit or at none": placesEverywhere,
	"who never entered leaves nothing":          strangerLeaves,
	"a late arrival pushes the next start":      lagPushes,
	"a slow answer is not taken for a late one": lagBounded,
	"a host that adapts is given time":          adapts,
	"a host without a delay does not adapt":     adaptsNothing,
	"moments in order of asking":                turnsInOrder,
	"a moment is kept and nobody overtakes":     turnsKept,
	"who was sent away once gets in":            turnsOnce,
	"a ready unit keeps no moment":              turnsReady,
	"a unit without a delay has only places":    turnsEager,
	"a held host lets nobody in":                held,
	"holds are counted":                         holdsCounted,
	"a visit keeps its place through a hold":    heldInside,
	"bad ends are counted":                      streak,
	"hosts do not share anything":               hostsApart,
	"hosts with odd names":                      oddNames,
}

// Run runs the suite. Open returns a gate at which no host was ever touched.
func Run(t *testing.T, open func(t *testing.T) handlers.Gate) {
	for name, test := range suite {
		t.Run(name, func(t *testing.T) { test(&guest{T: t, Gate: open(t)}) })
	}
}

// RunInBubble runs the suite in synthetic time, for a gate whose clock is that of package time.
func RunInBubble(t *testing.T, open func(t *testing.T) handlers.Gate) {
	for name, test := range suite {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(&guest{T: t, Gate: open(t)}) })
		})
	}
}

// FirstTouch checks a gate that knows nothing of the time before since: whatever was touched then, nothing is touched, nor a
// moment handed out, before a delay has passed.
func FirstTouch(t *testing.T, gate handlers.Gate, since time.Time) {
	t.Helper()
	g := &guest{T: t, Gate: gate}
	if slot := g.reserve(polite("http://slot.example:80"), 1); slot.latest.Before(since.Add(Delay)) {
		t.Errorf("the first slot is %v after the gate forgot everything, want at least %v", slot.latest.Sub(since), Delay)
	}
	if wait, at := g.enter("v", eager("http://enter.example:80"), polite("domain enter.example")); at.add(wait).latest.Before(since.Add(Delay)) {
		t.Errorf("the first visit is %v after the gate forgot everything, want at least %v", at.add(wait).latest.Sub(since), Delay)
	}
	if began := g.mustStart("v", polite("http://start.example:80")); began.latest.Before(since.Add(Delay)) {
		t.Errorf("the first start is %v after the gate forgot everything, want at least %v", began.latest.Sub(since), Delay)
	}
}
