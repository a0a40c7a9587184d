package frontier

import (
	"container/list"
	"time"
)

// unitState is what a MemoryGate knows of a unit. Streak, averages, holds and who is urgent are kept of hosts only, turns of the
// others only.
type unitState struct {
	name       string
	next, last time.Time            // the first moment that is not handed out yet; the last start
	busy       map[string]time.Time // visit → since
	turns      map[string]time.Time // visit → the moment that is kept for it
	urgent     map[string]time.Time // visit that others let pass → until when
	lag        time.Duration        // by which starts turned out later than a delay after each other, on average
	took       time.Duration        // what answers took, on average; 0 when none came
	bad        int                  // ends in a row that were bad
	holds      int64                // how often the catalog has held it, as far as is known
	heldUntil  time.Time
	at         *list.Element
}

func (u *unitState) has(visit string) bool {
	_, in := u.busy[visit]
	return in
}

func (u *unitState) held(now time.Time) bool { return now.Before(u.heldUntil) }

// needed tells whether forgetting the unit could break a promise. All moments that are kept for visits lie before next.
func (u *unitState) needed(now time.Time) bool {
	u.lapse(now)
	return len(u.busy) > 0 || u.held(now) || now.Before(u.next.Add(unclaimed))
}

// delay is the delay in force.
func (u *unitState) delay(as Unit) time.Duration {
	if !as.Adapt || as.Delay == 0 {
		return as.Delay
	}
	return max(as.Delay, min(Slowness*u.took, slowest))
}

// lapse takes back the places of visits that did not renew them.
func (u *unitState) lapse(now time.Time) {
	for v, since := range u.busy {
		if now.Sub(since) >= Permit {
			delete(u.busy, v)
		}
	}
}

// turn returns how long visit has to wait for its moment at the unit, and keeps one for it unless the unit is ready.
func (u *unitState) turn(visit string, delay time.Duration, now time.Time) time.Duration {
	if delay == 0 {
		return 0
	}
	for v, at := range u.turns {
		if now.Sub(at) >= unclaimed+delay {
			delete(u.turns, v)
		}
	}
	at, ok := u.turns[visit]
	if !ok {
		if at = latest(u.next, u.last.Add(delay)); !at.After(now) {
			return 0
		}
		u.next = at.Add(delay)
	}
	// A moment that has passed is kept from now on: its visit is here and waits for something else.
	u.turns[visit] = latest(at, now)
	return u.turns[visit].Sub(now)
}

// yields tells whether visit lets an urgent one pass.
func (u *unitState) yields(visit string, now time.Time) bool {
	for v, until := range u.urgent {
		if !now.Before(until) {
			delete(u.urgent, v)
		}
	}
	_, urgent := u.urgent[visit]
	return len(u.urgent) > 0 && !urgent
}

// take uses up the visit's moment, or the present one when it needed none.
func (u *unitState) take(visit string, delay time.Duration, now time.Time) {
	if _, ok := u.turns[visit]; !ok {
		u.next = latest(u.next, now.Add(delay))
	}
	delete(u.turns, visit)
}

// learn takes in what a visit saw of the host.
func (u *unitState) learn(s Seen, now time.Time) {
	switch s.End {
	case Well:
		u.bad = 0
	case Badly:
		u.bad++
	}
	if s.Lag <= 0 {
		return
	}
	// The request arrived by the time of the first byte, and not much before it when that came quickly.
	way := min(s.Lag, maxLag)
	u.last = latest(u.last, earliest(now, u.last.Add(way)))
	u.lag = (3*u.lag + way) / 4
	if u.took == 0 {
		u.took = s.Lag
	}
	u.took = (3*u.took + s.Lag) / 4
}

func latest(a time.Time, more ...time.Time) time.Time {
	for _, b := range more {
		if b.After(a) {
			a = b
		}
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
