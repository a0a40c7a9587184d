package e2e

import (
	"slices"
	"testing"
	"time"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestFairShares has one submitter flood the system, and compares how long another then takes with how long the same takes on an
// empty one. A page of high priority goes before all of it.
func TestFairShares(t *testing.T) {
	rig.Whole(t)
	const (
		crowd  = 200 // hosts of the flood
		flood  = 20_000
		guests = 10 // hosts of the small submission
		each   = 10
		delay  = time.Second
	)
	w := rig.Web(t, lab.Config{Seed: 47, Hosts: crowd + 2*guests + 1, Pages: 60_000, Plain: true})
	s, _ := rig.Cluster(t, w, 2)
	by := rig.PagesOf(t, w, 220)
	host := func(i int) []string { return by[rig.HostOf(w.Seeds()[i])] }
	small := func(first int) (urls []string) {
		for i := range guests {
			urls = append(urls, host(first + i)[:each]...)
		}
		return urls
	}
	alone := lastStart(s, w, small(crowd), delay)

	var urls []string
	for i := range crowd {
		urls = append(urls, host(i)[:min(len(host(i)), 200)]...)
	}
	urls = urls[:flood]
	s.Enqueue(urls, "--crawl", "flood", "--submitter", "alice", "--delay", "0", "--max-pages", "1000000")
	rig.WaitFor(t, "the flood", 40*time.Second, func() bool {
		c := tallyOf(s.Standing(), "flood")
		return c.Admitted == flood && c.Stored > 300
	})
	before := tallyOf(s.Standing(), "flood")
	crowded := lastStart(s, w, small(crowd+guests), delay)
	t.Logf("100 pages of a small submission: %s alone, %s behind %d pages of somebody else", alone, crowded, before.Waiting+before.Queued)
	if crowded > time.Duration(2*rig.Slack())*alone {
		t.Errorf("took %s beside a flood, and %s alone", crowded, alone)
	}

	// One page of a host that is busy with the flood, and one of a host that nobody knows yet: that one's robots.txt comes first.
	for what, url := range map[string]string{"busy": host(0)[len(host(0))-1], "new": host(crowd + 2*guests)[0]} {
		if slices.Contains(urls, url) {
			t.Fatalf("%s is part of the flood", url)
		}
		began := time.Now()
		s.Enqueue([]string{url}, "--crawl", "urgent", "--submitter", "carol", "--priority", "high", "--delay", delay.String())
		started := waitStarts(s, w, []string{url}, 20*time.Second)
		took := started.Sub(began)
		t.Logf("a page of high priority of a %s host started after %s", what, took)
		if most := time.Duration(rig.Slack()) * (2*time.Second + 2*delay); took > most {
			t.Errorf("a page of high priority of a %s host started after %s, want %s", what, took, most)
		}
	}
	if c := tallyOf(s.Standing(), "flood"); c.Waiting < 1000 {
		t.Errorf("the flood was nearly over (%+v): this proves little", c)
	}
}

// lastStart submits URLs as bob and returns how long it takes until the last of them is asked for.
func lastStart(s *rig.Site, w *lab.Web, urls []string, delay time.Duration) time.Duration {
	s.T.Helper()
	began := time.Now()
	s.Enqueue(urls, "--crawl", "small", "--submitter", "bob", "--delay", delay.String())
	return waitStarts(s, w, urls, 90*time.Second).Sub(began)
}

// waitStarts waits until each of the URLs was asked for and returns when the last one was.
func waitStarts(s *rig.Site, w *lab.Web, urls []string, atMost time.Duration) (at time.Time) {
	s.T.Helper()
	rig.WaitFor(s.T, "all to be asked for", atMost, func() bool {
		starts := starts(w)
		at = time.Time{}
		for _, u := range urls {
			first, ok := starts[rig.HostOf(u)+rig.PathOf(u)]
			if !ok {
				return false
			}
			if first.After(at) {
				at = first
			}
		}
		return true
	})
	return at
}

// starts is when each page was asked for first, by host and path.
func starts(w *lab.Web) map[string]time.Time {
	first := map[string]time.Time{}
	for _, r := range w.Requests() {
		if _, ok := first[r.Host+r.Path]; !ok {
			first[r.Host+r.Path] = r.At
		}
	}
	return first
}
