package e2e

import (
	"slices"
	"testing"
	"time"

	"example.org/trawl/lab"
)

// report is what trawl why --json says.
type report struct {
	Verdict, Summary string
	Since            time.Time
	Evidence         []struct{ Signal string }
	Also             []string
	RuledOut         []struct{ Verdict, Because string } `json:"ruled_out"`
	Freshness        float64                             `json:"freshness_s"`
}

// why asks for the diagnosis.
func (s *site) why() (r report) {
	s.t.Helper()
	s.asJSON(&r, "trawl", "why", "--json")
	return r
}

// TestWhy has three things go wrong, one after the other, with real processes. Each is named within a minute and forgotten within a
// minute, and while all is well nothing is alarming.
func TestWhy(t *testing.T) {
	whole(t)
	const within = time.Minute
	w := web(t, lab.Config{Seed: 44, Hosts: 30, Pages: 6000, Plain: true})
	s, workers := cluster(t, w, 2)
	by := pagesOf(t, w, 190)
	var all []string
	for _, urls := range by {
		all = append(all, urls...)
	}
	s.enqueue(all, "--delay", "1s")
	verdict := func(what string, want ...string) {
		t.Helper()
		began := time.Now()
		var r report
		waitFor(t, what, within, func() bool {
			time.Sleep(500 * time.Millisecond)
			r = s.why()
			return slices.Contains(want, r.Verdict)
		})
		t.Logf("%s: %s after %s: %s", what, r.Verdict, time.Since(began).Round(time.Second), r.Summary)
		if len(r.Also)+len(r.RuledOut) < 15 || r.Freshness > 60 {
			t.Errorf("%s: %+v", what, r)
		}
	}
	well := []string{"healthy", "polite_host", "burst"}
	verdict("the beginning", well...)
	for range 10 {
		time.Sleep(time.Second)
		if r := s.why(); r.Verdict != well[0] && r.Verdict != well[1] && r.Verdict != well[2] {
			t.Errorf("all is well, and it says %+v", r)
		}
	}

	trouble(t, w, lab.Trouble{DNS: "refuse"})
	verdict("a resolver that refuses", "dns_down")
	trouble(t, w, lab.Trouble{})
	verdict("the resolver is back", well...)

	trouble(t, w, lab.Trouble{Push: map[string]lab.Push{"*": {Status: 429, RetryAfter: "8"}}})
	verdict("all hosts push back", "pushback")
	trouble(t, w, lab.Trouble{})
	verdict("no host pushes back any more", well...)

	for _, p := range workers {
		p.stop(t)
	}
	verdict("no worker is left", "workers_missing")
	s.start("trawl", "worker")
	verdict("a worker is back", well...)
}
