package why

import (
	"maps"
	"math"
	"slices"
	"time"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

// facts are what the rules look at: the last half minute, and what was normal before.
type facts struct {
	w      signals.Window
	now    signals.Tick   // the last ticks as one
	last   []signals.Tick // those ticks
	older  []signals.Tick // from which normal is told
	state  signals.State  // the newest
	before signals.State  // about a minute earlier
	known  bool           // there is a state at all
	alive  []signals.Process
}

const (
	recent = 6  // ticks that are now
	settle = 12 // ticks before that which are neither now nor normal: something may be beginning
	enough = 12 // ticks that are needed to call anything normal
)

func newFacts(w signals.Window) *facts {
	f := &facts{w: w, alive: w.Alive()}
	n := len(w.Ticks)
	f.last = w.Ticks[max(n-recent, 0):]
	f.older = w.Ticks[:max(n-recent-settle, 0)]
	f.now = signals.Over(f.last)
	for i, t := range slices.Backward(w.Ticks) {
		if t.State == nil {
			continue
		}
		if !f.known {
			f.state, f.known = *t.State, true
		}
		f.before = *t.State
		if n-i > recent+settle/2 {
			break
		}
	}
	return f
}

// age is how old the newest state is.
func (f *facts) age() time.Duration {
	if !f.known {
		return f.w.Now.Sub(f.begin())
	}
	return max(f.w.Now.Sub(f.state.At), 0)
}

func (f *facts) begin() time.Time {
	if len(f.w.Ticks) == 0 {
		return f.w.Now
	}
	return f.w.Ticks[0].At
}

// silence is for how long no worker has said what it does; ever is false if none has, as far back as is looked.
func (f *facts) silence() (d time.Duration, ever bool) {
	for _, t := range slices.Backward(f.w.Ticks) {
		if slices.ContainsFunc(t.Processes, works) {
			return max(f.w.Now.Sub(t.At), 0), true
		}
	}
	return f.w.Now.Sub(f.begin()), false
}

// served tells whether any stage has a worker, as the queues know.
func (f *facts) served() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(f.state.Queues)), func(q signals.Queue) bool { return q.Workers > 0 })
}

// between is the time from the earlier state to the newest, in seconds.
func (f *facts) between() float64 { return f.state.At.Sub(f.before.At).Seconds() }

// closing is how many pages are closed a second.
func (f *facts) closing() float64 {
	if s := f.between(); s > 0 {
		return max(float64(f.state.Closed-f.before.Closed), 0) / s
	}
	return 0
}

// falling is by how many pages fewer are open than half a minute ago.
func (f *facts) falling() int64 {
	for _, t := range f.last {
		if t.State != nil {
			return t.State.Open - f.state.Open
		}
	}
	return 0
}

// arriving is how many pages are new to the frontier a second.
func (f *facts) arriving() float64 { return f.rate(f.top(signals.Arrivals, signals.ByOrigin).Total()) }

// rate is n of the recent ticks a second.
func (f *facts) rate(n int64) float64 {
	if s := f.now.Span.Seconds(); s > 0 {
		return float64(n) / s
	}
	return 0
}

// waits is how many open pages wait for one of the reasons, and which part of those that are due that is.
func (f *facts) waits(reasons ...string) (n int64, part float64) {
	for _, r := range reasons {
		n += f.state.Backlog[r]
	}
	if due := f.state.Open - f.state.Backlog["revisit"]; due > 0 {
		part = float64(n) / float64(due)
	}
	return n, part
}

// stuck is how many pages could be visited at once if somebody did it, in half of the recent states: what is only on its way is there for a
// moment, whenever it is looked at.
func (f *facts) stuck() int64 {
	return int64(f.recently(ofState(func(s signals.State) (float64, bool) {
		return float64(s.Backlog["ready"] + s.Backlog["backpressure"]), true
	})))
}

// giant is how many pages the host has that owns most of what is open and is in no trouble. They say nothing of how the others are.
func (f *facts) giant() int64 {
	if h := f.state.Hosts; len(h) > 0 && h[0].State != "backoff" && h[0].State != "dead" && share(h[0].Pages, f.state.Open) >= owns.Value {
		return h[0].Pages
	}
	return 0
}

func (f *facts) flow(k tasks.Kind) *signals.Flow { return flowOf(f.now, k) }

func flowOf(t signals.Tick, k tasks.Kind) *signals.Flow {
	if x := t.Stages[k]; x != nil {
		return x
	}
	return &signals.Flow{}
}

// load is the part of a stage's places that is taken; 0 when nobody serves it.
func (f *facts) load(k tasks.Kind) float64 {
	slots := f.state.Queues[k].Slots
	if slots == 0 || f.now.Span == 0 {
		return 0
	}
	return f.flow(k).Busy.Seconds() / (float64(slots) * f.now.Span.Seconds())
}

func (f *facts) top(measure, dimension string) *signals.Top {
	return f.now.Top[signals.Name(measure, dimension)]
}

// owner is who owns at least half of what is measured, and at least twice of what is usual for him.
func (f *facts) owner(measure, dimension string) (Who, bool) {
	top := f.top(measure, dimension).Shares(1)
	if len(top) == 0 || top[0].Share < owns.Value {
		return Who{}, false
	}
	name := signals.Name(measure, dimension)
	usual := f.normal(func(t signals.Tick) (float64, bool) {
		x := t.Top[name]
		return x.Of(top[0].Name), x.Total() > 0
	})
	return Who{dimension, top[0].Name, top[0].Share}, top[0].Share >= unusual.Value*usual
}

// normal is the median of a signal over the older ticks that have it; 0 when those are too few to say.
func (f *facts) normal(of func(signals.Tick) (float64, bool)) float64 {
	v := values(f.older, of)
	if len(v) < enough {
		return 0
	}
	return median(v)
}

// recently is the median of a signal over the recent ticks; 0 for none.
func (f *facts) recently(of func(signals.Tick) (float64, bool)) float64 {
	return median(values(f.last, of))
}

func values(ticks []signals.Tick, of func(signals.Tick) (float64, bool)) (v []float64) {
	for _, t := range ticks {
		if x, ok := of(t); ok {
			v = append(v, x)
		}
	}
	return v
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// spread is the standard deviation in relation to the mean.
func spread(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	sum, squares := 0.0, 0.0
	for _, x := range v {
		sum += x
		squares += x * x
	}
	n := float64(len(v))
	mean := sum / n
	if mean == 0 {
		return 0
	}
	return math.Sqrt(max(squares/n-mean*mean, 0)) / mean
}

// ofState is a signal of a tick's state.
func ofState(of func(signals.State) (float64, bool)) func(signals.Tick) (float64, bool) {
	return func(t signals.Tick) (float64, bool) {
		if t.State == nil {
			return 0, false
		}
		return of(*t.State)
	}
}

// count is how many of the recent states are so.
func (f *facts) count(so func(signals.State) bool) (n int) {
	for _, t := range f.last {
		if t.State != nil && so(*t.State) {
			n++
		}
	}
	return n
}

// workers are the processes that serve a stage.
func (f *facts) workers() []signals.Process {
	return slices.DeleteFunc(slices.Clone(f.alive), func(p signals.Process) bool { return !works(p) })
}

func works(p signals.Process) bool { return len(p.Stages) > 0 }
