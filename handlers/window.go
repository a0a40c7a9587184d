package handlers

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// The bounds of the window, in time at the rate at which pages are closed, and in pages while that is not known or small.
const (
	windowTime = 10 * time.Second // that all of it lasts
	readyTime  = 2 * time.Second  // that what is ready for a worker lasts: whoever comes new waits behind it
	windowMin  = 1000
	readyMin   = 400
)

// The part of the queue's memory at which nothing more is handed out, and at which nothing more is admitted.
const (
	memoryWindow = 0.60
	memoryAdmit  = 0.75
)

// window is how many pages may be handed out in all; or why none may be.
func (c *Crawler) window(ctx context.Context) (total int, why string, err error) {
	if o := c.down(ctx); o != nil {
		return 0, "nothing is handed out: " + o.Kind, nil
	}
	load, err := c.Work.Load(ctx)
	if err != nil {
		return 0, "", err
	}
	rate, err := c.meter.rate(ctx, c.Catalog)
	if err != nil {
		return 0, "", err
	}
	ready := max(readyMin, int(rate*readyTime.Seconds()))
	switch {
	case load.Memory >= memoryWindow:
		return 0, fmt.Sprintf("nothing is handed out: the queue's memory is %.0f %% full", 100*load.Memory), nil
	case load.Store > ready:
		return 0, fmt.Sprintf("nothing is handed out: %d answers wait to be stored", load.Store), nil
	case load.Ready > ready:
		return 0, fmt.Sprintf("nothing is handed out: %d visits wait for a worker", load.Ready), nil
	}
	return min(max(windowMin, int(rate*windowTime.Seconds())), c.Policy.Window), "", nil
}

// meter measures how many pages a second are closed, by all workers.
type meter struct {
	mu     sync.Mutex
	at     time.Time
	closed int64
	perS   float64
}

// meterEvery is how often the counters are read.
const meterEvery = time.Second

func (m *meter) rate(ctx context.Context, c Catalog) (float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	span := now.Sub(m.at)
	if span < meterEvery {
		return m.perS, nil
	}
	all, err := c.Status(ctx)
	if err != nil {
		return 0, err
	}
	var closed int64
	for _, t := range all {
		closed += t.Stored + t.Failed + t.Ended
	}
	if !m.at.IsZero() {
		// A page that is opened again counts backwards: no rate is less than nothing.
		m.perS += (max(float64(closed-m.closed)/span.Seconds(), 0) - m.perS) / 3
	}
	m.at, m.closed = now, closed
	return m.perS, nil
}
