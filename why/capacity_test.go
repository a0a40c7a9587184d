package why_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// The plan goes by Little's law: the places that are taken are tasks a second times the time of a task.
func TestPlan(t *testing.T) {
	s := &scene{rng: rand.New(rand.NewPCG(1, 1)), open: 6000}
	for range 60 {
		s.tick(nil)
	}
	c := why.Plan(s.window(), 0)
	if math.Abs(c.PagesPerS-50) > 3 || c.Measured != c.PagesPerS || len(c.Stages) != len(tasks.Stages()) {
		t.Fatalf("%+v", c)
	}
	need := func(c why.Capacity, k tasks.Kind) why.Need {
		for _, n := range c.Stages {
			if n.Stage == k {
				return n
			}
		}
		return why.Need{}
	}
	fetch := need(c, tasks.KindFetch) // 50 a second, of 121 ms each: 6 are taken
	if fetch.Slots != 1024 || fetch.Needed < 7 || fetch.Needed > 9 || fetch.Processes != 1 || math.Abs(fetch.PerPage-1) > 0.05 {
		t.Errorf("fetch: %+v", fetch)
	}
	if math.Abs(fetch.AtMost-0.8*1024/0.121) > 300 {
		t.Errorf("fetch can do %.0f pages a second", fetch.AtMost)
	}
	// 0.8 cores at 50 pages a second are 16 ms a page, so 1.6 of the two cores do 100.
	if math.Abs(c.CPU-0.016) > 0.002 || c.HaveCores != 2 || c.Bottleneck != "processors" || math.Abs(c.AtMost-100) > 10 {
		t.Errorf("%+v", c)
	}
	more := why.Plan(s.window(), 5000)
	if n := need(more, tasks.KindFetch); n.Needed < 700 || n.Needed > 800 || n.Processes != 2 || math.Abs(more.Cores-80) > 8 {
		t.Errorf("for 5,000 pages a second: %+v, %.0f cores", n, more.Cores)
	}
	if few := why.Plan(signals.NewWindow(began, why.Length, nil), 100); len(few.Stages) != 0 || few.Summary == "" {
		t.Errorf("of nothing: %+v", few)
	}
}
