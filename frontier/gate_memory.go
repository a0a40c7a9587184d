package frontier

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// MemoryGate hands out moments in one process. RedisGate does the same for all workers; what both promise is said in
// handlers.Gate and tested by one suite.
type MemoryGate struct {
	mu    sync.Mutex
	epoch time.Time
	units map[string]*unitState
	idle  *list.List // of *unitState, roughly the longest untouched first
	size  int
}

// gateSize bounds the units that a MemoryGate remembers; one that is forgotten was left alone for a while.
const gateSize = 100_000

// NewMemoryGate returns an empty gate. What was touched before epoch is unknown, so nothing is touched earlier than its delay
// after epoch; the zero time says that nothing was touched.
func NewMemoryGate(epoch time.Time) *MemoryGate {
	return &MemoryGate{epoch: epoch, units: map[string]*unitState{}, idle: list.New(), size: gateSize}
}

// Reserve implements handlers.Gate.
func (g *MemoryGate) Reserve(_ context.Context, host Unit, n int, urgent []string, holds int64) (time.Time, time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, h := time.Now(), g.unit(host.Name)
	if holds >= h.holds {
		h.holds, h.heldUntil = holds, time.Time{}
	}
	delay := h.delay(host)
	// A start is a delay after the first byte of the answer before, so slots are as far apart as starts have turned out to be.
	apart := delay
	if apart > 0 {
		apart += h.lag
	}
	soonest := latest(now, h.last.Add(delay))
	first := latest(soonest, h.next)
	// Who is urgent takes moments that others were given, and those who then come too late need room behind the last one.
	h.next = first.Add(time.Duration(n) * apart)
	if len(urgent) > 0 {
		first = soonest
	}
	if apart > 0 {
		for i, visit := range urgent {
			h.urgent[visit] = first.Add(time.Duration(i)*apart + precedence)
		}
	}
	return first, apart, nil
}

// Recall implements handlers.Gate.
func (g *MemoryGate) Recall(_ context.Context, host string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unit(host).next = time.Time{}
	return nil
}

// Enter implements handlers.Gate.
func (g *MemoryGate) Enter(_ context.Context, units []Unit, visit string, probe bool) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, all := time.Now(), g.all(units)
	for _, u := range all {
		u.lapse(now)
	}
	if all[0].held(now) && !probe {
		for _, u := range all { // one that came in before the hold is there until it leaves
			if u.has(visit) {
				u.busy[visit] = now
			}
		}
		return 0, ErrHeld
	}
	var wait time.Duration
	for i, u := range all {
		if u.has(visit) {
			continue
		}
		if len(u.busy) >= units[i].Places || u.yields(visit, now) {
			wait = max(wait, busyWait(units[i].Delay))
		}
		if i > 0 {
			wait = max(wait, u.turn(visit, units[i].Delay, now))
		}
	}
	if wait > 0 {
		return wait, nil
	}
	for i, u := range all {
		if i > 0 && !u.has(visit) {
			u.take(visit, units[i].Delay, now)
		}
		u.busy[visit] = now
	}
	return 0, nil
}

// Start implements handlers.Gate.
func (g *MemoryGate) Start(_ context.Context, units []Unit, visit string, probe bool) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, all := time.Now(), g.all(units)
	if all[0].held(now) && !probe {
		return 0, ErrHeld
	}
	var wait time.Duration
	for i, u := range all {
		wait = max(wait, u.last.Add(u.delay(units[i])).Sub(now))
	}
	if wait > 0 {
		return wait, nil
	}
	for i, u := range all {
		u.last = now
		delete(u.urgent, visit)
		// Moments were handed out for starts on time; whoever comes now must not meet the one that starts late.
		u.next = latest(u.next, now.Add(u.delay(units[i])))
	}
	return 0, nil
}

// Leave implements handlers.Gate.
func (g *MemoryGate) Leave(_ context.Context, units []Unit, visit string, s Seen) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.all(units)
	host := all[0]
	if host.has(visit) {
		host.learn(s, time.Now())
	}
	for _, u := range all {
		delete(u.busy, visit)
	}
	return host.bad, nil
}

// Hold implements handlers.Gate.
func (g *MemoryGate) Hold(_ context.Context, host string, holds int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A number that is known already was told before, and may have been taken away since.
	if h := g.unit(host); holds > h.holds {
		h.holds, h.heldUntil = holds, time.Now().Add(holding)
	}
	return nil
}

func (g *MemoryGate) all(units []Unit) []*unitState {
	all := make([]*unitState, len(units))
	for i, u := range units {
		all[i] = g.unit(u.Name)
	}
	return all
}

func (g *MemoryGate) unit(name string) *unitState {
	u, ok := g.units[name]
	if !ok {
		g.forget()
		u = &unitState{name: name, last: g.epoch, holds: -1, busy: map[string]time.Time{}, turns: map[string]time.Time{}, urgent: map[string]time.Time{}}
		u.at = g.idle.PushBack(u)
		g.units[name] = u
	}
	g.idle.MoveToBack(u.at)
	return u
}

// forget makes room for a unit when there are too many. It looks at a few of the longest untouched; those that something still
// depends on stay, however many they are.
func (g *MemoryGate) forget() {
	now := time.Now()
	for tries := 0; tries < 8 && len(g.units) >= g.size; tries++ {
		u := g.idle.Front().Value.(*unitState)
		if u.needed(now) {
			g.idle.MoveToBack(u.at)
			continue
		}
		g.idle.Remove(u.at)
		delete(g.units, u.name)
	}
}
