package frontier

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Limit is how hard a host may be pressed.
type Limit struct {
	Delay   time.Duration // least time between two starts
	PerHost int           // visits at once
}

// maxLag bounds how much of the time to the first byte counts as the way of the request to the host (see Leave).
const maxLag = 250 * time.Millisecond

// Permit is how long a place at a host lasts after the last Enter of its visit.
const Permit = 45 * time.Second

// MemoryGate hands out slots in one process. RedisGate does the same for all workers; what both promise is said in
// handlers.Gate and tested by one suite.
type MemoryGate struct {
	mu    sync.Mutex
	epoch time.Time
	hosts map[string]*hostGate
	idle  *list.List // of *hostGate, the longest untouched first
	size  int
}

type hostGate struct {
	name       string
	next, last time.Time
	lag        time.Duration        // by which starts turned out later than a delay after each other, on average
	busy       map[string]time.Time // visit → since
	at         *list.Element
}

// gateSize bounds the hosts that a MemoryGate remembers; one that is forgotten was untouched for long.
const gateSize = 100_000

// NewMemoryGate returns an empty gate. What was touched before epoch is unknown, so no host is touched earlier than its delay
// after epoch; the zero time says that nothing was touched.
func NewMemoryGate(epoch time.Time) *MemoryGate {
	return &MemoryGate{epoch: epoch, hosts: map[string]*hostGate{}, idle: list.New(), size: gateSize}
}

func (g *MemoryGate) host(name string) *hostGate {
	h, ok := g.hosts[name]
	if !ok {
		h = &hostGate{name: name, last: g.epoch, busy: map[string]time.Time{}}
		h.at = g.idle.PushBack(h)
		g.hosts[name] = h
		g.forget()
	}
	g.idle.MoveToBack(h.at)
	return h
}

func (g *MemoryGate) forget() {
	for e := g.idle.Front(); e != nil && len(g.hosts) > g.size; e = g.idle.Front() {
		h := e.Value.(*hostGate)
		if len(h.busy) > 0 || time.Since(h.next) < 0 {
			return
		}
		g.idle.Remove(e)
		delete(g.hosts, h.name)
	}
}

// Reserve implements handlers.Gate.
func (g *MemoryGate) Reserve(_ context.Context, host string, l Limit, n int) (time.Time, time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.host(host)
	first := latest(time.Now(), h.next, h.last.Add(l.Delay))
	// A start is a delay after the first byte of the answer before, so slots are as far apart as starts have turned out to be.
	apart := l.Delay
	if apart > 0 {
		apart += h.lag
	}
	h.next = first.Add(time.Duration(n) * apart)
	return first, apart, nil
}

// Enter implements handlers.Gate.
func (g *MemoryGate) Enter(_ context.Context, host, visit string, l Limit) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, now := g.host(host), time.Now()
	for v, since := range h.busy {
		if now.Sub(since) > Permit {
			delete(h.busy, v)
		}
	}
	if _, in := h.busy[visit]; !in && len(h.busy) >= l.PerHost {
		return busyWait(l), nil
	}
	h.busy[visit] = now
	return 0, nil
}

// Start implements handlers.Gate.
func (g *MemoryGate) Start(_ context.Context, host, _ string, l Limit) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, now := g.host(host), time.Now()
	if wait := h.last.Add(l.Delay).Sub(now); wait > 0 && !h.last.IsZero() {
		return wait, nil
	}
	h.last = now
	// Slots were handed out for starts on time; whoever comes now must not meet the one that starts late.
	h.next = latest(h.next, now.Add(l.Delay))
	return 0, nil
}

// Leave implements handlers.Gate.
func (g *MemoryGate) Leave(_ context.Context, host, visit string, lag time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.host(host)
	delete(h.busy, visit)
	if lag > 0 {
		lag = min(lag, maxLag)
		h.last = latest(h.last, earliest(time.Now(), h.last.Add(lag)))
		h.lag = (3*h.lag + lag) / 4
	}
	return nil
}

// busyWait is when to ask again for a place at a host that has none free.
func busyWait(l Limit) time.Duration {
	d := max(l.Delay/4, 20*time.Millisecond)
	return min(d, time.Second) + rand.N(10*time.Millisecond)
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
