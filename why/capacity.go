package why

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

// Capacity is how many workers a load needs, and what would stop a larger one.
type Capacity struct {
	PagesPerS  float64 `json:"pages_per_s"` // the load that is planned for
	Measured   float64 `json:"measured"`    // pages that were closed a second, over the last minutes
	Stages     []Need  `json:"stages"`
	CPU        float64 `json:"cpu_s"`      // seconds of processor that a page takes; 0 when that is not known
	Cores      float64 `json:"cores"`      // that the load needs
	HaveCores  int     `json:"have_cores"` // of the machines that workers run on
	Bottleneck string  `json:"bottleneck"` // what is exhausted first when the load grows: a stage, "processors" or "hosts"
	AtMost     float64 `json:"at_most"`    // pages a second until then; 0 when that is not known
	Summary    string  `json:"summary"`
}

// Need is what one stage needs.
type Need struct {
	Stage     tasks.Kind `json:"stage"`
	PerPage   float64    `json:"per_page"`  // tasks for a page
	Took      float64    `json:"service_s"` // mean time of a task
	Slots     int        `json:"slots"`     // that there are
	Needed    int        `json:"needed"`    // that the load needs
	Processes int        `json:"processes"` // that make these
	AtMost    float64    `json:"at_most"`   // pages a second that the present places can do; 0 when that is not known
}

// spare is which part of a stage's places should be taken at most: fuller than that, what waits grows quickly.
var spare = threshold("spare", 0.8, "part", "of a stage's places should be taken, at most")

// lately is over how many ticks a plan measures.
const lately = int(5 * time.Minute / signals.Every)

// Plan says what a load of so many pages a second needs, by what the present one takes; 0 plans for the present one.
func Plan(w signals.Window, pagesPerS float64) Capacity {
	ticks := w.Ticks[max(len(w.Ticks)-lately, 0):]
	var known []signals.Tick // those in which anybody worked
	var first, last *signals.State
	for _, t := range ticks {
		if len(t.Processes) > 0 {
			known = append(known, t)
		}
		if t.State != nil {
			if first == nil {
				first = t.State
			}
			last = t.State
		}
	}
	all := signals.Over(known)
	c := Capacity{}
	if first != nil && last.At.After(first.At) {
		c.Measured = math.Max(float64(last.Closed-first.Closed), 0) / last.At.Sub(first.At).Seconds()
	}
	c.PagesPerS = cmp.Or(pagesPerS, c.Measured)
	closed := c.Measured * all.Span.Seconds()
	if closed < sample.Value {
		c.Summary = fmt.Sprintf("%.0f pages were closed in the last %s: too few to plan by", closed, lasting(all.Span))
		return c
	}
	for _, k := range tasks.Stages() {
		f := flowOf(all, k)
		n := Need{Stage: k, Took: f.Service.Mean().Seconds(), PerPage: float64(f.Service.N()) / closed, Slots: last.Queues[k].Slots}
		if k == tasks.KindIndex { // its tasks are batches, larger ones when there is more to do
			n.PerPage = 0
		}
		n.Needed = max(int(math.Ceil(c.PagesPerS*n.PerPage*n.Took/spare.Value)), 1)
		n.Processes = (n.Needed + tasks.SpecOf(k).Concurrency - 1) / tasks.SpecOf(k).Concurrency
		if cost := n.PerPage * n.Took; cost > 0 && n.Slots > 0 {
			n.AtMost = spare.Value * float64(n.Slots) / cost
			c.limit(string(k), n.AtMost)
		}
		c.Stages = append(c.Stages, n)
	}
	c.processors(known, closed)
	switch {
	case c.AtMost == 0:
		c.Summary = "no worker is running: nothing can be told of what it could do"
	case c.PagesPerS > c.AtMost:
		c.Summary = fmt.Sprintf("%.0f pages a second are more than %s can do: %.0f", c.PagesPerS, c.Bottleneck, c.AtMost)
	default:
		c.Summary = fmt.Sprintf("%.0f pages a second can be done; up to %.0f, then %s is the bottleneck", c.PagesPerS, c.AtMost, c.Bottleneck)
	}
	return c
}

func lasting(d time.Duration) string { return Span(d.Seconds()) }

// limit notes what part can do at most.
func (c *Capacity) limit(part string, atMost float64) {
	if c.AtMost == 0 || atMost < c.AtMost {
		c.Bottleneck, c.AtMost = part, atMost
	}
}

// processors adds up what the workers used, and what their machines have.
func (c *Capacity) processors(ticks []signals.Tick, closed float64) {
	used := 0.0
	cores := map[string]int{}
	for _, t := range ticks {
		for _, p := range t.Processes {
			used += p.CPU * t.Span.Seconds()
			if len(p.Stages) > 0 {
				cores[p.Host] = p.Cores
			}
		}
	}
	for _, n := range cores {
		c.HaveCores += n
	}
	c.CPU = used / closed
	c.Cores = c.CPU * c.PagesPerS
	if c.CPU > 0 && c.HaveCores > 0 {
		c.limit("processors", spare.Value*float64(c.HaveCores)/c.CPU)
	}
}
