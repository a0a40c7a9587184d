package signals

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Window is the last minutes, tick by tick.
type Window struct {
	Now   time.Time
	Ticks []Tick // the oldest first, each Every long; the last is over
}

// Tick is what all processes measured in one span of time.
type Tick struct {
	Beat                // of all of them together
	Processes []Process // that said anything
}

// Dead is after how long without a beat a process is taken for dead.
const Dead = 4 * Every

// NewWindow joins beats, in whatever order, to a window that ends at now.
func NewWindow(now time.Time, length time.Duration, beats []Beat) Window {
	w := Window{Now: now}
	n := int(length / Every)
	begin := now.Truncate(Every).Add(-time.Duration(n) * Every)
	w.Ticks = make([]Tick, n)
	for i := range w.Ticks {
		w.Ticks[i].At, w.Ticks[i].Span = begin.Add(time.Duration(i+1)*Every), Every
	}
	for _, b := range beats {
		i := int(b.At.Add(-1).Sub(begin) / Every) // the tick in which it ended
		if !b.At.After(begin) || i >= n {
			continue
		}
		b.Doing = slices.Clone(b.Doing)
		for j := range b.Doing {
			b.Doing[j].Process = b.Process.ID
		}
		t := &w.Ticks[i]
		t.add(b)
		if b.Process.ID != "" {
			t.Processes = append(t.Processes, b.Process)
		}
	}
	return w
}

// Alive lists the processes that said something lately, as they were then, the oldest first.
func (w Window) Alive() (out []Process) {
	n := len(w.Ticks)
	last := map[string]Process{}
	for _, t := range w.Ticks[max(n-int(Dead/Every), 0):] {
		for _, p := range t.Processes {
			last[p.ID] = p
		}
	}
	out = slices.Collect(maps.Values(last))
	slices.SortFunc(out, func(a, b Process) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Doing lists what was under way longest when the processes last told.
func (w Window) Doing() []Doing {
	for _, t := range slices.Backward(w.Ticks[max(len(w.Ticks)-2, 0):]) {
		if len(t.Processes) > 0 {
			return t.Doing
		}
	}
	return nil
}

// Over joins ticks to one.
func Over(ticks []Tick) (out Tick) {
	for _, t := range ticks {
		out.add(t.Beat)
		out.Span += t.Span
		out.At = t.At
	}
	return out
}
