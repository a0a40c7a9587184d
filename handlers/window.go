package handlers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// The bounds of the window, in time at the rate at which pages are closed, and in pages while that is not known or small.
const (
	windowTime = 10 * time.Second       // that all of it lasts
	readyTime  = 500 * time.Millisecond // that what is ready for a worker lasts: whoever comes new waits behind it
	storeTime  = 2 * time.Second        // that what waits to be stored lasts, before nothing more is handed out
	windowMin  = 1000
	readyMin   = 100
	storeMin   = 300
)

// How often a process asks for more: while its stages get pages done, and soonest when they bring new ones to hosts without a delay.
const (
	refillEvery = 100 * time.Millisecond
	refillSoon  = 10 * time.Millisecond
)

// The part of the queue's memory at which nothing more is handed out, and at which nothing more is admitted.
const (
	memoryWindow = 0.60
	memoryAdmit  = 0.75
)

// window bounds what may be handed out, or says why nothing may be.
func (c *Crawler) window(ctx context.Context) (w catalog.Window, why string, err error) {
	if o := c.down(ctx); o != nil {
		return w, "nothing is handed out: " + o.Kind, nil
	}
	load, err := c.Work.Load(ctx)
	if err != nil {
		return w, "", err
	}
	rate, err := c.meter.rate(ctx, c.Catalog)
	if err != nil {
		return w, "", err
	}
	switch {
	case load.Memory >= memoryWindow:
		return w, fmt.Sprintf("nothing is handed out: the queue's memory is %.0f %% full", 100*load.Memory), nil
	case load.Store > max(storeMin, int(rate*storeTime.Seconds())):
		return w, fmt.Sprintf("nothing is handed out: %d answers wait to be stored", load.Store), nil
	}
	enough, have := max(readyMin, int(rate*readyTime.Seconds())), load.Ready+load.Store
	w = catalog.Window{
		Now: time.Now(), Lease: visitLease, Horizon: windowHorizon, NewID: tasks.NewID,
		Total: min(max(windowMin, int(rate*windowTime.Seconds())), c.Policy.Window), Ready: enough - have,
	}
	if w.Ready == 0 {
		w.Ready = -1 // 0 would be no bound
	}
	if 4*have > enough {
		w.Horizon = busyHorizon
	}
	return w, "", nil
}

// refill hands out more while pages get done, so that what is ready need not last until the scheduler's next tick. New says that there
// are new ones, which may be all there is: of those who come too early with them, one waits.
func (c *Crawler) refill(ctx context.Context, res *tasks.Result, every time.Duration, new bool) {
	due := time.UnixMilli(c.promoted.Load()).Add(every)
	switch {
	case !new:
		if time.Now().Before(due) || !c.promoting.try() {
			return
		}
	case !c.refilling.CompareAndSwap(false, true):
		return
	default:
		err := waitUntil(ctx, due)
		if err == nil {
			err = c.promoting.take(ctx)
		}
		c.refilling.Store(false)
		if err != nil {
			return
		}
	}
	defer c.promoting.give()
	more, err := c.promote(ctx)
	if err != nil { // the pages are safe in the frontier: the scheduler promotes them
		c.Log.WarnContext(ctx, "promotion", "err", err)
		return
	}
	res.Next, res.Closed = append(res.Next, more.Next...), append(res.Closed, more.Closed...)
}

// lock is a mutex for which one need not wait longer than a context lasts.
type lock struct {
	once sync.Once
	held chan struct{}
}

func (l *lock) place() chan struct{} {
	l.once.Do(func() { l.held = make(chan struct{}, 1) })
	return l.held
}

func (l *lock) take(ctx context.Context) error {
	select {
	case l.place() <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *lock) try() bool {
	select {
	case l.place() <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *lock) give() { <-l.held }

// meter measures how many pages a second are closed, by all workers.
type meter struct {
	mu     sync.Mutex
	at     time.Time
	closed int64
	perS   float64
}

// meterEvery is how often the counters are read.
const meterEvery = time.Second

func (m *meter) rate(ctx context.Context, from Catalog) (float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	span := now.Sub(m.at)
	if span < meterEvery {
		return m.perS, nil
	}
	all, err := from.Status(ctx)
	if err != nil {
		return 0, err
	}
	c := catalog.Total(all)
	closed := c.Stored + c.Failed + c.Ended
	if !m.at.IsZero() {
		// A page that is opened again counts backwards: no rate is less than nothing.
		m.perS += (max(float64(closed-m.closed)/span.Seconds(), 0) - m.perS) / 3
	}
	m.at, m.closed = now, closed
	return m.perS, nil
}
